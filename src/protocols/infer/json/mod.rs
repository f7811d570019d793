//! The JSON bodies of `/infer`: an Open Inference Protocol request, `{"instances": …}`, the members of the model's form
//! such as `{"text": …}` or `{"image": …}`, or a bare array.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::catalog::Model;
use crate::http::error::{ApiError, listed};
use crate::http::limits::Limits;
use crate::input::content::{self, Form, Members};
use crate::input::images;
use crate::input::sounds;
use crate::input::text;
use crate::protocols::infer::decoded::Decoded;
use crate::protocols::infer::query::OUTPUTS;
use crate::protocols::oip::request as oip;
use crate::protocols::v1;
use crate::run::inference::InferenceRequest;
use crate::tasks::parameters::{Given, NAMES};
use crate::tensor::inputs::only_input;
use crate::tensor::json::{self, object::Object};

/// The members of an object. Unknown members are ignored, as the Open Inference Protocol requires.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    parameters: Option<&'a RawValue>,
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
    /// Encoded images in base64, for a model that takes them.
    #[serde(borrow, default)]
    image: Option<&'a RawValue>,
    /// Encoded sounds in base64, for a model that takes them.
    #[serde(borrow, default)]
    audio: Option<&'a RawValue>,
    #[serde(borrow, default)]
    question: Option<&'a RawValue>,
    #[serde(borrow, default)]
    context: Option<&'a RawValue>,
    #[serde(borrow, default)]
    query: Option<&'a RawValue>,
    #[serde(borrow, default)]
    documents: Option<&'a RawValue>,
}

/// Read a JSON body of `/infer` for a model.
///
/// # Errors
/// 400 for malformed JSON; for an unknown, repeated or missing input; for a shape, datatype, count or value that does
/// not fit the input; for an unknown output. 413 for JSON, images and texts over their limits.
pub fn decode(body: &[u8], model: &Model, limits: &Limits) -> Result<Decoded, ApiError> {
    let source = json::source(body, limits)?;
    let body = &*source;
    match body.trim_ascii_start().first() {
        Some(b'[') => {
            let array: &RawValue = serde_json::from_slice(body).map_err(json::malformed)?;
            let spec = only_input(&model.card, "a bare array")?;
            let tensor = json::tensor(spec, array)?;
            return Ok(Decoded {
                request: InferenceRequest::of((spec.name.clone(), tensor)),
                fields: Vec::new(),
            });
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
    let fields = match body.parameters {
        Some(parameters) => fields(parameters)?,
        None => Vec::new(),
    };
    let request = of_object(body, model, limits)?;
    Ok(Decoded { request, fields })
}

/// The parameters of tasks, and those of `/infer`, in the member `parameters`.
fn fields(parameters: &RawValue) -> Result<Vec<(String, Given)>, ApiError> {
    let Object(members) =
        serde_json::from_str::<Object<serde_json::Map<String, Value>>>(parameters.get())
            .map_err(wrong_parameters)?;
    let is_known = |name: &str| NAMES.contains(&name) || name == OUTPUTS;
    Ok(members
        .into_iter()
        .filter(|(name, _)| is_known(name))
        .map(|(name, value)| (name, Given::Json(value)))
        .collect())
}

fn wrong_parameters(error: serde_json::Error) -> ApiError {
    ApiError::invalid(format!("`parameters` cannot be read: {error}")).of_param("parameters")
}

fn of_object(body: Body, model: &Model, limits: &Limits) -> Result<InferenceRequest, ApiError> {
    let accepts = model.accepts();
    let form = accepts.form;
    let parameters = body
        .parameters
        .map(|parameters| serde_json::from_str(parameters.get()).map_err(wrong_parameters))
        .transpose()?;
    let protocol = oip::Body {
        id: body.id,
        parameters,
        inputs: body.inputs,
        outputs: body.outputs,
    };
    let has_tensors = protocol.inputs.is_some() || body.instances.is_some();
    let members = Members {
        text: body.text,
        question: body.question,
        context: body.context,
        query: body.query,
        documents: body.documents,
    };
    let content = content::from_members(members, form, limits)?;
    let takes_text = form == Form::Prepared && model.text.is_some();
    // A model that takes no texts, images and sounds ignores these members, unless they are all that the body has.
    let is_only = !has_tensors && content.is_none();
    let texts = (body.text)
        .filter(|_| takes_text || is_only && !matches!(form, Form::Questions | Form::Queries));
    let image = (body.image).filter(|_| accepts.images() || is_only);
    let audio = (body.audio).filter(|_| accepts.sounds() || is_only);
    let present = [
        ("inputs", protocol.inputs.is_some()),
        ("instances", body.instances.is_some()),
        ("text", texts.is_some()),
        ("image", image.is_some()),
        ("audio", audio.is_some()),
        (
            form.members().first().copied().unwrap_or(""),
            content.is_some(),
        ),
    ];
    let present: Vec<&str> = present
        .into_iter()
        .filter_map(|(name, is_there)| is_there.then_some(name))
        .collect();
    if present.len() > 1 {
        return Err(ApiError::invalid(format!(
            "the JSON body has both {}, expected one of them",
            listed(present, "and")
        )));
    }
    if protocol.inputs.is_some() {
        return oip::from_body(protocol, None, model, limits);
    }
    let requested = oip::requested(protocol, model)?;
    if let Some(instances) = body.instances {
        let instances = v1::request::instances(model, instances, limits)?;
        return Ok(InferenceRequest {
            inputs: instances.inputs,
            texts: instances.texts,
            content: instances.content,
            ..requested
        });
    }
    if content.is_some() {
        return Ok(InferenceRequest {
            content,
            ..requested
        });
    }
    if let Some(image) = image {
        let images = images::from_json("image", image)?;
        let request = InferenceRequest::of_images(images, accepts, limits)?;
        return Ok(InferenceRequest {
            inputs: request.inputs,
            content: request.content,
            ..requested
        });
    }
    if let Some(audio) = audio {
        let sounds = sounds::from_json("audio", audio)?;
        let request = InferenceRequest::of_sounds(sounds, accepts, limits)?;
        return Ok(InferenceRequest {
            inputs: request.inputs,
            content: request.content,
            ..requested
        });
    }
    if let Some(texts) = texts {
        let texts = text::from_json("text", texts)?;
        let pairs = body
            .text_pair
            .map(|pairs| text::from_json("text_pair", pairs))
            .transpose()?;
        let texts = text::encode(accepts, &texts, pairs.as_deref(), limits)?;
        return Ok(InferenceRequest {
            texts: Some(texts),
            ..requested
        });
    }
    Err(ApiError::invalid(format!(
        "the JSON body has neither {}, expected one of them",
        forms(model).join(" nor ")
    )))
}

/// The members of which a request has one.
fn forms(model: &Model) -> Vec<String> {
    let mut forms = vec!["`inputs`".to_owned(), "`instances`".to_owned()];
    let accepts = model.accepts();
    match accepts.form {
        Form::Prepared => {
            if accepts.images() {
                forms.push("`image`".to_owned());
            }
            if accepts.sounds() {
                forms.push("`audio`".to_owned());
            }
            if model.text.is_some() {
                forms.push("`text`".to_owned());
            }
        }
        form => forms.push(listed(form.members().iter().copied(), "and")),
    }
    forms
}

#[cfg(test)]
mod tests;
