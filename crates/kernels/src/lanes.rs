//! A vector of four f32: a `v128` in WebAssembly, an array elsewhere.

use std::ops::{Add, Div, Mul, Sub};

pub(crate) use crate::layout::LANES;

/// A vector of four f32.
#[cfg(target_arch = "wasm32")]
#[derive(Clone, Copy)]
pub(crate) struct Lanes(std::arch::wasm32::v128);

/// A vector of four f32.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Clone, Copy)]
pub(crate) struct Lanes([f32; 4]);

#[cfg(target_arch = "wasm32")]
mod wasm {
    use std::arch::wasm32::*;

    use super::*;
    use crate::layout::{REQUANTIZED, ROUND};

    impl Lanes {
        /// The same value in each lane.
        #[inline(always)]
        pub(crate) fn splat(value: f32) -> Self {
            Self(f32x4_splat(value))
        }

        /// Load four values.
        #[inline(always)]
        pub(crate) fn load(from: &[f32; LANES]) -> Self {
            // SAFETY: the array has 16 bytes, and a `v128` is loaded from any address.
            Self(unsafe { v128_load(from.as_ptr().cast()) })
        }

        /// Load four integers and convert them.
        #[inline(always)]
        pub(crate) fn load_i32(from: &[i32; LANES]) -> Self {
            // SAFETY: the array has 16 bytes, and a `v128` is loaded from any address.
            Self(f32x4_convert_i32x4(unsafe {
                v128_load(from.as_ptr().cast())
            }))
        }

        /// Round `values` to the nearest integer, add `zero_point`, and store them as uint8. Values out of range
        /// saturate, and NaN becomes any byte.
        #[inline(always)]
        pub(crate) fn store_u8(values: [Self; 4], zero_point: i32, to: &mut [u8; REQUANTIZED]) {
            let integers = i32x4_splat(zero_point.wrapping_sub(ROUND.to_bits() as i32));
            // Narrow without a mask: from masked values, LLVM would extract bytes one by one.
            let [a, b, c, d] =
                values.map(|values| i32x4_add(f32x4_add(values.0, f32x4_splat(ROUND)), integers));
            let bytes = u8x16_narrow_i16x8(i16x8_narrow_i32x4(a, b), i16x8_narrow_i32x4(c, d));
            // SAFETY: the array has 16 bytes, and a `v128` is stored at any address.
            unsafe { v128_store(to.as_mut_ptr().cast(), bytes) };
        }

        /// Store four values.
        #[inline(always)]
        pub(crate) fn store(self, to: &mut [f32; LANES]) {
            // SAFETY: the array has 16 bytes, and a `v128` is stored at any address.
            unsafe { v128_store(to.as_mut_ptr().cast(), self.0) }
        }

        /// `self * factor + addend`, with one rounding or two.
        #[inline(always)]
        pub(crate) fn mul_add(self, factor: Self, addend: Self) -> Self {
            #[cfg(target_feature = "relaxed-simd")]
            return Self(f32x4_relaxed_madd(self.0, factor.0, addend.0));
            #[cfg(not(target_feature = "relaxed-simd"))]
            return self * factor + addend;
        }

        /// Clamp each value; NaN stays NaN.
        #[inline(always)]
        pub(crate) fn clamp(self, min: Self, max: Self) -> Self {
            // `pmin` and `pmax` are one instruction each and keep NaN; `f32x4_max` takes several.
            Self(f32x4_pmin(f32x4_pmax(self.0, min.0), max.0))
        }

        /// The absolute values.
        #[inline(always)]
        pub(crate) fn abs(self) -> Self {
            Self(f32x4_abs(self.0))
        }

        /// Round to the nearest integer, ties to even.
        #[inline(always)]
        pub(crate) fn nearest(self) -> Self {
            Self(f32x4_nearest(self.0))
        }

        /// The larger of each pair; NaN if one of them is NaN.
        #[inline(always)]
        pub(crate) fn max(self, other: Self) -> Self {
            Self(f32x4_max(self.0, other.0))
        }

        /// The larger of each pair; a NaN in `other` is ignored.
        #[inline(always)]
        pub(crate) fn larger(self, other: Self) -> Self {
            Self(f32x4_pmax(self.0, other.0))
        }

        /// The smaller of each pair; a NaN in `other` is ignored.
        #[inline(always)]
        pub(crate) fn smaller(self, other: Self) -> Self {
            Self(f32x4_pmin(self.0, other.0))
        }

        /// The values with the signs of `other`.
        #[inline(always)]
        pub(crate) fn with_sign(self, other: Self) -> Self {
            Self(v128_bitselect(other.0, self.0, i32x4_splat(i32::MIN)))
        }

        /// `above` in lanes where `self > limit`, `other` elsewhere.
        #[inline(always)]
        pub(crate) fn select_above(self, limit: Self, above: Self, other: Self) -> Self {
            Self(v128_bitselect(above.0, other.0, f32x4_gt(self.0, limit.0)))
        }

        /// `self * 2^power`, for integral powers from -252 to 254.
        #[inline(always)]
        pub(crate) fn scaled(self, power: Self) -> Self {
            let bits = f32x4_add(power.0, f32x4_splat(ROUND));
            let power = i32x4_sub(bits, i32x4_splat(ROUND.to_bits() as i32));
            let half = i32x4_shr(power, 1);
            let factor = |power| i32x4_shl(i32x4_add(power, i32x4_splat(127)), 23);
            let once = f32x4_mul(self.0, factor(half));
            Self(f32x4_mul(once, factor(i32x4_sub(power, half))))
        }

