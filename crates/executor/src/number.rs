//! Arithmetic on elements of any number datatype.
//!
//! Half-precision elements are widened to FP32, computed in FP32 and rounded once. Integers wrap, as in C and NumPy.

use half::{bf16, f16};

use crate::tensor::Element;

/// A type that arithmetic is computed in: FP32, FP64 or an integer.
pub trait Arithmetic: Element + PartialOrd {
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// The lowest value: negative infinity for floats.
    const LOWEST: Self;
    /// The highest value: infinity for floats.
    const HIGHEST: Self;
    /// Whether the type is an integer.
    const IS_INTEGER: bool;

    /// The sum; integers wrap.
    fn plus(self, other: Self) -> Self;
    /// The difference; integers wrap.
    fn minus(self, other: Self) -> Self;
    /// The product; integers wrap.
    fn times(self, other: Self) -> Self;
    /// The quotient, truncated towards zero for integers; `None` for an integer divided by zero.
    fn over(self, other: Self) -> Option<Self>;
    /// The remainder, with the dividend's sign (C's `fmod`); `None` for an integer divided by zero.
    fn remainder(self, other: Self) -> Option<Self>;
    /// The value as FP64, rounded to the nearest.
    fn to_f64(self) -> f64;
    /// The value truncated to an integer.
    fn to_i128(self) -> i128;
    /// Converts from FP64: rounded to the nearest for floats, truncated and saturated for integers.
    fn of_f64(value: f64) -> Self;
    /// Converts an index or a count, as a C cast does.
    fn of_i64(value: i64) -> Self;
    /// Whether the value is NaN.
    fn not_a_number(self) -> bool;

    /// The larger value, or NaN if either is NaN.
    fn larger(self, other: Self) -> Self {
        if self > other || self.not_a_number() {
            self
        } else {
            other
        }
    }

    /// The smaller value, or NaN if either is NaN.
    fn smaller(self, other: Self) -> Self {
        if self < other || self.not_a_number() {
            self
        } else {
            other
        }
    }

    /// The absolute value; the lowest integer, which has none, stays.
    fn magnitude(self) -> Self {
        if self < Self::ZERO {
            Self::ZERO.minus(self)
        } else {
            self
        }
    }
}

macro_rules! floats {
    ($($type:ty)*) => { $(
        impl Arithmetic for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const LOWEST: Self = <$type>::NEG_INFINITY;
            const HIGHEST: Self = <$type>::INFINITY;
            const IS_INTEGER: bool = false;

            fn plus(self, other: Self) -> Self {
                self + other
            }
            fn minus(self, other: Self) -> Self {
                self - other
            }
            fn times(self, other: Self) -> Self {
                self * other
            }
            fn over(self, other: Self) -> Option<Self> {
                Some(self / other)
            }
            fn remainder(self, other: Self) -> Option<Self> {
                Some(self % other)
            }
            fn to_f64(self) -> f64 {
                self.into()
            }
            fn to_i128(self) -> i128 {
                self as i128
            }
            fn of_f64(value: f64) -> Self {
                value as Self
            }
            fn of_i64(value: i64) -> Self {
                value as Self
            }
            fn not_a_number(self) -> bool {
                self.is_nan()
            }
            fn magnitude(self) -> Self {
                self.abs()
            }
        }
    )* };
}

macro_rules! integers {
    ($($type:ty)*) => { $(
        impl Arithmetic for $type {
            const ZERO: Self = 0;
            const ONE: Self = 1;
            const LOWEST: Self = <$type>::MIN;
            const HIGHEST: Self = <$type>::MAX;
            const IS_INTEGER: bool = true;

            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            fn over(self, other: Self) -> Option<Self> {
                (other != 0).then(|| self.wrapping_div(other))
            }
            fn remainder(self, other: Self) -> Option<Self> {
                (other != 0).then(|| self.wrapping_rem(other))
            }
            fn to_f64(self) -> f64 {
                self as f64
            }
            fn to_i128(self) -> i128 {
                self.into()
            }
            fn of_f64(value: f64) -> Self {
                value as Self
            }
            fn of_i64(value: i64) -> Self {
                value as Self
            }
            fn not_a_number(self) -> bool {
                false
            }
        }

        impl Number for $type {
            type Wide = Self;
            fn widen(self) -> Self {
                self
            }
            fn narrow(wide: Self) -> Self {
                wide
            }
        }

        impl Integer for $type {
            fn bits_and(self, other: Self) -> Self {
                self & other
            }
            fn bits_or(self, other: Self) -> Self {
                self | other
            }
            fn bits_xor(self, other: Self) -> Self {
                self ^ other
            }
            fn bits_not(self) -> Self {
                !self
            }
            fn left(self, by: u32) -> Self {
                self.checked_shl(by).unwrap_or(0)
            }
            fn right(self, by: u32) -> Self {
                self.checked_shr(by).unwrap_or(0)
            }
            fn to_u32(self) -> u32 {
                u32::try_from(self).unwrap_or(u32::MAX)
            }
            fn power(self, exponent: u64) -> Self {
                let (mut base, mut exponent, mut result) = (self, exponent, 1);
                while exponent > 0 {
                    if exponent & 1 == 1 {
                        result = <$type>::wrapping_mul(result, base);
                    }
                    base = base.wrapping_mul(base);
                    exponent >>= 1;
                }
                result
            }
        }
    )* };
}

