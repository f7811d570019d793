//! Conversion of ONNX's `TensorProto` to a [`Tensor`].

use half::{bf16, f16};
use rten_onnx::onnx::{DataType, TensorProto};

use crate::error::{Error, Result};
use crate::tensor::{Data, Element, Tensor, element_count};

/// Converts a tensor of an ONNX file.
///
/// # Errors
/// `Graph` if the number of bytes does not match the shape, `Unsupported` for an unsupported datatype or for values
/// in an external file.
pub fn tensor(proto: TensorProto) -> Result<Tensor> {
    if !proto.external_data.is_empty() {
        return Err(Error::unsupported(
            "its values are in an external file, expected them inside the model's file",
        ));
    }
    let shape = proto
        .dims
        .iter()
        .map(|&size| {
            usize::try_from(size).map_err(|_| {
                Error::graph(format!("the shape {:?} has a negative size", proto.dims))
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let count = element_count(&shape)?;
    let raw = proto.raw_data.as_ref().map(|raw| raw.borrow());
    let raw = raw.as_ref().map(|raw| raw.as_slice());
    let narrow = &proto.int32_data;
    let bits = |value: &i32| u16::try_from(*value & 0xffff).unwrap_or_default();
    let data = match proto.data_type {
        Some(DataType::FLOAT) => {
            values(raw, count, f32::from_le_bytes, || proto.float_data.clone())?
        }
        Some(DataType::DOUBLE) => {
            values(raw, count, f64::from_le_bytes, || proto.double_data.clone())?
        }
        Some(DataType::INT64) => {
            values(raw, count, i64::from_le_bytes, || proto.int64_data.clone())?
        }
        Some(DataType::INT32) => values(raw, count, i32::from_le_bytes, || narrow.clone())?,
        Some(DataType::INT16) => {
            values(raw, count, i16::from_le_bytes, || cut(narrow, |v| v as i16))?
        }
        Some(DataType::INT8) => values(raw, count, i8::from_le_bytes, || cut(narrow, |v| v as i8))?,
        Some(DataType::UINT16) => {
            values(raw, count, u16::from_le_bytes, || cut(narrow, |v| v as u16))?
        }
        Some(DataType::UINT8) => {
            values(raw, count, u8::from_le_bytes, || cut(narrow, |v| v as u8))?
        }
        Some(DataType::BOOL) => values(
            raw,
            count,
            |[byte]: [u8; 1]| byte != 0,
            || cut(narrow, |v| v != 0),
        )?,
        Some(DataType::FLOAT16) => values(raw, count, f16::from_le_bytes, || {
            narrow
                .iter()
                .map(|value| f16::from_bits(bits(value)))
                .collect()
        })?,
        Some(DataType::BFLOAT16) => values(raw, count, bf16::from_le_bytes, || {
            narrow
                .iter()
                .map(|value| bf16::from_bits(bits(value)))
                .collect()
        })?,
        Some(DataType::UINT32) => values(raw, count, u32::from_le_bytes, Vec::new)?,
        Some(DataType::UINT64) => values(raw, count, u64::from_le_bytes, Vec::new)?,
        other => {
            return Err(Error::unsupported(format!(
                "tensors of {} are not supported",
                other
                    .and_then(|datatype| datatype.name().map(str::to_owned))
                    .unwrap_or_else(|| "an unknown datatype".to_owned())
            )));
        }
    };
    Tensor::new(shape, data)
}

/// Narrows values of `int32_data`, which holds every type of up to 16 bits, one value per field.
fn cut<T>(wide: &[i32], narrow: impl Fn(i32) -> T) -> Vec<T> {
    wide.iter().map(|&value| narrow(value)).collect()
}

/// Reads the values from `raw_data`, or from the typed field if the tensor has no `raw_data`.
fn values<T: Element, const SIZE: usize>(
    raw: Option<&[u8]>,
    count: usize,
    read: impl Fn([u8; SIZE]) -> T,
    field: impl FnOnce() -> Vec<T>,
) -> Result<Data> {
    let Some(raw) = raw else {
        return Ok(T::wrap(field()));
    };
    let (chunks, rest) = raw.as_chunks::<SIZE>();
    if chunks.len() != count || !rest.is_empty() {
        return Err(Error::graph(format!(
            "it has {} bytes, expected {} for its shape",
            raw.len(),
            count.saturating_mul(SIZE)
        )));
    }
    Ok(T::wrap(chunks.iter().map(|&chunk| read(chunk)).collect()))
}
