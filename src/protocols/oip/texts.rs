//! Texts for a model that takes them: BYTES of shape `[n]`, one element for each text, instead of token ids.

use std::borrow::Cow;

use infer_tensor::Datatype;

use super::binary::Tensors;
use super::input::Input;
use crate::catalog::Model;
use crate::http::error::{ApiError, quoted};
use crate::http::limits::Limits;
use crate::input::content::{Content, Form};
use crate::input::text;
use crate::run::inference::{InferenceRequest, RequestedOutput, has_predictions};
use crate::tensor::byte_strings;
use crate::tensor::shown;

/// The name of the text input, which may also have the name of the input of token ids.
const NAME: &str = "text";

/// Whether the only input of a request is a list of texts.
pub(super) fn is_texts(input: &Input, model: &Model) -> bool {
    model.card.text_input().is_some_and(|(text, _)| {
        input.datatype == Datatype::Bytes.name()
            && (input.name == NAME || input.name == text.input_ids)
    })
}

/// Read the texts from the JSON, or from the bytes behind it.
///
/// # Errors
/// 400 if their number differs from the shape, or if they are no texts.
pub(super) fn read<'a>(
    input: &Input<'a>,
    tensors: Option<Tensors<'a>>,
) -> Result<Vec<Cow<'a, str>>, ApiError> {
    let refused =
        |problem: String| ApiError::invalid(format!("input {}: {problem}", quoted(&input.name)));
    let count = match input.shape.as_slice() {
        [count] | [count, 1] => *count,
        _ => {
            return Err(refused(format!(
                "texts as BYTES need the shape [n], one element for each text, got {}",
                shown(&input.shape)
            )));
        }
    };
    let texts: Vec<Cow<str>> = match (input.data, tensors) {
        (Some(data), _) => serde_json::from_str(data.get()).map_err(|_| {
            refused(
                "`data` is not a flat list of texts, expected one string for each text".to_owned(),
            )
        })?,
        (None, Some(mut tensors)) => {
            let bytes = match input.binary_size() {
                Some(size) => tensors
                    .take(size.map_err(refused)?)
                    .map_err(|problem| refused(problem.to_string()))?,
                None => tensors.take_rest(),
            };
            tensors.finish()?;
            byte_strings::split(bytes, count)
                .map_err(|problem| refused(problem.to_string()))?
                .into_iter()
                .map(|bytes| text::from_bytes(bytes).map(Cow::Borrowed))
                .collect::<Result<_, _>>()?
        }
        (None, None) => return Err(refused("it has no `data`, expected texts".to_owned())),
    };
    if texts.len() as u64 != count {
        return Err(refused(format!(
            "the shape says {count} texts, `data` has {}",
            texts.len()
        )));
    }
    Ok(texts)
}

/// The request of texts, with what it requests. A task that takes texts by itself makes predictions of them, unless the
/// request names other outputs; else they become tokens.
///
/// # Errors
/// 400 and 413 for the texts.
pub(super) fn request(
    texts: Vec<Cow<str>>,
    mut requested: InferenceRequest,
    model: &Model,
    limits: &Limits,
) -> Result<InferenceRequest, ApiError> {
    if model.accepts().form == Form::Texts && has_predictions(model) {
        if requested.outputs.is_empty() && requested.predictions.is_none() {
            requested.predictions = Some(RequestedOutput::predictions());
        }
        if requested.predictions.is_some() {
            let texts = texts.into_iter().map(Cow::into_owned).collect();
            requested.content = Some(Content::Texts(texts).checked(limits)?);
            return Ok(requested);
        }
    }
    requested.texts = Some(text::encode(model.accepts(), &texts, None, limits)?);
    Ok(requested)
}
