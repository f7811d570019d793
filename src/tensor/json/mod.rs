//! JSON to tensors and back, without a tree of values between: the text of an array goes straight into
//! a tensor's bytes ([`array`]), and a tensor's bytes straight into text ([`values`]).
//!
//! [`decode`] reads the JSON bodies of `/infer`: an Open Inference Protocol request,
//! `{"instances": …}`, `{"text": …}`, or a bare array.

mod array;
mod extent;
mod float;
pub mod object;
pub mod values;

use infer_model_card::{Datatype, TensorSpec};
use serde_json::value::RawValue;

use crate::catalog::Model;
use crate::http::error::{ApiError, listed};
use crate::http::limits::Limits;
use crate::input::text;
use crate::protocols::oip::request as oip;
use crate::protocols::v1;
use crate::run::inference::{InferenceRequest, only_input, refused};
use crate::tensor::{Tensor, add_batch, check_shape};
pub(crate) use array::Array;
pub use extent::check;
use object::Object;

/// Whether a body looks like JSON that could be a request: it begins as an object or an array.
#[must_use]
pub fn begins(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// Whether a body is well-formed JSON.
#[must_use]
pub fn is_well_formed(body: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(body).is_ok()
}

/// The refusal of a body that is no JSON, or not of the form that was expected.
#[must_use]
pub fn malformed(error: serde_json::Error) -> ApiError {
    ApiError::invalid(format!("the JSON body cannot be read: {error}"))
}

/// A datatype whose values JSON's numbers do not stand for: FP16 or BF16.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not supported in JSON; send binary, for example the raw tensor as `application/octet-stream`"
)]
pub(crate) struct NotInJson(Datatype);

/// Check that JSON has values of a datatype, whatever the input's own is.
///
/// # Errors
/// For FP16 and BF16.
pub(crate) fn check_datatype(datatype: Datatype) -> Result<(), NotInJson> {
    match datatype {
        Datatype::Fp16 | Datatype::Bf16 => Err(NotInJson(datatype)),
        _ => Ok(()),
    }
}

/// Read a JSON body of `/infer` for a model.
///
/// # Errors
/// 400 for malformed JSON, an unknown, repeated or missing input, a shape, datatype, count or value
/// that does not fit, and an output that does not exist; 413 for JSON, images and texts over their limits.
pub fn decode(body: &[u8], model: &Model, limits: &Limits) -> Result<InferenceRequest, ApiError> {
    check(body, limits)?;
    match body.trim_ascii_start().first() {
        Some(b'[') => {
            let array: &RawValue = serde_json::from_slice(body).map_err(malformed)?;
            let spec = only_input(&model.card, "a bare array")?;
            let tensor = tensor(spec, array)?;
            return Ok(InferenceRequest::of((spec.name.clone(), tensor)));
        }
        Some(b'{') => {}
        _ => {
            // For its message: what is no JSON at all is told so.
            serde_json::from_slice::<&RawValue>(body).map_err(malformed)?;
            return Err(ApiError::invalid(
                "the JSON body is neither an object nor an array, expected an Open Inference Protocol \
                 request, `{\"instances\": […]}` or the input's array",
            ));
        }
    }
    let Object(body) = serde_json::from_slice::<Object<oip::Body>>(body).map_err(malformed)?;
    // To any other model, `text` is a member without a meaning.
    let has_other = body.inputs.is_some() || body.instances.is_some();
    let texts = body.text.filter(|_| model.text.is_some() || !has_other);
    match (&body.inputs, body.instances, texts) {
        (Some(_), None, None) => oip::from_body(body, None, model, limits),
        (None, Some(instances), None) => {
            let instances = v1::request::instances(model, instances, limits)?;
            Ok(InferenceRequest {
                inputs: instances.inputs,
                texts: instances.texts,
                ..oip::requested(body, model)?
            })
        }
        (None, None, Some(texts)) => {
            let texts = text::from_json("text", texts)?;
            let pairs = body
                .text_pair
                .map(|pairs| text::from_json("text_pair", pairs))
                .transpose()?;
            let texts = text::encode(model, &texts, pairs.as_deref(), limits)?;
            Ok(InferenceRequest {
                texts: Some(texts),
                ..oip::requested(body, model)?
            })
        }
        (None, None, None) => Err(ApiError::invalid(format!(
            "the JSON body has neither {}, expected one of them",
            forms(model).join(" nor ")
        ))),
        (inputs, instances, texts) => {
            let present = [
                ("inputs", inputs.is_some()),
                ("instances", instances.is_some()),
                ("text", texts.is_some()),
            ];
            let present = present.iter().filter(|(_, there)| *there);
            Err(ApiError::invalid(format!(
                "the JSON body has both {}, expected one of them",
                listed(present.map(|(name, _)| *name), "and")
            )))
        }
    }
}

/// The members of which a request has one.
fn forms(model: &Model) -> Vec<&'static str> {
    let mut forms = vec!["`inputs`", "`instances`"];
    if model.text.is_some() {
        forms.push("`text`");
    }
    forms
}

/// Read the array of an input as elements of datatype `sent`.
///
/// # Errors
/// 400 when it is ragged or too deep, or a value does not fit.
pub(crate) fn read(spec: &TensorSpec, json: &RawValue, sent: Datatype) -> Result<Array, ApiError> {
    array::read(json.get(), sent, spec.datatype).map_err(|error| refused(spec, error))
}

/// A tensor whose shape is that of its nesting; a free first dimension may be missing.
///
/// # Errors
/// 400 when it is no array, or does not fit the input.
pub(crate) fn tensor(spec: &TensorSpec, json: &RawValue) -> Result<Tensor, ApiError> {
    let mut array = read(spec, json, spec.datatype)?;
    add_batch(spec, &mut array.shape);
    whole(spec, array)
}

/// An array as the tensor that it is.
///
/// # Errors
/// 400 when its shape does not fit the input.
pub(crate) fn whole(spec: &TensorSpec, array: Array) -> Result<Tensor, ApiError> {
    Ok(Tensor {
        datatype: spec.datatype,
        shape: check_shape(spec, &array.shape).map_err(|error| refused(spec, error))?,
        data: array.data,
    })
}

#[cfg(test)]
mod tests;
