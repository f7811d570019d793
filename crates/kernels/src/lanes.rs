//! Four values that are computed together.

use std::ops::{Add, Mul, Sub};

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
            Self(f32x4_min(f32x4_max(self.0, min.0), max.0))
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
}
