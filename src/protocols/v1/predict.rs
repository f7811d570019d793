//! `POST /v1/models/{model}:predict`: inference in the V1 protocol.

use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::json::ObjectWriter;
use crate::http::limits::Limits;
use crate::http::negotiate::{ResponseType, response_type};
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::timing::{Phase, Timing};
use crate::input::body;
use crate::protocols::v1;
use crate::run::compute;
use crate::run::nn::Backend;
use crate::tasks::parameters::Values;
use crate::tasks::{Inputs, Outputs, Wanted};
use crate::tensor::inputs::check_batch;

/// A request, as far as its head says.
#[derive(Clone, Debug)]
pub struct V1Predict<'a> {
    model: &'a Model,
}

impl<'a> V1Predict<'a> {
    /// Read the head.
    ///
    /// # Errors
    /// 415 and 406 for the media types.
    pub fn new(head: &Head, model: &'a Model) -> Result<Self, ApiError> {
        body::expect_json(head)?;
        response_type(head, &[ResponseType::Json])?;
        Ok(Self { model })
    }

    /// Decode the body, infer, and encode the response; `timing` gets the phases that ran.
    ///
    /// # Errors
    /// 400 for a body that does not fit the model, and errors of the backend.
    pub fn respond(
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
        let values = Values::defaults(&self.model.pipeline.parameters());
        let has_content = request.content.is_some();
        let rows = request.rows;
        let inputs = Inputs {
            tensors: request.inputs,
            texts: request.texts,
            content: request.content,
        };
        // A task that prepares a request by itself responds with its predictions.
        let wanted = if has_content {
            Wanted::predictions()
        } else {
            Wanted::tensors(Outputs::Default)
        };
        let outcome = compute::infer(self.model, inputs, wanted, &values, limits, backend, timing)?;
        timing.measure(Phase::Encode, || match outcome.predictions {
            Some(predictions) => {
                let mut json = ObjectWriter::new(limits);
                json.member("predictions", &*predictions)?;
                json.finish()
            }
            None => v1::response::encode(&outcome.outputs, rows, limits),
        })
    }
}
