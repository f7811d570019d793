//! `POST /v2/models/{model}/infer`: inference in the Open Inference Protocol.

use serde_json::Value;

use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::json::{self, ToJson};
use crate::http::limits::Limits;
use crate::http::negotiate::{ResponseType, names_json, response_type};
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::timing::{Phase, Timing};
use crate::input::body::{self, BodyKind};
use crate::input::images;
use crate::input::sounds;
use crate::protocols::oip;
use crate::protocols::oip::response::{self, ResponseOutputs};
use crate::run::compute;
use crate::run::inference::{InferenceRequest, PREDICTIONS};
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
        let wanted = Wanted {
            predictions: request.predictions.is_some(),
            ..Wanted::tensors(request.needed_outputs(Outputs::Default))
        };
        let inputs = request.take_inputs();
        let values = Values::defaults(&self.model.pipeline.parameters());
        let outcome = compute::infer(self.model, inputs, wanted, &values, limits, backend, timing)?;
        timing.measure(Phase::Encode, || {
            let items = match request.predictions {
                Some(_) => Some(items(outcome.predictions.as_deref(), limits)?),
                None => None,
            };
            // A request of predictions alone gets no tensors.
            let is_alone = items.is_some() && request.outputs.is_empty();
            let outputs = ResponseOutputs {
                tensors: if is_alone { &[] } else { &outcome.outputs },
                items: items.as_deref(),
            };
            response::encode(self.model, &request, None, Some(outputs), limits)
        })
    }

    fn decode(&self, body: Vec<u8>, limits: &Limits) -> Result<InferenceRequest, ApiError> {
        if self.header_length != Some(0) {
            return oip::request::decode(&body, self.header_length, self.model, limits);
        }
        let input = match body::sniff(&body, self.model.accepts())? {
            BodyKind::Sound => {
                let sounds = sounds::placed(vec![body]);
                return InferenceRequest::of_sounds(sounds, self.model.accepts(), limits);
            }
            BodyKind::Image => {
                let images = images::placed(&[&body]);
                let inputs = images::prepare(&images, self.model.accepts(), limits)?.inputs;
                return Ok(InferenceRequest {
                    inputs,
                    ..InferenceRequest::default()
                });
            }
            _ => raw::decode(body, &self.model.card)?,
        };
        Ok(InferenceRequest::of(input))
    }
}

/// The predictions of each item as JSON.
fn items(predictions: Option<&dyn ToJson>, limits: &Limits) -> Result<Vec<String>, ApiError> {
    let predictions = predictions.ok_or_else(|| {
        ApiError::invalid(format!(
            "the output `{PREDICTIONS}` needs encoded images or texts as BYTES, got tensors; request other outputs"
        ))
    })?;
    match json::to_value(predictions, limits)? {
        Value::Array(items) => Ok(items.iter().map(Value::to_string).collect()),
        other => Ok(vec![other.to_string()]),
    }
}
