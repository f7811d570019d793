//! `POST /infer/{model}/input`: the model's input that a body becomes, without inference. It lets a user compare the
//! preparation of an image, or the tokens of a text, with another program's.

use serde::Serialize;

use super::decoded::Decoded;
use super::query::Parameters;
use super::reader::Reader;
use super::tensors;
use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::json;
use crate::http::limits::Limits;
use crate::http::negotiate::{RAW_ADVICE, ResponseType, response_type};
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::timing::{Phase, Timing};
use crate::input::text::Texts;
use crate::input::text::batches::{append, batches};
use crate::tensor::Tensor;
use crate::tensor::json::values::{self, Flat};

/// A request of `/infer/{model}/input`, as far as its head says.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    model: &'a Model,
    reader: Reader<'a>,
    response: ResponseType,
}

#[derive(Serialize)]
struct InputResponse<'a> {
    model_name: &'a str,
    model_version: &'a str,
    /// The tokens of each text as the vocabulary has them, without padding.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<Vec<Vec<String>>>,
    inputs: Vec<InputTensor<'a>>,
}

#[derive(Serialize)]
struct InputTensor<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: &'a [u32],
    data: Flat<'a>,
}

impl<'a> Input<'a> {
    /// Read the head.
    ///
    /// # Errors
    /// 415 and 406 for the media types: bytes and NumPy hold one input only.
    pub fn new(head: &Head, model: &'a Model) -> Result<Self, ApiError> {
        let possible = if model.card.inputs.len() == 1 {
            &ResponseType::TENSORS[..]
        } else {
            &[ResponseType::Json]
        };
        Ok(Self {
            model,
            reader: Reader::new(head, model)?,
            response: response_type(head, possible)?,
        })
    }

    /// Decode the body and encode the input; `timing` gets the phases that ran.
    ///
    /// # Errors
    /// 400 for a body that does not fit the model, and for a tensor that JSON cannot represent.
    pub fn respond(
        &self,
        body: Vec<u8>,
        limits: &Limits,
        timing: &mut Timing,
    ) -> Result<Response, ApiError> {
        let (inputs, texts) = timing.measure(Phase::Decode, || {
            let Decoded { request, fields } = self.reader.decode(body, limits)?;
            // They say nothing about the input, but a form is right or wrong wherever it is sent.
            Parameters::check_fields(&fields, self.model)?;
            let (inputs, texts) = match request.content {
                Some(content) => content.to_inputs(self.model.accepts(), limits)?,
                None => (request.inputs, request.texts),
            };
            let inputs = match &texts {
                Some(texts) => self.of_texts(texts)?,
                None => inputs,
            };
            Ok::<_, ApiError>((inputs, texts))
        })?;
        timing.measure(Phase::Encode, || {
            self.encode(inputs, texts.as_ref(), limits)
        })
    }

    /// The batches concatenated: one tensor for each input, even if the graph runs several times.
    fn of_texts(&self, texts: &Texts) -> Result<Vec<(String, Tensor)>, ApiError> {
        let mut all = Vec::new();
        for batch in batches(texts, &self.model.card, true)? {
            append(&mut all, batch.inputs)?;
        }
        Ok(all)
    }

    fn encode(
        &self,
        inputs: Vec<(String, Tensor)>,
        texts: Option<&Texts>,
        limits: &Limits,
    ) -> Result<Response, ApiError> {
        if self.response != ResponseType::Json {
            let first = inputs.into_iter().next();
            let (_, tensor) = first.ok_or_else(|| ApiError::internal("there is no input"))?;
            return match self.response {
                ResponseType::Npy => tensors::npy(&tensor),
                _ => Ok(tensors::raw(tensor)),
            };
        }
        for (name, tensor) in &inputs {
            values::check("input", name, tensor, RAW_ADVICE)?;
        }
        let model = self.model;
        let words = |encoder: &crate::input::text::Encoder, texts: &Texts| {
            let rows = texts.rows.iter();
            rows.map(|row| row.ids.iter().map(|id| encoder.token(*id)).collect())
                .collect()
        };
        json::response_within(
            &InputResponse {
                model_name: model.name.as_str(),
                model_version: &model.card.version,
                tokens: model
                    .text
                    .as_deref()
                    .zip(texts)
                    .map(|(encoder, texts)| words(encoder, texts)),
                inputs: inputs
                    .iter()
                    .map(|(name, tensor)| InputTensor {
                        name,
                        datatype: tensor.datatype.name(),
                        shape: &tensor.shape,
                        data: Flat(tensor),
                    })
                    .collect(),
            },
            limits,
        )
    }
}