        /// The four values.
        #[inline(always)]
        pub(crate) fn values(self) -> [f32; LANES] {
            [
                f32x4_extract_lane::<0>(self.0),
                f32x4_extract_lane::<1>(self.0),
                f32x4_extract_lane::<2>(self.0),
                f32x4_extract_lane::<3>(self.0),
            ]
        }
    }

    impl Add for Lanes {
        type Output = Self;

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            Self(f32x4_add(self.0, other.0))
        }
    }

    impl Sub for Lanes {
        type Output = Self;

        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            Self(f32x4_sub(self.0, other.0))
        }
    }

    impl Mul for Lanes {
        type Output = Self;

        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            Self(f32x4_mul(self.0, other.0))
        }
    }

    impl Div for Lanes {
        type Output = Self;

        #[inline(always)]
        fn div(self, other: Self) -> Self {
            Self(f32x4_div(self.0, other.0))
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod plain {
    use std::array::from_fn;

    use super::*;
    use crate::layout::REQUANTIZED;

    impl Lanes {
        /// The same value in each lane.
        #[inline(always)]
        pub(crate) fn splat(value: f32) -> Self {
            Self([value; LANES])
        }

        /// Load four values.
        #[inline(always)]
        pub(crate) fn load(from: &[f32; LANES]) -> Self {
            Self(*from)
        }

        /// Load four integers and convert them.
        #[inline(always)]
        pub(crate) fn load_i32(from: &[i32; LANES]) -> Self {
            Self(from.map(|integer| integer as f32))
        }

        /// Round `values` to the nearest integer, add `zero_point`, and store them as uint8. Values out of range
        /// saturate, and NaN becomes any byte.
        #[inline(always)]
        pub(crate) fn store_u8(values: [Self; 4], zero_point: i32, to: &mut [u8; REQUANTIZED]) {
            let (fours, _) = to.as_chunks_mut::<LANES>();
            for (values, to) in values.into_iter().zip(fours) {
                let integers = values.nearest().0.map(|value| value as i32);
                *to = integers.map(|value| value.saturating_add(zero_point).clamp(0, 255) as u8);
            }
        }

        /// Store four values.
        #[inline(always)]
        pub(crate) fn store(self, to: &mut [f32; LANES]) {
            *to = self.0;
        }

        /// `self * factor + addend`, with one rounding or two.
        #[inline(always)]
        pub(crate) fn mul_add(self, factor: Self, addend: Self) -> Self {
            self * factor + addend
        }

        /// Clamp each value; NaN stays NaN.
        #[inline(always)]
        pub(crate) fn clamp(self, min: Self, max: Self) -> Self {
            Self(from_fn(|lane| {
                let (min, max) = (min.0[lane], max.0[lane]);
                crate::gemm::Clamp { min, max }.apply(self.0[lane])
            }))
        }

        /// The absolute values.
        #[inline(always)]
        pub(crate) fn abs(self) -> Self {
            Self(self.0.map(f32::abs))
        }

        /// Round to the nearest integer, ties to even.
        #[inline(always)]
        pub(crate) fn nearest(self) -> Self {
            Self(self.0.map(f32::round_ties_even))
        }

        /// The larger of each pair; NaN if one of them is NaN.
        #[inline(always)]
        pub(crate) fn max(self, other: Self) -> Self {
            Self(from_fn(|lane| match (self.0[lane], other.0[lane]) {
                (a, b) if a.is_nan() || b.is_nan() => f32::NAN,
                (a, b) => a.max(b),
            }))
        }

        /// The larger of each pair; a NaN in `other` is ignored.
        #[inline(always)]
        pub(crate) fn larger(self, other: Self) -> Self {
            Self(from_fn(|lane| self.0[lane].max(other.0[lane])))
        }

        /// The smaller of each pair; a NaN in `other` is ignored.
        #[inline(always)]
        pub(crate) fn smaller(self, other: Self) -> Self {
            Self(from_fn(|lane| self.0[lane].min(other.0[lane])))
        }

        /// The values with the signs of `other`.
        #[inline(always)]
        pub(crate) fn with_sign(self, other: Self) -> Self {
            Self(from_fn(|lane| self.0[lane].copysign(other.0[lane])))
        }

        /// `above` in lanes where `self > limit`, `other` elsewhere.
        #[inline(always)]
        pub(crate) fn select_above(self, limit: Self, above: Self, other: Self) -> Self {
            Self(from_fn(|lane| match self.0[lane] > limit.0[lane] {
                true => above.0[lane],
                false => other.0[lane],
            }))
        }

        /// `self * 2^power`, for integral powers from -252 to 254.
        #[inline(always)]
        pub(crate) fn scaled(self, power: Self) -> Self {
            Self(from_fn(|lane| {
                let power = power.0[lane] as i32;
                let half = power >> 1;
                let factor = |power: i32| f32::from_bits(((power + 127) << 23) as u32);
                self.0[lane] * factor(half) * factor(power - half)
            }))
        }

        /// The four values.
        #[inline(always)]
        pub(crate) fn values(self) -> [f32; LANES] {
            self.0
        }
    }

    impl Add for Lanes {
        type Output = Self;

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            Self(from_fn(|lane| self.0[lane] + other.0[lane]))
        }
    }

    impl Sub for Lanes {
        type Output = Self;

        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            Self(from_fn(|lane| self.0[lane] - other.0[lane]))
        }
    }

    impl Mul for Lanes {
        type Output = Self;

        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            Self(from_fn(|lane| self.0[lane] * other.0[lane]))
        }
    }

    impl Div for Lanes {
        type Output = Self;

        #[inline(always)]
        fn div(self, other: Self) -> Self {
            Self(from_fn(|lane| self.0[lane] / other.0[lane]))
        }
    }
}
