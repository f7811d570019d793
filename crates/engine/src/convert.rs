//! Conversions between a tensor's declared datatype and the datatypes that rten computes in.
//!
//! rten computes in f32, i32, i8 and u8. INT64 and BOOL become i32, and FP16 becomes f32. On input, a value that
//! rten cannot represent is an error. On output, the declared datatype is restored: an FP16 output is computed in f32
//! and rounded to the nearest FP16, ties to even.

use half::f16;
use half::slice::HalfFloatSliceExt;
use rten::{Value, ValueView};
use rten_tensor::prelude::*;
use rten_tensor::{Tensor as RtenTensor, TensorView};

use infer_tensor::{Datatype, TensorInfo};

use crate::{Error, Tensor};

/// The datatype of a declared tensor, if rten computes in it or in a datatype that it converts to.
///
/// # Errors
/// `UnsupportedOperation` for every other datatype.
pub fn rten_datatype(info: &TensorInfo) -> Result<Datatype, Error> {
    use Datatype::{Bool, Fp16, Fp32, Int32, Int64, Uint8};
    info.datatype
        .filter(|datatype| matches!(datatype, Fp32 | Fp16 | Uint8 | Int32 | Int64 | Bool))
        .ok_or_else(|| {
            Error::unsupported(format!(
                "tensor `{}` is {}, which rten does not support; it supports FP32, FP16, UINT8, INT32, INT64 \
                 and BOOL",
                info.name,
                info.datatype_name()
            ))
        })
}

/// Convert an input, which has been checked against its declaration.
///
/// # Errors
/// `InvalidArgument` naming the tensor, the index and the value that rten cannot represent.
pub fn to_rten(info: &TensorInfo, tensor: &Tensor) -> Result<Value, Error> {
    let shape: Vec<usize> = tensor
        .shape
        .iter()
        .map(|size| usize::try_from(*size).unwrap_or(usize::MAX))
        .collect();
    let data = tensor.data.as_slice();
    match tensor.datatype {
        Datatype::Fp32 => build(info, &shape, read(data, f32::from_le_bytes)),
        Datatype::Fp16 => {
            let halves: Vec<f16> = read(data, f16::from_le_bytes);
            build(info, &shape, halves.to_f32_vec())
        }
        Datatype::Int32 => build(info, &shape, read(data, i32::from_le_bytes)),
        Datatype::Int64 => build(info, &shape, narrow(info, data)?),
        Datatype::Bool => build(info, &shape, read(data, |[byte]| i32::from(byte))),
        Datatype::Uint8 => build(info, &shape, data.to_vec()),
        other => Err(Error::unsupported(format!(
            "input `{}` is {other}, which rten does not support",
            info.name
        ))),
    }
}

/// Convert an output into its declared datatype.
///
/// # Errors
/// `RuntimeError` if the value does not fit the declared datatype, `UnsupportedOperation` for a datatype that
/// rten does not support.
pub fn from_rten(info: &TensorInfo, value: &Value) -> Result<Tensor, Error> {
    let datatype = rten_datatype(info)?;
    let view = value.as_view();
    let shape = view
        .shape()
        .iter()
        .map(|size| u32::try_from(*size))
        .collect::<Result<Vec<u32>, _>>()
        .map_err(|_| failed(info, "has a dimension of more than 2^32"))?;
    let data = match (view, datatype) {
        (ValueView::FloatTensor(values), Datatype::Fp32) => {
            write(&values, |value| value.to_le_bytes())
        }
        (ValueView::FloatTensor(values), Datatype::Fp16) => {
            write(&values, |value| f16::from_f32(value).to_le_bytes())
        }
        (ValueView::Int32Tensor(values), Datatype::Int32) => {
            write(&values, |value| value.to_le_bytes())
        }
        (ValueView::Int32Tensor(values), Datatype::Int64) => {
            write(&values, |value| i64::from(value).to_le_bytes())
        }
        (ValueView::Int32Tensor(values), Datatype::Uint8 | Datatype::Bool) => {
            let mut bytes = Vec::with_capacity(values.len());
            for value in values.iter() {
                bytes.push(u8::try_from(*value).map_err(|_| {
                    failed(
                        info,
                        &format!("has the value {value}, which is not a {datatype}"),
                    )
                })?);
            }
            bytes
        }
        (ValueView::UInt8Tensor(values), Datatype::Uint8 | Datatype::Bool) => {
            write(&values, |value| [value])
        }
        (ValueView::UInt8Tensor(values), Datatype::Int32) => {
            write(&values, |value| i32::from(value).to_le_bytes())
        }
        (ValueView::Int8Tensor(values), Datatype::Int32) => {
            write(&values, |value| i32::from(value).to_le_bytes())
        }
        (other, _) => {
            let computed = other.dtype();
            return Err(failed(
                info,
                &format!("was computed as {computed:?}, but the graph declares {datatype}"),
            ));
        }
    };
    Ok(Tensor {
        datatype,
        shape,
        data,
    })
}

fn failed(info: &TensorInfo, problem: &str) -> Error {
    Error::runtime(format!("output `{}` {problem}", info.name))
}

fn build<T>(info: &TensorInfo, shape: &[usize], values: Vec<T>) -> Result<Value, Error>
where
    RtenTensor<T>: Into<Value>,
{
    RtenTensor::try_from_data(shape, values)
        .map(Into::into)
        .map_err(|error| Error::invalid(format!("input `{}`: {error}", info.name)))
}

/// Read elements from little-endian bytes, whose number has been checked against the shape.
fn read<T, const N: usize>(data: &[u8], from_bytes: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (elements, _) = data.as_chunks::<N>();
    elements.iter().map(|bytes| from_bytes(*bytes)).collect()
}

fn write<T: Copy, const N: usize>(
    values: &TensorView<'_, T>,
    to_bytes: impl Fn(T) -> [u8; N],
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len().saturating_mul(N));
    match values.data() {
        Some(contiguous) => bytes.extend(contiguous.iter().flat_map(|value| to_bytes(*value))),
        None => bytes.extend(values.iter().flat_map(|value| to_bytes(*value))),
    }
    bytes
}

fn narrow(info: &TensorInfo, data: &[u8]) -> Result<Vec<i32>, Error> {
    let (elements, _) = data.as_chunks::<8>();
    let mut values = Vec::with_capacity(elements.len());
    for (index, bytes) in elements.iter().enumerate() {
        let value = i64::from_le_bytes(*bytes);
        values.push(i32::try_from(value).map_err(|_| {
            Error::invalid(format!(
                "input `{}` has the INT64 value {value} at index {index}; rten computes INT64 in 32 bits, from \
                 -2147483648 to 2147483647",
                info.name
            ))
        })?);
    }
    Ok(values)
}
