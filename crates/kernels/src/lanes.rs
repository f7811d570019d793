//! Four values that are computed together.

use std::ops::{Add, Div, Mul, Sub};

/// Four values: a `v128` in WebAssembly, an array elsewhere.
#[cfg(target_arch = "wasm32")]
#[derive(Clone, Copy)]
pub(crate) struct Lanes(std::arch::wasm32::v128);

/// Four values: a `v128` in WebAssembly, an array elsewhere.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Clone, Copy)]
pub(crate) struct Lanes([f32; 4]);

/// How many.
pub(crate) const LANES: usize = 4;

#[cfg(target_arch = "wasm32")]
mod wasm {
    use std::arch::wasm32::*;

    use super::*;

    impl Lanes {
        /// The same value in each.
        #[inline(always)]
        pub(crate) fn splat(value: f32) -> Self {
            Self(f32x4_splat(value))
        }

        /// Read four values.
        ///
        /// # Safety
        /// `from` must be valid for reads of four values.
        #[inline(always)]
        pub(crate) unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the caller vouches for it; a `v128` is loaded from any address.
            Self(unsafe { v128_load(from.cast()) })
        }

        /// Read four integers.
        ///
        /// # Safety
        /// `from` must be valid for reads of four integers.
        #[inline(always)]
        pub(crate) unsafe fn load_integers(from: *const i32) -> Self {
            // SAFETY: the caller vouches for it; a `v128` is loaded from any address.
            Self(f32x4_convert_i32x4(unsafe { v128_load(from.cast()) }))
        }

        /// Write `values * factor`, rounded and then `zero` added, of four times four values as bytes: the nearest one, and any of
        /// NaN.
        ///
        /// # Safety
        /// `to` must be valid for writes of sixteen bytes.
        #[inline(always)]
        pub(crate) unsafe fn store_bytes(values: [Self; 4], factor: Self, zero: i32, to: *mut u8) {
            // Adding this leaves the integer in the low bits.
            const ROUND: f32 = 12_582_912.0;
            let integers = i32x4_splat(zero.wrapping_sub(ROUND.to_bits() as i32));
            // They are narrowed as they are: of masked ones LLVM would take byte after byte.
            let [a, b, c, d] = values
                .map(|values| i32x4_add(values.mul_add(factor, Self::splat(ROUND)).0, integers));
            let bytes = u8x16_narrow_i16x8(i16x8_narrow_i32x4(a, b), i16x8_narrow_i32x4(c, d));
            // SAFETY: the caller vouches for it; a `v128` is stored at any address.
            unsafe { v128_store(to.cast(), bytes) };
        }

        /// Write four values.
        ///
        /// # Safety
        /// `to` must be valid for writes of four values.
        #[inline(always)]
        pub(crate) unsafe fn store(self, to: *mut f32) {
            // SAFETY: the caller vouches for it; a `v128` is stored at any address.
            unsafe { v128_store(to.cast(), self.0) }
        }

        /// `self * factor + addend`, rounded once or twice.
        #[inline(always)]
        pub(crate) fn mul_add(self, factor: Self, addend: Self) -> Self {
            #[cfg(target_feature = "relaxed-simd")]
            return Self(f32x4_relaxed_madd(self.0, factor.0, addend.0));
            #[cfg(not(target_feature = "relaxed-simd"))]
            return self * factor + addend;
        }

        /// Values below `min` become that, then those above `max`; NaN stays.
        #[inline(always)]
        pub(crate) fn clamp(self, min: Self, max: Self) -> Self {
            // By comparison, which is one instruction and lets NaN be, where `f32x4_max` is several.
            Self(f32x4_pmin(f32x4_pmax(self.0, min.0), max.0))
        }

        /// The magnitude of each.
        #[inline(always)]
        pub(crate) fn abs(self) -> Self {
            Self(f32x4_abs(self.0))
        }

        /// The nearest integer of each, the even one of two.
        #[inline(always)]
        pub(crate) fn nearest(self) -> Self {
            Self(f32x4_nearest(self.0))
        }

        /// The larger of each two; NaN where one is.
        #[inline(always)]
        pub(crate) fn max(self, other: Self) -> Self {
            Self(f32x4_max(self.0, other.0))
        }

        /// With the signs of another.
        #[inline(always)]
        pub(crate) fn with_sign(self, other: Self) -> Self {
            Self(v128_bitselect(other.0, self.0, i32x4_splat(i32::MIN)))
        }

