//! Arithmetic on float tensors: FP16 and BF16 are computed in FP32 and rounded once at the end; FP64 in FP64.

use std::borrow::Cow;
use std::ops::{AddAssign, MulAssign};

use half::{bf16, f16};
use infer_tensor::Datatype;
use num_traits::Float;

use crate::error::{Error, Result};
use crate::operator::Inputs;
use crate::tensor::{Data, Element, Tensor, with_room};

/// Converts each element.
///
/// # Errors
/// `Memory` if the result does not fit into memory.
pub(crate) fn each<A: Copy, B>(from: &[A], to: impl Fn(A) -> B) -> Result<Vec<B>> {
    let mut result = with_room(from.len())?;
    result.extend(from.iter().map(|&value| to(value)));
    Ok(result)
}

/// A type that sums of products are computed in: floats, and integers that wrap.
pub trait Ring: Copy + Default + 'static {
    /// `self + a * b`.
    fn plus_product(self, a: Self, b: Self) -> Self;
}

impl Ring for f32 {
    fn plus_product(self, a: Self, b: Self) -> Self {
        self + a * b
    }
}

impl Ring for f64 {
    fn plus_product(self, a: Self, b: Self) -> Self {
        self + a * b
    }
}

impl Ring for i32 {
    fn plus_product(self, a: Self, b: Self) -> Self {
        self.wrapping_add(a.wrapping_mul(b))
    }
}

/// A type that floats are computed in: FP32 or FP64.
pub trait Real: Element + Float + Ring + AddAssign + MulAssign {
    /// Converts from FP64, rounded to the nearest.
    fn of(value: f64) -> Self;
    /// Converts to FP64, exactly.
    fn wide(self) -> f64;
    /// A tensor's elements in this type, converted if need be; `None` if the datatype is not a float's.
    ///
    /// # Errors
    /// `Memory` if the result does not fit into memory.
    fn view(data: &Data) -> Result<Option<Cow<'_, [Self]>>>;

    /// The row for an FP32 kernel; `None` if this type is not FP32.
    fn fp32(_: &[Self]) -> Option<&[f32]> {
        None
    }

    /// As [`Real::fp32`], mutable.
    fn fp32_mut(_: &mut [Self]) -> Option<&mut [f32]> {
        None
    }
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }

    fn fp32(row: &[Self]) -> Option<&[f32]> {
        Some(row)
    }

    fn fp32_mut(row: &mut [Self]) -> Option<&mut [f32]> {
        Some(row)
    }

    fn wide(self) -> f64 {
        self.into()
    }

    fn view(data: &Data) -> Result<Option<Cow<'_, [Self]>>> {
        Ok(Some(match data {
            Data::F32(values) => Cow::Borrowed(values),
            Data::F16(values) => Cow::Owned(each(values, |v| v.to_f32())?),
            Data::Bf16(values) => Cow::Owned(each(values, |v| v.to_f32())?),
            Data::F64(values) => Cow::Owned(each(values, |v| v as f32)?),
            _ => return Ok(None),
        }))
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn wide(self) -> f64 {
        self
    }

    fn view(data: &Data) -> Result<Option<Cow<'_, [Self]>>> {
        Ok(Some(match data {
            Data::F64(values) => Cow::Borrowed(values),
            Data::F32(values) => Cow::Owned(each(values, Into::into)?),
            Data::F16(values) => Cow::Owned(each(values, |v| v.to_f64())?),
            Data::Bf16(values) => Cow::Owned(each(values, |v| v.to_f64())?),
            _ => return Ok(None),
        }))
    }
}

/// Runs a block with `$R` as the type that a datatype is computed in: `f64` for FP64, `f32` otherwise.
#[macro_export]
macro_rules! in_real {
    ($datatype:expr, $R:ident => $body:expr) => {
        match $datatype {
            infer_tensor::Datatype::Fp64 => {
                type $R = f64;
                $body
            }
            _ => {
                type $R = f32;
                $body
            }
        }
    };
}

/// A tensor's elements in the type that they are computed in.
///
/// # Errors
/// `Unsupported` if the datatype is not a float's.
pub fn reals<R: Real>(tensor: &Tensor) -> Result<Cow<'_, [R]>> {
    R::view(tensor.data())?.ok_or_else(|| not_real(tensor))
}

/// As [`reals`], owned: in the tensor's own memory if it has the type.
///
/// # Errors
/// As [`reals`].
pub fn into_reals<R: Real>(tensor: Tensor) -> Result<Vec<R>> {
    if tensor.datatype() == R::DATATYPE {
        return tensor.into_elements();
    }
    Ok(reals::<R>(&tensor)?.into_owned())
}

fn not_real(tensor: &Tensor) -> Error {
    Error::unsupported(format!(
        "expected real numbers (FP32, FP64, FP16 or BF16), got {}",
        tensor.datatype()
    ))
}

/// Makes a tensor of that datatype from computed values, each rounded once.
///
/// # Errors
/// `Unsupported` if the datatype is not a float's, `Memory`.
pub fn rounded<R: Real>(shape: Vec<usize>, values: Vec<R>, datatype: Datatype) -> Result<Tensor> {
    let data = match datatype {
        same if same == R::DATATYPE => R::wrap(values),
        Datatype::Fp16 => Data::F16(each(&values, |v| f16::from_f64(v.wide()))?),
        Datatype::Bf16 => Data::Bf16(each(&values, |v| bf16::from_f64(v.wide()))?),
        Datatype::Fp32 => Data::F32(each(&values, |v| v.wide() as f32)?),
        Datatype::Fp64 => Data::F64(each(&values, |v| v.wide())?),
        other => {
            return Err(Error::unsupported(format!(
                "expected a datatype of real numbers, got {other}"
            )));
        }
    };
    Tensor::new(shape, data)
}

/// The datatype of the first input, which the inputs at `others` must have too unless they are omitted.
///
/// # Errors
/// `Graph` if the first input is missing, `Input` if datatypes differ.
pub fn common_datatype(inputs: &Inputs<'_>, others: &[usize]) -> Result<Datatype> {
    let datatype = inputs.required(0)?.datatype();
    for &position in others {
        if let Some(other) = inputs.get(position)
            && other.datatype() != datatype
        {
            return Err(Error::input(format!(
                "input {position} is {}, expected {datatype} as input 0",
                other.datatype()
            )));
        }
    }
    Ok(datatype)
}
