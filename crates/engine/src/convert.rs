//! Between wasi-nn's datatypes and those that rten computes in.
//!
//! rten keeps f32, i32, i8 and u8. INT64 and BOOL become i32 there, FP16 becomes f32. Going in, a
//! value that does not fit is refused; coming out, a graph's declared datatype is restored. FP16 is
//! computed in f32 and rounded to the nearest, ties to even, when it comes out.

use half::f16;
use half::slice::HalfFloatSliceExt;
use rten::{Value, ValueView};
use rten_tensor::prelude::*;
use rten_tensor::{Tensor as RtenTensor, TensorView};

use infer_tensor::TensorInfo;

use crate::{ElementType, Error, ErrorKind, Tensor};

/// What a declared tensor is in wasi-nn, if this engine carries it.
///
/// # Errors
/// `UnsupportedOperation` for what wasi-nn has not and for what rten does not compute in.
pub fn carried(info: &TensorInfo) -> Result<ElementType, Error> {
    match info.element_type() {
        Ok(ElementType::Fp64 | ElementType::Bf16) | Err(_) => Err(Error::unsupported(format!(
            "tensor `{}` is {}, which this engine does not carry; it carries FP32, FP16, UINT8, INT32, \
             INT64 and BOOL",
            info.name,
            info.datatype_name()
        ))),
        carried => carried,
    }
}

/// A checked tensor as rten takes it.
///
/// # Errors
/// `InvalidArgument` naming the tensor, the index and the value that rten cannot hold.
pub fn to_rten(info: &TensorInfo, tensor: &Tensor) -> Result<Value, Error> {
    let shape: Vec<usize> = tensor
        .shape
        .iter()
        .map(|size| usize::try_from(*size).unwrap_or(usize::MAX))
        .collect();
    let data = tensor.data.as_slice();
    Ok(match tensor.element_type {
        ElementType::Fp32 => build(info, &shape, read(data, f32::from_le_bytes))?,
        ElementType::Fp16 => {
            let halves: Vec<f16> = read(data, f16::from_le_bytes);
            build(info, &shape, halves.to_f32_vec())?
        }
        ElementType::I32 => build(info, &shape, read(data, i32::from_le_bytes))?,
        ElementType::I64 => build(info, &shape, narrow(info, data)?)?,
        ElementType::U8 if info.is_bool() => build(info, &shape, bools(info, data)?)?,
        ElementType::U8 => build(info, &shape, data.to_vec())?,
        ElementType::Fp64 | ElementType::Bf16 => {
            return Err(Error::unsupported(format!(
                "input `{}` is {}, which this engine does not compute in",
                info.name, tensor.element_type
            )));
        }
    })
}

/// A value of rten's in the datatype that the graph declares for it.
///
/// # Errors
/// `Runtime` when the value does not fit that datatype, `UnsupportedOperation` when this engine does
/// not carry it.
pub fn from_rten(info: &TensorInfo, value: &Value) -> Result<Tensor, Error> {
    let element_type = carried(info)?;
    let view = value.as_view();
    let shape = view
        .shape()
        .iter()
        .map(|size| u32::try_from(*size))
        .collect::<Result<Vec<u32>, _>>()
        .map_err(|_| failed(info, "has a dimension of more than 2^32"))?;
    let data = match (view, element_type) {
        (ValueView::FloatTensor(values), ElementType::Fp32) => {
            write(&values, |value| value.to_le_bytes())
        }
        (ValueView::FloatTensor(values), ElementType::Fp16) => {
            write(&values, |value| f16::from_f32(value).to_le_bytes())
        }
        (ValueView::Int32Tensor(values), ElementType::I32) => {
            write(&values, |value| value.to_le_bytes())
        }
        (ValueView::Int32Tensor(values), ElementType::I64) => {
            write(&values, |value| i64::from(value).to_le_bytes())
        }
        (ValueView::Int32Tensor(values), ElementType::U8) => {
            let mut bytes = Vec::with_capacity(values.len());
            for value in values.iter() {
                bytes.push(u8::try_from(*value).map_err(|_| {
                    failed(
                        info,
                        &format!("has the value {value}, which is not a UINT8"),
                    )
                })?);
            }
            bytes
        }
        (ValueView::UInt8Tensor(values), ElementType::U8) => write(&values, |value| [value]),
        (ValueView::UInt8Tensor(values), ElementType::I32) => {
            write(&values, |value| i32::from(value).to_le_bytes())
        }
        (ValueView::Int8Tensor(values), ElementType::I32) => {
            write(&values, |value| i32::from(value).to_le_bytes())
        }
        (other, _) => {
            let computed = other.dtype();
            return Err(failed(
                info,
                &format!(
                    "came as {computed:?}, but the graph declares {}",
                    info.datatype_name()
                ),
            ));
        }
    };
    Ok(Tensor {
        shape,
        element_type,
        data,
    })
}

fn failed(info: &TensorInfo, problem: &str) -> Error {
    Error::new(
        ErrorKind::Runtime,
        format!("output `{}` {problem}", info.name),
    )
}

fn build<T>(info: &TensorInfo, shape: &[usize], values: Vec<T>) -> Result<Value, Error>
where
    RtenTensor<T>: Into<Value>,
{
    RtenTensor::try_from_data(shape, values)
        .map(Into::into)
        .map_err(|error| Error::invalid(format!("input `{}`: {error}", info.name)))
}

/// Little-endian elements. A rest that is no whole element cannot be there: byte counts are checked.
fn read<T, const N: usize>(data: &[u8], from_bytes: fn([u8; N]) -> T) -> Vec<T> {
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
                "input `{}` has the INT64 value {value} at index {index}; this engine computes INT64 \
                 in 32 bits, from -2147483648 to 2147483647",
                info.name
            ))
        })?);
    }
    Ok(values)
}

fn bools(info: &TensorInfo, data: &[u8]) -> Result<Vec<i32>, Error> {
    info.check_values(data)?;
    Ok(data.iter().map(|byte| i32::from(*byte)).collect())
}
