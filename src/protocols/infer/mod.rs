//! `POST /infer`: an image, a text, a tensor or JSON in; labels, vectors or tensors out.

pub mod input;
pub mod json;
pub mod reader;
mod tensors;

use crate::catalog::Model;
use crate::http::error::{ApiError, quoted};
use crate::http::limits::Limits;
use crate::http::negotiate::{ResponseType, response_type};
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::timing::{Phase, Timing};
use crate::protocols::oip::response;
use crate::run::compute::{self, OutputSet};
use crate::run::inference::InferenceRequest;
use crate::run::nn::Backend;
use crate::tasks::classification::classify;
use crate::tensor::Tensor;
use reader::Reader;

/// A request of `/infer`, as far as its head says.
#[derive(Clone, Debug)]
pub struct Infer<'a> {
    model: &'a Model,
    reader: Reader<'a>,
    response: ResponseType,
    top_k: Option<usize>,
    with_outputs: bool,
}

impl<'a> Infer<'a> {
    /// Read the head.
    ///
    /// # Errors
    /// 415 and 406 for the media types, 400 for the query.
    pub fn new(head: &Head, model: &'a Model) -> Result<Self, ApiError> {
        let plan = Self {
            model,
            reader: Reader::new(head, model)?,
            response: response_type(head, &ResponseType::ALL)?,
            top_k: top_k(head)?,
            with_outputs: flag(head, "outputs")?,
        };
        if plan.top_k.is_some() && model.card.classification.is_none() {
            return Err(ApiError::invalid(format!(
                "`top_k` needs a classifier, and model `{}` is not one; leave it out",
                model.name
            )));
        }
        Ok(plan)
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
        let mut request = timing.measure(Phase::Decode, || self.reader.decode(body, limits))?;
        // The first output of a classifier need not be its scores.
        let is_first_only = self.response != ResponseType::Json;
        let set = if self.with_outputs || is_first_only && self.model.card.classification.is_some()
        {
            OutputSet::All
        } else {
            OutputSet::PerText
        };
        let outputs = compute::request(self.model, &mut request, set, backend, timing)?;
        timing.measure(Phase::Encode, || self.encode(&request, outputs, limits))
    }

    fn encode(
        &self,
        request: &InferenceRequest,
        outputs: Vec<(String, Tensor)>,
        limits: &Limits,
    ) -> Result<Response, ApiError> {
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
        let model = self.model;
        let predictions = model
            .card
            .classification
            .as_ref()
            .map(|spec| {
                let output = outputs.iter().find(|(name, _)| *name == spec.output);
                let (_, tensor) = output.ok_or_else(|| {
                    ApiError::internal(format!("the backend returned no output `{}`", spec.output))
                })?;
                let top_k = self.top_k.unwrap_or(spec.top_k);
                classify(tensor, spec, &model.labels, top_k)
            })
            .transpose()?;
        let with_outputs =
            self.with_outputs || !request.outputs.is_empty() || predictions.is_none();
        response::encode(model, request, &outputs, predictions, with_outputs, limits)
    }
}

fn top_k(head: &Head) -> Result<Option<usize>, ApiError> {
    let Some(value) = head.query_parameter("top_k")? else {
        return Ok(None);
    };
    match value.parse() {
        Ok(top_k) if top_k > 0 => Ok(Some(top_k)),
        _ => Err(ApiError::invalid(format!(
            "`top_k` is {}, expected a whole number from 1",
            quoted(&value)
        ))),
    }
}

fn flag(head: &Head, name: &str) -> Result<bool, ApiError> {
    match head.query_parameter(name)?.as_deref() {
        None | Some("false") => Ok(false),
        Some("true" | "") => Ok(true),
        Some(other) => Err(ApiError::invalid(format!(
            "`{name}` is {}, expected true or false",
            quoted(other)
        ))),
    }
}
