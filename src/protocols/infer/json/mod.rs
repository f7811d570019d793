//! The JSON bodies of `/infer`: an Open Inference Protocol request, `{"instances": …}`, `{"text": …}`, or a bare
//! array.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::catalog::Model;
use crate::http::error::{ApiError, listed};
use crate::http::limits::Limits;
use crate::input::text;
use crate::protocols::oip::request as oip;
use crate::protocols::v1;
use crate::run::inference::InferenceRequest;
use crate::tensor::inputs::only_input;
use crate::tensor::json::{self, object::Object};

/// The members of an object. Unknown members are ignored, as the Open Inference Protocol requires.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    parameters: Option<Object<oip::RequestParameters<'a>>>,
    #[serde(borrow, default)]
    inputs: Option<Vec<Object<oip::Input<'a>>>>,
    #[serde(borrow, default)]
    outputs: Option<Vec<Object<oip::Output<'a>>>>,
    #[serde(borrow, default)]
    instances: Option<&'a RawValue>,
    /// Texts, for a model that takes them.
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    /// Second texts, for a model of pairs.
    #[serde(borrow, default)]
    text_pair: Option<&'a RawValue>,
}

/// Read a JSON body of `/infer` for a model.
///
/// # Errors
/// 400 for malformed JSON; for an unknown, repeated or missing input; for a shape, datatype, count or value that does
/// not fit the input; for an unknown output. 413 for JSON, images and texts over their limits.
pub fn decode(body: &[u8], model: &Model, limits: &Limits) -> Result<InferenceRequest, ApiError> {
    let source = json::source(body, limits)?;
    let body = &*source;
    match body.trim_ascii_start().first() {
        Some(b'[') => {
            let array: &RawValue = serde_json::from_slice(body).map_err(json::malformed)?;
            let spec = only_input(&model.card, "a bare array")?;
            let tensor = json::tensor(spec, array)?;
            return Ok(InferenceRequest::of((spec.name.clone(), tensor)));
        }
        Some(b'{') => {}
        _ => {
            // The parser's message is better if the body is not JSON at all.
            serde_json::from_slice::<&RawValue>(body).map_err(json::malformed)?;
            return Err(ApiError::invalid(
                "the JSON body is neither an object nor an array, expected an Open Inference Protocol \
                 request, `{\"instances\": […]}` or the input's array",
            ));
        }
    }
    let Object(body) = serde_json::from_slice::<Object<Body>>(body).map_err(json::malformed)?;
    // A model that takes no texts ignores `text`, unless it is all that the body has.
    let has_other = body.inputs.is_some() || body.instances.is_some();
    let texts = body.text.filter(|_| model.text.is_some() || !has_other);
    let protocol = oip::Body {
        id: body.id,
        parameters: body.parameters,
        inputs: body.inputs,
        outputs: body.outputs,
    };
    match (&protocol.inputs, body.instances, texts) {
        (Some(_), None, None) => oip::from_body(protocol, None, model, limits),
        (None, Some(instances), None) => {
            let instances = v1::request::instances(model, instances, limits)?;
            Ok(InferenceRequest {
                inputs: instances.inputs,
                texts: instances.texts,
                ..oip::requested(protocol, model)?
            })
        }
        (None, None, Some(texts)) => {
            let texts = text::from_json("text", texts)?;
            let pairs = body
                .text_pair
                .map(|pairs| text::from_json("text_pair", pairs))
                .transpose()?;
            let texts = text::encode(model.accepts(), &texts, pairs.as_deref(), limits)?;
            Ok(InferenceRequest {
                texts: Some(texts),
                ..oip::requested(protocol, model)?
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

#[cfg(test)]
mod tests;
