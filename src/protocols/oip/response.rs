//! Outputs become a response in the Open Inference Protocol's form: JSON, and behind it the outputs that are requested as
//! bytes.

use infer_model_card::Datatype;
use serde::Serialize;

use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::json;
use crate::http::limits::Limits;
use crate::http::negotiate::{RAW_ADVICE, ResponseType};
use crate::http::response::Response;
use crate::protocols::oip::{binary, classification};
use crate::run::inference::InferenceRequest;
use crate::tasks::classification::Prediction;
use crate::tensor::Tensor;
use crate::tensor::byte_strings;
use crate::tensor::json::values::{self, Flat};

/// The members of a JSON response. `None` is left out.
#[derive(Debug, Serialize)]
struct JsonResponse<'a> {
    model_name: &'a str,
    /// A string, as in the protocol.
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

/// Encode a response: `predictions`, the best classes of each item of the batch, and the requested outputs, if
/// `with_outputs`.
///
/// # Errors
/// 400 for FP16, BF16, NaN and infinity in an output that is not requested as bytes; 413 for a response over the limit.
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
        let requested = request
            .outputs
            .iter()
            .find(|requested| requested.name == *name);
        if requested.is_none() && !request.outputs.is_empty() {
            continue;
        }
        let is_binary = requested
            .and_then(|requested| requested.binary)
            .unwrap_or(request.binary_output);
        let before = bytes.len();
        let mut output = JsonOutput {
            name,
            datatype: tensor.datatype.name(),
            shape: tensor.shape.clone(),
            parameters: None,
            data: None,
        };
        match requested.and_then(|requested| requested.classes) {
            Some(count) => {
                let classes = classification::classes(model, name, tensor, count);
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
                values::check("output", name, tensor, RAW_ADVICE)?;
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
    let response = json::response_within(
        &JsonResponse {
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
    Ok(Response::new(200, ResponseType::Raw.media_type(), body).with(binary::HEADER, length))
}
