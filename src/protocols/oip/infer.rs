//! `POST /v2/models/{model}/infer`: the Open Inference Protocol's inference.

use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::negotiate::{AnswerType, answer_type, names_json};
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::timing::{Phase, Timing};
use crate::input::body::{self, BodyKind};
use crate::input::images;
use crate::protocols::oip;
use crate::protocols::oip::response;
use crate::run::compute::{self, Wanted};
use crate::run::inference::{InferenceRequest, check_batch};
use crate::run::nn::Backend;
use crate::tensor::raw;

/// What the head of a request says is to be done.
#[derive(Clone, Debug)]
pub struct V2Infer<'a> {
    model: &'a Model,
    header_length: Option<u64>,
    /// Whether outputs are answered as bytes where the body says nothing of them.
    binary_output: bool,
}

impl<'a> V2Infer<'a> {
    /// Decide from the head.
    ///
    /// # Errors
    /// 400 for the length of the JSON, 415 and 406 for the media types.
    pub fn new(head: &Head, model: &'a Model) -> Result<Self, ApiError> {
        let header_length = oip::binary::header_length(head)?;
        if header_length.is_none() {
            body::expect_json(head)?;
        }
        let answer = answer_type(head, &[AnswerType::Json, AnswerType::Raw])?;
        // A body that is one tensor has no place for wishes: its answer is of its kind, unless the
        // client names JSON.
        let is_raw = header_length == Some(0) && !names_json(head);
        Ok(Self {
            model,
            header_length,
            binary_output: answer == AnswerType::Raw || is_raw,
        })
    }

    /// Decode the body, infer, and word the answer; `timing` gets the phases that ran.
    ///
    /// # Errors
    /// 400 for a body that does not fit the model, and what the backend refuses.
    pub fn answer(
        &self,
        body: Vec<u8>,
        limits: &Limits,
        backend: &dyn Backend,
        timing: &mut Timing,
    ) -> Result<Response, ApiError> {
        let mut request = timing.measure(Phase::Decode, || self.decode(body, limits))?;
        check_batch(&self.model.card, &request.inputs, limits)?;
        request.binary_output |= self.binary_output;
        let wanted = Wanted::of_protocol(&self.model.card);
        let outputs = compute::request(self.model, &mut request, wanted, backend, timing)?;
        timing.measure(Phase::Encode, || {
            response::encode(self.model, &request, &outputs, None, true, limits)
        })
    }

    fn decode(&self, body: Vec<u8>, limits: &Limits) -> Result<InferenceRequest, ApiError> {
        if self.header_length != Some(0) {
            return oip::request::decode(&body, self.header_length, self.model, limits);
        }
        let input = match body::sniff(&body, self.model)? {
            BodyKind::Image => images::to_input(&[&body], self.model, limits)?,
            _ => raw::decode(body, &self.model.card)?,
        };
        Ok(InferenceRequest::of(input))
    }
}
