//! `POST /infer`: an image, a text, a tensor or JSON in; labels, vectors or tensors out.

mod decoded;
pub mod input;
pub mod json;
pub mod query;
pub mod reader;
mod tensors;

use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::negotiate::{ResponseType, response_type};
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::timing::{Phase, Timing};
use crate::protocols::oip::response::{self, ResponseOutputs};
use crate::run::compute;
use crate::run::inference::InferenceRequest;
use crate::run::nn::Backend;
use crate::tasks::{Outcome, Outputs, Wanted};
use decoded::Decoded;
use query::Parameters;
use reader::Reader;

/// A request of `/infer`, as far as its head says.
#[derive(Clone, Debug)]
pub struct Infer<'a> {
    model: &'a Model,
    reader: Reader<'a>,
    response: ResponseType,
    parameters: Parameters,
}

impl<'a> Infer<'a> {
    /// Read the head.
    ///
    /// # Errors
    /// 415 and 406 for the media types, 400 for the query.
    pub fn new(head: &Head, model: &'a Model) -> Result<Self, ApiError> {
        let mut possible = ResponseType::TENSORS.to_vec();
        if model.pipeline.draws() {
            possible.push(ResponseType::Png);
        }
        Ok(Self {
            model,
            reader: Reader::new(head, model)?,
            response: response_type(head, &possible)?,
            parameters: Parameters::new(head, model)?,
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
        let (mut request, parameters) = timing.measure(Phase::Decode, || {
            let Decoded { request, fields } = self.reader.decode(body, limits)?;
            let parameters = self.parameters.with_fields(&fields, self.model)?;
            Ok::<_, ApiError>((request, parameters))
        })?;
        let is_json = self.response == ResponseType::Json;
        let outputs = match (parameters.with_outputs, self.response) {
            (_, ResponseType::Png) => Outputs::Needed,
            (true, _) => Outputs::All,
            (false, ResponseType::Json) => Outputs::Needed,
            (false, _) => Outputs::Default,
        };
        let wanted = Wanted {
            predictions: is_json,
            drawing: self.response == ResponseType::Png,
            outputs: request.needed_outputs(outputs),
        };
        let inputs = request.take_inputs();
        let values = &parameters.values;
        let outcome = compute::infer(self.model, inputs, wanted, values, limits, backend, timing)?;
        timing.measure(Phase::Encode, || {
            self.encode(&request, parameters.with_outputs, outcome, limits)
        })
    }

    fn encode(
        &self,
        request: &InferenceRequest,
        with_outputs: bool,
        outcome: Outcome,
        limits: &Limits,
    ) -> Result<Response, ApiError> {
        let Outcome {
            predictions,
            drawing,
            outputs,
        } = outcome;
        if self.response == ResponseType::Png {
            let drawing = drawing.ok_or_else(|| {
                ApiError::invalid(
                    "the request has no image to draw on; send an encoded image, or ask for \
                     `Accept: application/json`",
                )
            })?;
            return Ok(Response::new(200, ResponseType::Png.media_type(), drawing));
        }
        if self.response != ResponseType::Json {
            let requested = request.outputs.first();
            let first = outputs
                .into_iter()
                .find(|(name, _)| requested.is_none_or(|requested| requested.name == *name));
            let (_, tensor) =
                first.ok_or_else(|| ApiError::internal("the backend returned no output"))?;
            return match self.response {
                ResponseType::Npy => tensors::npy(&tensor),
                _ => Ok(tensors::raw(tensor)),
            };
        }
        let with_outputs = with_outputs || !request.outputs.is_empty() || predictions.is_none();
        let outputs = with_outputs.then_some(ResponseOutputs {
            tensors: &outputs,
            items: None,
        });
        response::encode(self.model, request, predictions.as_deref(), outputs, limits)
    }
}