floats! { f32 f64 }
integers! { i8 i16 i32 i64 u8 u16 u32 u64 }

/// An element that is a number, with the type that it is computed in.
pub trait Number: Element + PartialOrd {
    /// FP32 for half precision, the type itself otherwise.
    type Wide: Arithmetic + Number<Wide = Self::Wide>;
    /// Converts the value to the type that is computed in.
    fn widen(self) -> Self::Wide;
    /// Rounds a result to this type.
    fn narrow(wide: Self::Wide) -> Self;
}

/// An integer.
pub trait Integer: Number<Wide = Self> + Arithmetic + Ord {
    /// Bitwise AND.
    fn bits_and(self, other: Self) -> Self;
    /// Bitwise OR.
    fn bits_or(self, other: Self) -> Self;
    /// Bitwise XOR.
    fn bits_xor(self, other: Self) -> Self;
    /// Bitwise NOT.
    fn bits_not(self) -> Self;
    /// Shifts left; 0 if `by` is at least the number of bits.
    fn left(self, by: u32) -> Self;
    /// Shifts right; 0 if `by` is at least the number of bits.
    fn right(self, by: u32) -> Self;
    /// The value as a number of bits to shift by; `u32::MAX` if it does not fit.
    fn to_u32(self) -> u32;
    /// Raises to a power; wraps.
    fn power(self, exponent: u64) -> Self;
}

/// FP32 or FP64.
pub trait Float: Arithmetic + num_traits::Float {
    /// The error function.
    fn erf(self) -> Self;
    /// Rounds to the nearest integer, halves to even.
    fn round_half_even(self) -> Self;
    /// Converts an attribute's value.
    fn of(value: f32) -> Self {
        Self::of_f64(value.into())
    }
    /// Converts a constant.
    fn constant(value: f64) -> Self {
        Self::of_f64(value)
    }
}

impl Float for f32 {
    fn erf(self) -> Self {
        libm::erff(self)
    }
    fn round_half_even(self) -> Self {
        self.round_ties_even()
    }
}

impl Float for f64 {
    fn erf(self) -> Self {
        libm::erf(self)
    }
    fn round_half_even(self) -> Self {
        self.round_ties_even()
    }
}

/// An element of a float datatype, half precision included.
pub trait Real: Number<Wide: Float> {}

macro_rules! reals {
    ($($type:ty, $wide:ty, $widen:expr, $narrow:expr;)*) => { $(
        impl Number for $type {
            type Wide = $wide;
            fn widen(self) -> $wide {
                $widen(self)
            }
            fn narrow(wide: $wide) -> Self {
                $narrow(wide)
            }
        }
        impl Real for $type {}
    )* };
}

reals! {
    f32, f32, std::convert::identity, std::convert::identity;
    f64, f64, std::convert::identity, std::convert::identity;
    f16, f32, f16::to_f32, f16::from_f32;
    bf16, f32, bf16::to_f32, bf16::from_f32;
}

/// Runs a block with `$T` as the Rust type of a number datatype, as `with_element!` does for any datatype.
#[macro_export]
macro_rules! with_number {
    ($dt:expr, $T:ident => $body:expr) => {
        $crate::with_datatype!($dt, $T => $body, "a number's datatype",
            Fp32 f32, Fp64 f64, Fp16 $crate::tensor::types::f16, Bf16 $crate::tensor::types::bf16,
            Int8 i8, Int16 i16, Int32 i32, Int64 i64, Uint8 u8, Uint16 u16, Uint32 u32, Uint64 u64)
    };
}

/// Runs a block with `$T` as the Rust type of a float datatype.
#[macro_export]
macro_rules! with_real {
    ($dt:expr, $T:ident => $body:expr) => {
        $crate::with_datatype!($dt, $T => $body, "FP32, FP64, FP16 or BF16",
            Fp32 f32, Fp64 f64, Fp16 $crate::tensor::types::f16, Bf16 $crate::tensor::types::bf16)
    };
}

/// Runs a block with `$T` as the Rust type of an integer datatype.
#[macro_export]
macro_rules! with_integer {
    ($dt:expr, $T:ident => $body:expr) => {
        $crate::with_datatype!($dt, $T => $body, "an integer's datatype",
            Int8 i8, Int16 i16, Int32 i32, Int64 i64, Uint8 u8, Uint16 u16, Uint32 u32, Uint64 u64)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! with_datatype {
    ($dt:expr, $T:ident => $body:expr, $expected:literal, $($datatype:ident $type:ty),*) => {
        match $dt {
            $(infer_tensor::Datatype::$datatype => { type $T = $type; $body })*
            other => return Err($crate::error::Error::unsupported(format!(
                concat!("expected ", $expected, ", got {}"), other
            ))),
        }
    };
}
