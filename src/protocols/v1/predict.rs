//! `POST /v1/models/{model}:predict`: the V1 protocol's inference.

use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::negotiate::{AnswerType, answer_type};
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::timing::{Phase, Timing};
use crate::input::body;
use crate::protocols::v1;
use crate::run::compute::{self, Wanted};
use crate::run::inference::check_batch;
use crate::run::nn::Backend;

/// What the head of a request says is to be done.
#[derive(Clone, Debug)]
pub struct V1Predict<'a> {
    model: &'a Model,
}

impl<'a> V1Predict<'a> {
    /// Decide from the head.
    ///
    /// # Errors
    /// 415 and 406 for the media types.
    pub fn new(head: &Head, model: &'a Model) -> Result<Self, ApiError> {
        body::expect_json(head)?;
        answer_type(head, &[AnswerType::Json])?;
        Ok(Self { model })
    }

    /// Decode the body, infer, and word the answer; `timing` gets the phases that ran.
    ///
    /// # Errors
    /// 400 for a body that does not fit the model, and what the backend refuses.
    pub fn answer(
        &self,
        body: &[u8],
        limits: &Limits,
        backend: &dyn Backend,
        timing: &mut Timing,
    ) -> Result<Response, ApiError> {
        let request = timing.measure(Phase::Decode, || {
            v1::request::decode(body, self.model, limits)
        })?;
        check_batch(&self.model.card, &request.inputs, limits)?;
        let outputs = match &request.texts {
            Some(texts) => {
                let wanted = Wanted::of_protocol(&self.model.card);
                compute::run_texts(self.model, texts, wanted, backend, timing)?
            }
            None => compute::run(self.model, request.inputs, backend, timing)?,
        };
        timing.measure(Phase::Encode, || {
            v1::response::encode(&outputs, request.rows, limits)
        })
    }
}
