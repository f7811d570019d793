//! Conversion between datatypes: Cast, CastLike and BitCast.

use half::{bf16, f16};
use infer_tensor::Datatype;

use super::entry::{OperatorEntry, boxed, onnx};
use crate::error::{Error, Result};
use crate::operator::{Build, Inputs, Operator};
use crate::real::each;
use crate::tensor::{Data, Element, Tensor, with_room};
use crate::with_element;

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("BitCast", |build| boxed(BitCast { to: to(build)? })),
    // Before version 6 the attribute `to` was a string.
    onnx("Cast", |build| boxed(Cast { to: to(build)? })).since(6),
    onnx("CastLike", |_| boxed(CastLike)),
];

fn to(build: &Build<'_>) -> Result<Datatype> {
    build.attributes().required_int("to").and_then(datatype)
}

/// Reads a datatype from its number in ONNX's `TensorProto.DataType`.
///
/// # Errors
/// `Unsupported` for a datatype that tensors cannot have here, `Graph` for a number that ONNX does not define.
pub(super) fn datatype(number: i64) -> Result<Datatype> {
    match Datatype::from_onnx(number) {
        Ok(datatype) if datatype != Datatype::Bytes => Ok(datatype),
        _ => Err(match Datatype::onnx_name(number) {
            Some(name) => Error::unsupported(format!("tensors of {name} are not supported")),
            None => Error::graph(format!("the datatype {number} is unknown")),
        }),
    }
}

/// A value on the way from one datatype to another.
enum Value {
    Real(f64),
    Whole(i64),
    /// A value that only UINT64 can hold.
    Large(u64),
}

/// Casts of one element: floats truncate towards zero and saturate (NaN becomes 0); integers keep their lowest bits; any
/// value but 0 becomes `true`.
trait Casts: Element {
    fn value(self) -> Value;
    fn of(value: Value) -> Self;
}

macro_rules! casts {
    ($($type:ty, $x:ident => $value:expr, $v:ident => $real:expr;)*) => { $(
        impl Casts for $type {
            #[inline]
            fn value(self) -> Value {
                let $x = self;
                $value
            }
            #[inline]
            fn of(value: Value) -> Self {
                match value {
                    Value::Real($v) => $real,
                    Value::Whole(v) => v as Self,
                    Value::Large(v) => v as Self,
                }
            }
        }
    )* };
}

casts! {
    f32, x => Value::Real(x.into()), v => v as f32;
    f64, x => Value::Real(x), v => v;
    i8, x => Value::Whole(x.into()), v => v as i8;
    i16, x => Value::Whole(x.into()), v => v as i16;
    i32, x => Value::Whole(x.into()), v => v as i32;
    i64, x => Value::Whole(x), v => v as i64;
    u8, x => Value::Whole(x.into()), v => v as u8;
    u16, x => Value::Whole(x.into()), v => v as u16;
    u32, x => Value::Whole(x.into()), v => v as u32;
    u64, x => Value::Large(x), v => v as u64;
}

macro_rules! half_casts {
    ($($type:ident)*) => { $(
        impl Casts for $type {
            #[inline]
            fn value(self) -> Value {
                Value::Real(self.to_f64())
            }
            #[inline]
            fn of(value: Value) -> Self {
                Self::from_f64(match value {
                    Value::Real(v) => v,
                    Value::Whole(v) => v as f64,
                    Value::Large(v) => v as f64,
                })
            }
        }
    )* };
}

half_casts! { f16 bf16 }

impl Casts for bool {
    #[inline]
    fn value(self) -> Value {
        Value::Whole(self.into())
    }
    #[inline]
    fn of(value: Value) -> Self {
        match value {
            Value::Real(v) => v != 0.0,
            Value::Whole(v) => v != 0,
            Value::Large(v) => v != 0,
        }
    }
}

/// Casts a tensor to another datatype.
///
/// # Errors
/// `Memory` if the result does not fit into memory.
pub(crate) fn cast(tensor: Tensor, to: Datatype) -> Result<Tensor> {
    if tensor.datatype() == to {
        return Ok(tensor);
    }
    // Without the detour through FP64.
    let narrow = match (tensor.data(), to) {
        (Data::F32(values), Datatype::Fp16) => Some(Data::F16(each(values, f16::from_f32)?)),
        (Data::F32(values), Datatype::Bf16) => Some(Data::Bf16(each(values, bf16::from_f32)?)),
        (Data::F16(values), Datatype::Fp32) => Some(Data::F32(each(values, f16::to_f32)?)),
        (Data::Bf16(values), Datatype::Fp32) => Some(Data::F32(each(values, bf16::to_f32)?)),
        _ => None,
    };
    if let Some(data) = narrow {
        return Tensor::new(tensor.shape().to_vec(), data);
    }
    with_element!(tensor.datatype(), T => {
        let elements = tensor.elements::<T>()?;
        with_element!(to, U => {
            let mut cast = with_room::<U>(elements.len())?;
            cast.extend(elements.iter().map(|&element| U::of(element.value())));
            Tensor::of(tensor.shape(), cast)
        })
    })
}

/// Cast.
struct Cast {
    to: Datatype,
}

impl Operator for Cast {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        Ok(vec![cast(inputs.take(0)?, self.to)?])
    }
}

/// CastLike: casts to the datatype of the second input.
struct CastLike;

impl Operator for CastLike {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let to = inputs.required(1)?.datatype();
        Ok(vec![cast(inputs.take(0)?, to)?])
    }
}

/// An element as little-endian bytes.
trait Bits: Element {
    fn bits(self) -> u64;
    fn of_bits(bits: u64) -> Self;
}

macro_rules! bits {
    ($($type:ty, $x:ident => $bits:expr, $b:ident => $of:expr;)*) => { $(
        impl Bits for $type {
            fn bits(self) -> u64 {
                let $x = self;
                $bits
            }
            fn of_bits($b: u64) -> Self {
                $of
            }
        }
    )* };
}

bits! {
    f32, x => x.to_bits().into(), b => f32::from_bits(b as u32);
    f64, x => x.to_bits(), b => f64::from_bits(b);
    f16, x => x.to_bits().into(), b => f16::from_bits(b as u16);
    bf16, x => x.to_bits().into(), b => bf16::from_bits(b as u16);
    i8, x => x as u64, b => b as i8;
    i16, x => x as u64, b => b as i16;
    i32, x => x as u64, b => b as i32;
    i64, x => x as u64, b => b as i64;
    u8, x => x.into(), b => b as u8;
    u16, x => x.into(), b => b as u16;
    u32, x => x.into(), b => b as u32;
    u64, x => x, b => b;
    bool, x => x.into(), b => b & 0xff != 0;
}

/// BitCast: reinterprets the bits as another datatype of the same size.
struct BitCast {
    to: Datatype,
}

impl Operator for BitCast {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        with_element!(input.datatype(), T => {
            let elements = input.elements::<T>()?;
            with_element!(self.to, U => {
                if size_of::<T>() != size_of::<U>() {
                    return Err(Error::input(format!(
                        "the bits of {} cannot be reinterpreted as {}, which has another size",
                        T::DATATYPE,
                        U::DATATYPE
                    )));
                }
                let mut cast = with_room::<U>(elements.len())?;
                cast.extend(elements.iter().map(|&element| U::of_bits(element.bits())));
                Ok(vec![Tensor::of(input.shape(), cast)?])
            })
        })
    }
}
