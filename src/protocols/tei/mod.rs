//! The routes of Hugging Face's Text Embeddings Inference (`router/src/http` of that project).
//!
//! A request that names no model with the member `model` gets the default one, or the only one that can do it. The statuses
//! are that project's too: 422 for members of other types, 424 for a model that cannot do it, 413 for a text that is too long.

mod classify;
pub(crate) mod embed;
mod info;
mod request;
mod tokens;

use infer_routes::Handler;

use super::cohere::rerank;
use super::common::Service;
use super::common::members::Members;
use crate::http::error::{ApiError, EMPTY, ErrorKind};
use crate::http::negotiate::{ResponseType, response_type};
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::timing::Timing;
use crate::input::body;
use crate::tensor::json;
pub use info::info;

/// A request, as far as its head says; the body names the model.
#[derive(Clone, Debug)]
pub struct Tei {
    operation: Operation,
    /// The client's id of the request, for responses in Cohere's form.
    request_id: Option<String>,
}

/// What to do with texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Embed,
    EmbedAll,
    EmbedSparse,
    Predict,
    Rerank,
    Similarity,
    Tokenize,
    Decode,
}

impl Tei {
    /// Read the head.
    ///
    /// # Errors
    /// 415 and 406 for the media types.
    pub fn new(head: &Head, handler: Handler) -> Result<Self, ApiError> {
        body::expect_json(head)?;
        response_type(head, &[ResponseType::Json])?;
        Ok(Self {
            operation: match handler {
                Handler::TeiEmbedAll => Operation::EmbedAll,
                Handler::TeiEmbedSparse => Operation::EmbedSparse,
                Handler::TeiPredict => Operation::Predict,
                Handler::TeiRerank => Operation::Rerank,
                Handler::TeiSimilarity => Operation::Similarity,
                Handler::TeiTokenize => Operation::Tokenize,
                Handler::TeiDecode => Operation::Decode,
                _ => Operation::Embed,
            },
            request_id: head.request_id().map(str::to_owned),
        })
    }

    /// Decode the body, infer, and encode the response; `timing` gets the phases that ran.
    ///
    /// # Errors
    /// 400 for malformed JSON and no texts, 422 for members of other types, 413 for a text that is too long, 404 and 424
    /// for the model, and errors of the backend.
    pub fn respond(
        &self,
        body: &[u8],
        service: Service,
        timing: &mut Timing,
    ) -> Result<Response, ApiError> {
        let source = json::source(body, service.limits())?;
        // Malformed JSON is 400, every other mistake 422.
        serde_json::from_slice::<&serde_json::value::RawValue>(&source).map_err(json::malformed)?;
        let mut respond = || {
            let members = Members::of_body(&source)?;
            match self.operation {
                Operation::Embed => embed::embed(&members, service, timing),
                Operation::EmbedAll => embed::embed_all(&members, service, timing),
                Operation::EmbedSparse => embed::embed_sparse(&members, service, timing),
                Operation::Similarity => embed::similarity(&members, service, timing),
                Operation::Predict => classify::predict(&members, service, timing),
                Operation::Rerank if members.get("documents").is_some() => {
                    rerank(&members, self.request_id.as_deref(), service, timing)
                }
                Operation::Rerank => classify::rerank(&members, service, timing),
                Operation::Tokenize => tokens::tokenize(&members, service, timing),
                Operation::Decode => tokens::decode(&members, service, timing),
            }
        };
        respond().map_err(reclassified)
    }
}

/// The error with the status that this protocol has for it.
fn reclassified(error: ApiError) -> ApiError {
    if error.kind() == ErrorKind::Invalid && error.code() != Some(EMPTY) {
        return error.with_kind(ErrorKind::Unprocessable);
    }
    error
}
