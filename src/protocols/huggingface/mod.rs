//! `POST /` and `POST /models/{model}`: Hugging Face's inference API, as `InferenceClient` of `huggingface_hub` sends and
//! reads it. What a request and its response look like depends on the model's task.

mod answer;
mod request;
mod table;

use super::common::Service;
use super::common::prediction::predictions;
use super::common::vectors::{similarities, vectors};
use crate::catalog::Model;
use crate::http::error::{ApiError, quoted};
use crate::http::json::response_within;
use crate::http::media_type::MediaType;
use crate::http::negotiate::{ResponseType, response_type};
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::timing::{Phase, Timing};
use request::{Decoded, Kind, Request};

/// The two tasks of a model that embeds texts.
const FEATURE_EXTRACTION: &str = "feature-extraction";
const SENTENCE_SIMILARITY: &str = "sentence-similarity";

/// A request, as far as its head says.
#[derive(Clone, Debug)]
pub struct HuggingFace<'a> {
    model: &'a Model,
    task: &'static str,
    kind: Kind,
}

impl<'a> HuggingFace<'a> {
    /// Read the head; `task` is the task of the path.
    ///
    /// # Errors
    /// 400 for a model without a task, and for another task than the model's; 415 and 406 for the media types.
    pub fn new(head: &Head, model: &'a Model, task: Option<&str>) -> Result<Self, ApiError> {
        let Some(own) = model.card.task_name else {
            return Err(ApiError::invalid(format!(
                "model `{}` has no task of Hugging Face's API; send its tensors to `/infer/{}`",
                model.name, model.name
            )));
        };
        let is_own =
            |task: &str| task == own || own == FEATURE_EXTRACTION && task == SENTENCE_SIMILARITY;
        if let Some(task) = task
            && !is_own(task)
        {
            return Err(ApiError::invalid(format!(
                "model `{}` has the task `{own}`, not {}",
                model.name,
                quoted(task)
            )));
        }
        response_type(head, &[ResponseType::Json])?;
        let media_type = head.header("content-type").and_then(MediaType::parse);
        let takes_files = model.accepts().images() || model.accepts().sounds();
        let kind = match media_type.as_ref().map(MediaType::as_str) {
            Some("application/json") => Kind::Json,
            None | Some("application/octet-stream" | "application/x-www-form-urlencoded") => {
                Kind::Unknown
            }
            Some(name) if takes_files || name.starts_with("text/") => Kind::Bytes,
            Some(name) => {
                return Err(ApiError::unsupported_media_type(format!(
                    "model `{}` does not take {} on this route, expected `application/json`",
                    model.name,
                    quoted(name)
                )));
            }
        };
        Ok(Self {
            model,
            task: own,
            kind,
        })
    }

    /// Decode the body, infer, and encode the response; `timing` gets the phases that ran.
    ///
    /// # Errors
    /// 400 for a body that does not fit the model's task, 415 for bytes that the model does not take, and errors of the
    /// backend.
    pub fn respond(
        &self,
        body: &[u8],
        service: Service,
        timing: &mut Timing,
    ) -> Result<Response, ApiError> {
        let limits = service.limits();
        let decoded = timing.measure(Phase::Decode, || {
            request::decode(body, self.model, self.kind, limits)
        })?;
        match decoded {
            Decoded::Embedding {
                texts,
                shape,
                is_similarity,
            } => {
                let vectors = vectors(self.model, texts, shape, service, timing)?;
                timing.measure(Phase::Encode, || {
                    if is_similarity {
                        return response_within(&similarities(&vectors), limits);
                    }
                    response_within(&vectors, limits)
                })
            }
            Decoded::Task(Request {
                inputs,
                values,
                is_batch,
            }) => {
                let items = predictions(self.model, inputs, &values, service, timing)?;
                timing.measure(Phase::Encode, || {
                    let answer = answer::answer(self.task, items, is_batch, &values);
                    response_within(&answer, limits)
                })
            }
        }
    }
}
