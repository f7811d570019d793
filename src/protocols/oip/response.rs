//! From outputs to an answer in the Open Inference Protocol's form: JSON, and the bytes behind it of
//! the outputs that are asked for as bytes.

use std::io::{self, Write};

use infer_model_card::Datatype;
use serde::Serialize;

use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::limits::{Limits, MAX_RESPONSE_BYTES, exceeded};
use crate::http::negotiate::AnswerType;
use crate::http::response::Response;
use crate::protocols::oip::binary;
use crate::run::inference::InferenceRequest;
use crate::tasks::classification::Prediction;
use crate::tensor::Tensor;
use crate::tensor::byte_strings;
use crate::tensor::json::values::{self, Flat};

/// Everything that a JSON answer may say; what is `None` is left out.
#[derive(Debug, Serialize)]
struct JsonAnswer<'a> {
    model_name: &'a str,
    /// A text, as the protocol has it.
    model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    predictions: Option<Vec<Vec<Prediction>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outputs: Option<Vec<JsonOutput<'a>>>,
}

#[derive(Debug, Serialize)]
struct JsonOutput<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data<'a>>,
}

#[derive(Debug, Serialize)]
struct Parameters {
    binary_data_size: usize,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Values(Flat<'a>),
    Texts(Vec<String>),
}

/// An answer with what is asked for: `predictions`, the best classes of each item of the batch, and
/// the outputs that the request names, if `with_outputs`.
///
/// # Errors
/// 400 for FP16, BF16, NaN and infinity in an output that is not asked for as bytes; 413 for an answer
/// over the limit.
pub fn encode(
    model: &Model,
    request: &InferenceRequest,
    outputs: &[(String, Tensor)],
    predictions: Option<Vec<Vec<Prediction>>>,
    with_outputs: bool,
    limits: &Limits,
) -> Result<Response, ApiError> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut json_outputs = Vec::new();
    for (name, tensor) in outputs.iter().filter(|_| with_outputs) {
        let wanted = request.outputs.iter().find(|wanted| wanted.name == *name);
        if wanted.is_none() && !request.outputs.is_empty() {
            continue;
        }
        let is_binary = wanted
            .and_then(|wanted| wanted.binary)
            .unwrap_or(request.binary_output);
        let before = bytes.len();
        let mut output = JsonOutput {
            name,
            datatype: tensor.datatype.name(),
            shape: tensor.shape.clone(),
            parameters: None,
            data: None,
        };
        match wanted.and_then(|wanted| wanted.classes) {
            Some(count) => {
                let classes = model.classes(name, tensor, count);
                output.datatype = Datatype::Bytes.name();
                output.shape = classes.shape;
                if is_binary {
                    for text in &classes.texts {
                        byte_strings::push(text.as_bytes(), &mut bytes);
                    }
                } else {
                    output.data = Some(Data::Texts(classes.texts));
                }
            }
            None if is_binary => bytes.extend(&tensor.data),
            None => {
                values::check("output", name, tensor, ADVICE)?;
                output.data = Some(Data::Values(Flat(tensor)));
            }
        }
        if is_binary {
            output.parameters = Some(Parameters {
                binary_data_size: bytes.len() - before,
            });
        }
        json_outputs.push(output);
    }
    let has_binary = json_outputs
        .iter()
        .any(|output| output.parameters.is_some());
    let response = json_within(
        &JsonAnswer {
            model_name: model.name.as_str(),
            model_version: &model.card.version,
            id: request.id.as_deref(),
            predictions,
            outputs: with_outputs.then_some(json_outputs),
        },
        limits,
    )?;
    if !has_binary {
        return Ok(response);
    }
    let mut body = response.body;
    let length = body.len().to_string();
    body.extend(bytes);
    Ok(Response::new(200, AnswerType::Raw.media_type(), body).with(binary::HEADER, length))
}

/// What to ask for where JSON does not do.
pub const ADVICE: &str = "ask for `Accept: application/octet-stream`";

/// A JSON answer.
///
/// # Errors
/// 500 when it cannot be written, which no checked answer does.
pub fn json(answer: &impl Serialize) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(answer)
        .map_err(|error| ApiError::internal(format!("writing the answer: {error}")))?;
    Ok(Response::new(200, AnswerType::Json.media_type(), body))
}

/// A JSON answer whose size a client decides: no more of it is written than the limit allows.
///
/// # Errors
/// 413 for an answer over the limit; 500 as [`json`].
pub fn json_within(answer: &impl Serialize, limits: &Limits) -> Result<Response, ApiError> {
    let mut body = Bounded {
        bytes: Vec::new(),
        limit: usize::try_from(limits.max_response_bytes).unwrap_or(usize::MAX),
        is_exceeded: false,
    };
    let written = serde_json::to_writer(&mut body, answer);
    if body.is_exceeded {
        return Err(too_large(limits));
    }
    written.map_err(|error| ApiError::internal(format!("writing the answer: {error}")))?;
    Ok(Response::new(
        200,
        AnswerType::Json.media_type(),
        body.bytes,
    ))
}

/// The refusal of an answer over the limit.
#[must_use]
pub fn too_large(limits: &Limits) -> ApiError {
    exceeded(
        format_args!(
            "the answer has more than {} bytes, expected fewer items or outputs, or a form with fewer \
             bytes, `Accept: application/octet-stream`",
            limits.max_response_bytes
        ),
        MAX_RESPONSE_BYTES,
    )
}

/// Bytes up to a limit.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    is_exceeded: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.limit - self.bytes.len() {
            self.is_exceeded = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One tensor's bytes.
#[must_use]
pub fn raw(tensor: Tensor) -> Response {
    Response::new(200, AnswerType::Raw.media_type(), tensor.data)
}
