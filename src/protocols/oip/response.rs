//! Outputs become a response in the Open Inference Protocol's form: JSON, and behind it the outputs that are requested as
//! bytes.

use infer_tensor::Datatype;
use serde::Serialize;

use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::json::{ObjectWriter, ToJson};
use crate::http::limits::Limits;
use crate::http::negotiate::{RAW_ADVICE, ResponseType};
use crate::http::response::Response;
use crate::protocols::oip::{binary, classification};
use crate::run::inference::{InferenceRequest, PREDICTIONS};
use crate::tensor::Tensor;
use crate::tensor::byte_strings;
use crate::tensor::json::values::{self, Flat};

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

/// The outputs of a response.
#[derive(Clone, Copy, Default)]
pub struct ResponseOutputs<'a> {
    /// The tensors, of which the response has the requested ones.
    pub tensors: &'a [(String, Tensor)],
    /// The output `predictions`: one JSON text for each item.
    pub items: Option<&'a [String]>,
}

/// Encode a response with `predictions` and the requested ones of `outputs`, if there are any.
///
/// # Errors
/// 400 for FP16, BF16, NaN and infinity in an output that is not requested as bytes; 413 for a response over the limit.
pub fn encode(
    model: &Model,
    request: &InferenceRequest,
    predictions: Option<&dyn ToJson>,
    outputs: Option<ResponseOutputs>,
    limits: &Limits,
) -> Result<Response, ApiError> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut json_outputs = Vec::new();
    let all = outputs.unwrap_or_default();
    for (name, tensor) in all.tensors {
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
    if let Some(items) = all.items {
        let binary = request
            .predictions
            .as_ref()
            .and_then(|output| output.binary);
        let mut output = JsonOutput {
            name: PREDICTIONS,
            datatype: Datatype::Bytes.name(),
            shape: vec![u32::try_from(items.len()).unwrap_or(u32::MAX)],
            parameters: None,
            data: None,
        };
        if binary.unwrap_or(request.binary_output) {
            let before = bytes.len();
            for item in items {
                byte_strings::push(item.as_bytes(), &mut bytes);
            }
            output.parameters = Some(Parameters {
                binary_data_size: bytes.len() - before,
            });
        } else {
            output.data = Some(Data::Texts(items.to_vec()));
        }
        json_outputs.push(output);
    }
    let has_binary = json_outputs
        .iter()
        .any(|output| output.parameters.is_some());
    let mut json = ObjectWriter::new(limits);
    json.member("model_name", &model.name.as_str())?;
    // The version is a string, as in the protocol.
    json.member("model_version", &model.card.version)?;
    if let Some(id) = &request.id {
        json.member("id", id)?;
    }
    if let Some(predictions) = predictions {
        json.member("predictions", predictions)?;
    }
    if outputs.is_some() {
        json.member("outputs", &json_outputs)?;
    }
    let response = json.finish()?;
    if !has_binary {
        return Ok(response);
    }
    let mut body = response.body;
    let length = body.len().to_string();
    body.extend(bytes);
    Ok(Response::new(200, ResponseType::Raw.media_type(), body).with(binary::HEADER, length))
}