        /// Where this is above a limit, of the first, elsewhere of the second.
        #[inline(always)]
        pub(crate) fn select_above(self, limit: Self, above: Self, other: Self) -> Self {
            Self(v128_bitselect(above.0, other.0, f32x4_gt(self.0, limit.0)))
        }

        /// Multiplied with two to an integral power from -252 to 254.
        #[inline(always)]
        pub(crate) fn scaled(self, power: Self) -> Self {
            // Adding it leaves the integer in the low bits.
            const ROUND: f32 = 12_582_912.0;
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

    impl Lanes {
        /// The same value in each.
        #[inline(always)]
        pub(crate) fn splat(value: f32) -> Self {
            Self([value; LANES])
        }

        /// Read four values.
        ///
        /// # Safety
        /// `from` must be valid for reads of four values.
        #[inline(always)]
        pub(crate) unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the caller vouches for it; an array of values is aligned as they are.
            Self(unsafe { from.cast::<[f32; LANES]>().read() })
        }

        /// Read four integers.
        ///
        /// # Safety
        /// `from` must be valid for reads of four integers.
        #[inline(always)]
        pub(crate) unsafe fn load_integers(from: *const i32) -> Self {
            // SAFETY: the caller vouches for it; an array of integers is aligned as they are.
            let integers = unsafe { from.cast::<[i32; LANES]>().read() };
            Self(integers.map(|integer| integer as f32))
        }

        /// Write `values * factor`, rounded and then `zero` added, of four times four values as bytes: the nearest one, and any of
        /// NaN.
        ///
        /// # Safety
        /// `to` must be valid for writes of sixteen bytes.
        #[inline(always)]
        pub(crate) unsafe fn store_bytes(values: [Self; 4], factor: Self, zero: i32, to: *mut u8) {
            let bytes = values.map(|values| {
                let steps = (values * factor).nearest();
                steps
                    .0
                    .map(|step| (step as i32).saturating_add(zero).clamp(0, 255) as u8)
            });
            // SAFETY: the caller vouches for it; an array of bytes is at any address.
            unsafe { to.cast::<[[u8; LANES]; 4]>().write(bytes) };
        }

        /// Write four values.
        ///
        /// # Safety
        /// `to` must be valid for writes of four values.
        #[inline(always)]
        pub(crate) unsafe fn store(self, to: *mut f32) {
            // SAFETY: the caller vouches for it; an array of values is aligned as they are.
            unsafe { to.cast::<[f32; LANES]>().write(self.0) }
        }

        /// `self * factor + addend`, rounded once or twice.
        #[inline(always)]
        pub(crate) fn mul_add(self, factor: Self, addend: Self) -> Self {
            self * factor + addend
        }

        /// Values below `min` become that, then those above `max`; NaN stays.
        #[inline(always)]
        pub(crate) fn clamp(self, min: Self, max: Self) -> Self {
            Self(from_fn(|lane| {
                let (min, max) = (min.0[lane], max.0[lane]);
                crate::gemm::Clamp { min, max }.apply(self.0[lane])
            }))
        }

        /// The magnitude of each.
        #[inline(always)]
        pub(crate) fn abs(self) -> Self {
            Self(self.0.map(f32::abs))
        }

        /// The nearest integer of each, the even one of two.
        #[inline(always)]
        pub(crate) fn nearest(self) -> Self {
            Self(self.0.map(f32::round_ties_even))
        }

        /// The larger of each two; NaN where one is.
        #[inline(always)]
        pub(crate) fn max(self, other: Self) -> Self {
            Self(from_fn(|lane| match (self.0[lane], other.0[lane]) {
                (a, b) if a.is_nan() || b.is_nan() => f32::NAN,
                (a, b) => a.max(b),
            }))
        }

        /// With the signs of another.
        #[inline(always)]
        pub(crate) fn with_sign(self, other: Self) -> Self {
            Self(from_fn(|lane| self.0[lane].copysign(other.0[lane])))
        }

        /// Where this is above a limit, of the first, elsewhere of the second.
        #[inline(always)]
        pub(crate) fn select_above(self, limit: Self, above: Self, other: Self) -> Self {
            Self(from_fn(|lane| match self.0[lane] > limit.0[lane] {
                true => above.0[lane],
                false => other.0[lane],
            }))
        }

        /// Multiplied with two to an integral power from -252 to 254.
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
