//! Tensors in JSON. The text of an array becomes the bytes of a tensor ([`array`]), and the bytes of a tensor become text
//! ([`values`]), without a tree of values between.

mod array;
mod datatype;
mod extent;
mod float;
pub mod object;
mod source;
pub mod values;

use infer_model_card::TensorSpec;
use infer_tensor::Datatype;
use serde_json::value::RawValue;

use super::inputs::refused;
use super::{Tensor, add_batch, check_shape, complete_empty};
use crate::http::error::ApiError;
pub(crate) use array::Array;
pub(crate) use datatype::check as check_datatype;
pub use source::{read as source, without_mark};

/// Whether a body begins like a JSON object or array.
#[must_use]
pub fn begins(body: &[u8]) -> bool {
    let text = without_mark(body).trim_ascii_start();
    matches!(text.first(), Some(b'{' | b'['))
}

/// Whether a body is well-formed JSON.
#[must_use]
pub fn is_well_formed(body: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(without_mark(body)).is_ok()
}

/// The error of a body that is malformed, or not of the expected form.
#[must_use]
pub fn malformed(error: serde_json::Error) -> ApiError {
    ApiError::invalid(format!("the JSON body cannot be read: {error}"))
}

/// Read the array of an input, whose values have datatype `sent`.
///
/// # Errors
/// 400 if the array is ragged or too deep, or if a value does not fit.
pub(crate) fn read(spec: &TensorSpec, json: &RawValue, sent: Datatype) -> Result<Array, ApiError> {
    array::read(json.get(), sent, spec.datatype).map_err(|error| refused(spec, error))
}

/// Read a tensor whose shape is that of its nested lists; a free first dimension may be missing.
///
/// # Errors
/// 400 if the value is not an array, or does not fit the input.
pub(crate) fn tensor(spec: &TensorSpec, json: &RawValue) -> Result<Tensor, ApiError> {
    let mut array = read(spec, json, spec.datatype)?;
    add_batch(spec, &mut array.shape);
    whole(spec, array)
}

/// Make a tensor of an array.
///
/// # Errors
/// 400 if the shape does not fit the input.
pub(crate) fn whole(spec: &TensorSpec, mut array: Array) -> Result<Tensor, ApiError> {
    complete_empty(spec, &mut array.shape);
    Ok(Tensor {
        datatype: spec.datatype,
        shape: check_shape(spec, &array.shape).map_err(|error| refused(spec, error))?,
        data: array.data,
    })
}
