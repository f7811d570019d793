//! `POST /infer/{model}/input`: what the model would be given for a body, and nothing computed. With it an
//! image's preparation or a text's tokens can be held against what another program makes of them.

use serde::Serialize;

use super::reader::Reader;
use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::negotiate::{AnswerType, answer_type};
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::timing::{Phase, Timing};
use crate::input::text::Texts;
use crate::input::text::batches::batches;
use crate::protocols::oip::response;
use crate::run::compute;
use crate::tensor::Tensor;
use crate::tensor::json::values::{self, Flat};
use crate::tensor::npy;

/// What the head of a request says is to be done.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    model: &'a Model,
    reader: Reader<'a>,
    answer: AnswerType,
}

#[derive(Serialize)]
struct Answer<'a> {
    model_name: &'a str,
    model_version: &'a str,
    /// Each text's tokens in the vocabulary's words, without those that fill up.
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
    /// Decide from the head.
    ///
    /// # Errors
    /// 415 and 406 for the media types: bytes and NumPy have room for one input.
    pub fn new(head: &Head, model: &'a Model) -> Result<Self, ApiError> {
        let possible = if model.card.inputs.len() == 1 {
            &AnswerType::ALL[..]
        } else {
            &[AnswerType::Json]
        };
        Ok(Self {
            model,
            reader: Reader::new(head, model)?,
            answer: answer_type(head, possible)?,
        })
    }

    /// Decode the body and word what came of it; `timing` gets the phases that ran.
    ///
    /// # Errors
    /// 400 for a body that does not fit the model, and for a tensor that JSON cannot carry.
    pub fn answer(
        &self,
        body: Vec<u8>,
        limits: &Limits,
        timing: &mut Timing,
    ) -> Result<Response, ApiError> {
        let (inputs, texts) = timing.measure(Phase::Decode, || {
            let request = self.reader.decode(body, limits)?;
            let inputs = match &request.texts {
                Some(texts) => self.of_texts(texts)?,
                None => request.inputs,
            };
            Ok::<_, ApiError>((inputs, request.texts))
        })?;
        timing.measure(Phase::Encode, || self.word(inputs, texts.as_ref(), limits))
    }

    /// All batches below each other, so that a tensor is one here that is several to the graph.
    fn of_texts(&self, texts: &Texts) -> Result<Vec<(String, Tensor)>, ApiError> {
        let mut all = Vec::new();
        for batch in batches(texts, &self.model.card, true)? {
            compute::append(&mut all, batch.inputs)?;
        }
        Ok(all)
    }

    fn word(
        &self,
        inputs: Vec<(String, Tensor)>,
        texts: Option<&Texts>,
        limits: &Limits,
    ) -> Result<Response, ApiError> {
        if self.answer != AnswerType::Json {
            let first = inputs.into_iter().next();
            let (_, tensor) = first.ok_or_else(|| ApiError::internal("there is no input"))?;
            return match self.answer {
                AnswerType::Npy => npy::encode(&tensor),
                _ => Ok(response::raw(tensor)),
            };
        }
        for (name, tensor) in &inputs {
            values::check("input", name, tensor, response::ADVICE)?;
        }
        let model = self.model;
        let words = |encoder: &crate::input::text::Encoder, texts: &Texts| {
            let rows = texts.rows.iter();
            rows.map(|row| row.ids.iter().map(|id| encoder.token(*id)).collect())
                .collect()
        };
        response::json_within(
            &Answer {
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
