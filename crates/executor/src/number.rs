//! How elements are computed with.
//!
//! Half-precision numbers are widened to FP32, computed with, and rounded once. Integers wrap, as in C and NumPy.

use half::{bf16, f16};

use crate::tensor::Element;

/// A type that arithmetic is done in.
pub trait Arithmetic: Element + PartialOrd {
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// The lowest value: negative infinity of those that have it.
    const LOWEST: Self;
    /// The highest value: infinity of those that have it.
    const HIGHEST: Self;
    /// Whether there are no fractions.
    const IS_INTEGER: bool;

    /// The sum; integers wrap.
    fn plus(self, other: Self) -> Self;
    /// The difference; integers wrap.
    fn minus(self, other: Self) -> Self;
    /// The product; integers wrap.
    fn times(self, other: Self) -> Self;
    /// The quotient, towards zero for integers; none for an integer divided by zero.
    fn over(self, other: Self) -> Option<Self>;
    /// What division leaves, with the dividend's sign (C's `fmod`); none for an integer divided by zero.
    fn remainder(self, other: Self) -> Option<Self>;
    /// The nearest FP64.
    fn to_f64(self) -> f64;
    /// Its value without what follows the point.
    fn to_i128(self) -> i128;
    /// The nearest value, towards zero for integers.
    fn of_f64(value: f64) -> Self;
    /// The value of an index or a count, as C casts it.
    fn of_i64(value: i64) -> Self;
    /// Whether it is not a number.
    fn not_a_number(self) -> bool;

    /// The larger, or NaN when one is.
    fn larger(self, other: Self) -> Self {
        if self > other || self.not_a_number() {
            self
        } else {
            other
        }
    }

    /// The smaller, or NaN when one is.
    fn smaller(self, other: Self) -> Self {
        if self < other || self.not_a_number() {
            self
        } else {
            other
        }
    }

    /// The magnitude; the lowest integer has none and stays.
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

/// An element that is a number, and the type that it is computed with in.
pub trait Number: Element + PartialOrd {
    /// FP32 for half precision, else the type itself.
    type Wide: Arithmetic + Number<Wide = Self::Wide>;
    /// Its value, in the type that is computed in.
    fn widen(self) -> Self::Wide;
    /// A result, rounded once.
    fn narrow(wide: Self::Wide) -> Self;
}

/// A whole number.
pub trait Integer: Number<Wide = Self> + Arithmetic + Ord {
    /// The bits that both have.
    fn bits_and(self, other: Self) -> Self;
    /// The bits that one of them has.
    fn bits_or(self, other: Self) -> Self;
    /// The bits in which they differ.
    fn bits_xor(self, other: Self) -> Self;
    /// The bits that it lacks.
    fn bits_not(self) -> Self;
    /// Its bits, shifted left; 0 when it has no more bits than that.
    fn left(self, by: u32) -> Self;
    /// Its bits, shifted right; 0 when it has no more bits than that.
    fn right(self, by: u32) -> Self;
    /// Its value, as a number of bits to shift by; the highest one for what does not fit.
    fn to_u32(self) -> u32;
    /// Its power; it wraps.
    fn power(self, exponent: u64) -> Self;
}

/// FP32 or FP64.
pub trait Float: Arithmetic + num_traits::Float {
    /// The error function.
    fn erf(self) -> Self;
    /// The nearest integer, the even one of two.
    fn round_half_even(self) -> Self;
    /// An attribute.
    fn of(value: f32) -> Self {
        Self::of_f64(value.into())
    }
    /// A constant.
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

/// An element that has fractions.
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

/// Run a block with `$T` as the Rust type of a number's datatype, as `with_element!` does for any datatype.
#[macro_export]
macro_rules! with_number {
    ($dt:expr, $T:ident => $body:expr) => {
        $crate::with_datatype!($dt, $T => $body, "a number's datatype",
            Fp32 f32, Fp64 f64, Fp16 $crate::tensor::types::f16, Bf16 $crate::tensor::types::bf16,
            Int8 i8, Int16 i16, Int32 i32, Int64 i64, Uint8 u8, Uint16 u16, Uint32 u32, Uint64 u64)
    };
}

/// Run a block with `$T` as the Rust type of a datatype with fractions.
#[macro_export]
macro_rules! with_real {
    ($dt:expr, $T:ident => $body:expr) => {
        $crate::with_datatype!($dt, $T => $body, "FP32, FP64, FP16 or BF16",
            Fp32 f32, Fp64 f64, Fp16 $crate::tensor::types::f16, Bf16 $crate::tensor::types::bf16)
    };
}

/// Run a block with `$T` as the Rust type of an integer's datatype.
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
            $(infer_model_card::Datatype::$datatype => { type $T = $type; $body })*
            other => return Err($crate::error::Error::unsupported(format!(
                concat!("expected ", $expected, ", came {}"), other
            ))),
        }
    };
}
