//! `POST /v2/models/{model}/infer`: inference in the Open Inference Protocol.

use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::negotiate::{ResponseType, names_json, response_type};
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::timing::{Phase, Timing};
use crate::input::body::{self, BodyKind};
use crate::input::images;
use crate::protocols::oip;
use crate::protocols::oip::response;
use crate::run::compute;
use crate::run::inference::InferenceRequest;
use crate::run::nn::Backend;
use crate::tasks::parameters::Values;
use crate::tasks::{Outputs, Wanted};
use crate::tensor::inputs::check_batch;
use crate::tensor::raw;

/// A request, as far as its head says.
#[derive(Clone, Debug)]
pub struct V2Infer<'a> {
    model: &'a Model,
    header_length: Option<u64>,
    /// Whether outputs are bytes unless the body says otherwise.
    binary_output: bool,
}

impl<'a> V2Infer<'a> {
    /// Read the head.
    ///
    /// # Errors
    /// 400 for the length of the JSON, 415 and 406 for the media types.
    pub fn new(head: &Head, model: &'a Model) -> Result<Self, ApiError> {
        let header_length = oip::binary::header_length(head)?;
        if header_length.is_none() {
            body::expect_json(head)?;
        }
        let response = response_type(head, &[ResponseType::Json, ResponseType::Raw])?;
        // A body that is one raw tensor cannot request a form: the response is raw too, unless `Accept` names JSON.
        let is_raw = header_length == Some(0) && !names_json(head);
        Ok(Self {
            model,
            header_length,
            binary_output: response == ResponseType::Raw || is_raw,
        })
    }

    /// Decode the body, infer, and encode the response; `timing` gets the phases that ran.
    ///
    /// # Errors
    /// 400 for a body that does not fit the model, and errors of the backend.
    pub fn respond(
        &self,
        body: Vec<u8>,
        limits: &Limits,
        backend: &dyn Backend,
        timing: &mut Timing,
    ) -> Result<Response, ApiError> {
        let mut request = timing.measure(Phase::Decode, || self.decode(body, limits))?;
        check_batch(&self.model.card, &request.inputs, limits)?;
        request.binary_output |= self.binary_output;
        let wanted = Wanted::tensors(request.needed_outputs(Outputs::Default));
        let (inputs, values) = (request.take_inputs(), Values::default());
        let outcome = compute::infer(self.model, inputs, wanted, &values, backend, timing)?;
        timing.measure(Phase::Encode, || {
            response::encode(self.model, &request, None, Some(&outcome.outputs), limits)
        })
    }

    fn decode(&self, body: Vec<u8>, limits: &Limits) -> Result<InferenceRequest, ApiError> {
        if self.header_length != Some(0) {
            return oip::request::decode(&body, self.header_length, self.model, limits);
        }
        let input = match body::sniff(&body, self.model.accepts())? {
            BodyKind::Image => images::to_input(&[&body], self.model.accepts(), limits)?,
            _ => raw::decode(body, &self.model.card)?,
        };
        Ok(InferenceRequest::of(input))
    }
}
