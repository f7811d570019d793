//! From a request to its response: the route's handler, and what all handlers share.
//!
//! There are two steps, because the body is read between them: [`Plan::new`] decides from the head alone whether the
//! body is worth reading, and [`Plan::respond`] does the rest.

use infer_routes::Handler;

use super::cohere::Rerank;
use super::common::Service;
use super::deepstack::DeepStack;
use super::huggingface::HuggingFace;
use super::infer::Infer;
use super::infer::input::Input;
use super::oip::infer::V2Infer;
use super::oip::{health, metadata, repository};
use super::openai::embeddings::Embeddings;
use super::openai::transcriptions::Transcriptions;
use super::tei::{self, Tei};
use super::v1;
use super::v1::predict::V1Predict;
use crate::catalog::{Model, Models};
use crate::http::content_coding::{self, Coding};
use crate::http::cors;
use crate::http::error::ApiError;
use crate::http::json;
use crate::http::limits::{self, Limits, MAX_BODY_BYTES};
use crate::http::negotiate::check_acceptable;
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::router::{Found, route};
use crate::http::settings::Settings;
use crate::http::timing::{Phase, Timing};
use crate::openapi;
use crate::playground::{self, Asset};
use crate::run::nn::Backend;

/// The media type of every response but tensors and the page.
const JSON: &str = "application/json";

/// What the head of a request asks for.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    action: Action<'a>,
    models: &'a Models,
    settings: &'a Settings,
    request_codings: Vec<Coding>,
    response_coding: Option<Coding>,
}

/// A handler with what it took from the head.
#[derive(Clone, Debug)]
enum Action<'a> {
    Infer(Infer<'a>),
    Input(Input<'a>),
    V2Infer(V2Infer<'a>),
    V1Predict(V1Predict<'a>),
    Embeddings(Embeddings),
    HuggingFace(HuggingFace<'a>),
    Tei(Tei),
    Rerank(Rerank),
    DeepStack(DeepStack<'a>),
    Transcriptions(Transcriptions),
    RepositoryIndex,
    Read(Read<'a>),
}

/// A handler of a request without a body.
#[derive(Clone, Debug)]
enum Read<'a> {
    Server,
    ServerLive,
    ServerReady,
    Model(&'a Model),
    ModelReady(&'a Model),
    ModelConfig(&'a Model),
    V1Models,
    /// The versions, and whether the path names one.
    V1Model(Vec<&'a Model>, bool),
    /// The model of the query.
    TeiInfo(Option<String>),
    OpenApi,
    /// The response to a preflight.
    Preflight(Response),
    /// The asset, and whether the client already has it.
    Page(&'static Asset, bool),
}

impl<'a> Plan<'a> {
    /// Decide from the head.
    ///
    /// # Errors
    /// 404 and 405 for the route, 404 for the model, 413 for the declared length, 415 and 406 for the media types and
    /// codings, 400 for the query.
    pub fn new(head: &Head, models: &'a Models, settings: &'a Settings) -> Result<Self, ApiError> {
        if let Some(origins) = &settings.cors_origins
            && cors::is_preflight(head)
        {
            return Ok(Self {
                action: Action::Read(Read::Preflight(cors::preflight(head, origins))),
                models,
                settings,
                request_codings: Vec::new(),
                response_coding: None,
            });
        }
        let page = |path: &str| playground::asset(path).filter(|_| settings.playground);
        let found = route(head, |path| page(path).is_some())?;
        let action = Action::new(head, &found, page(&head.path), models, settings)?;
        match action {
            Action::Read(Read::Page(asset, _)) => check_acceptable(head, asset.media_type)?,
            Action::Read(_) | Action::RepositoryIndex => check_acceptable(head, JSON)?,
            _ => {}
        }
        let request_codings = match action {
            Action::Read(_) => Vec::new(),
            _ => content_coding::of_request(head)?,
        };
        Ok(Self {
            action,
            models,
            settings,
            request_codings,
            response_coding: content_coding::of_response(head),
        })
    }

    /// Whether the handler reads the body of the request.
    #[must_use]
    pub fn takes_body(&self) -> bool {
        !matches!(self.action, Action::Read(_))
    }

    /// Respond to a request with its body as received, which is empty if the handler reads none. `timing` gets the
    /// phases that ran.
    ///
    /// # Errors
    /// 400 and 413 for the body, 413 for the response, 503 for a model that is not ready, and errors of the backend.
    pub fn respond(
        &self,
        body: Vec<u8>,
        backend: &dyn Backend,
        timing: &mut Timing,
    ) -> Result<Response, ApiError> {
        let limits = &self.settings.limits;
        let body = if self.request_codings.is_empty() {
            body
        } else {
            timing.measure(Phase::Decode, || {
                content_coding::inflate(body, &self.request_codings, limits)
            })?
        };
        let response = match &self.action {
            Action::Infer(action) => action.respond(body, limits, backend, timing)?,
            Action::Input(action) => action.respond(body, limits, timing)?,
            Action::V2Infer(action) => action.respond(body, limits, backend, timing)?,
            Action::V1Predict(action) => action.respond(&body, limits, backend, timing)?,
            Action::Embeddings(action) => {
                action.respond(&body, self.models, self.settings, backend, timing)?
            }
            Action::HuggingFace(action) => action.respond(&body, self.service(backend), timing)?,
            Action::Tei(action) => action.respond(&body, self.service(backend), timing)?,
            Action::Rerank(action) => action.respond(&body, self.service(backend), timing)?,
            Action::DeepStack(action) => action.respond(body, self.service(backend), timing)?,
            Action::Transcriptions(action) => {
                action.respond(body, self.models, self.settings, backend, timing)?
            }
            Action::RepositoryIndex => repository::index(
                &body,
                limits,
                self.models,
                &self.settings.unavailable_models,
                backend,
            )?,
            Action::Read(read) => self.read(read, backend)?,
        };
        let bytes = response.body.len();
        if self.takes_body() && bytes as u64 > limits.max_response_bytes {
            return Err(json::too_large(limits));
        }
        Ok(match self.response_coding {
            Some(coding) if self.takes_body() => {
                timing.measure(Phase::Encode, || content_coding::encoded(response, coding))
            }
            Some(coding) => content_coding::encoded(response, coding),
            None => response,
        })
    }

    fn service<'b>(&'b self, backend: &'b dyn Backend) -> Service<'b> {
        Service {
            models: self.models,
            settings: self.settings,
            backend,
        }
    }

    fn read(&self, read: &Read, backend: &dyn Backend) -> Result<Response, ApiError> {
        match read {
            Read::Server => metadata::server(),
            Read::ServerLive => health::live(),
            Read::ServerReady => health::server_ready(self.models, backend),
            Read::Model(model) => metadata::model(model, self.models),
            Read::ModelReady(model) => health::model_ready(model, backend),
            Read::ModelConfig(model) => metadata::config(model, self.settings),
            Read::V1Models => v1::models::list(self.models),
            Read::V1Model(versions, is_versioned) => {
                v1::models::status(versions, *is_versioned, backend)
            }
            Read::TeiInfo(name) => tei::info(name.as_deref(), self.models, self.settings),
            Read::OpenApi => json::response(&openapi::document(self.models, self.settings)),
            Read::Preflight(response) => Ok(response.clone()),
            Read::Page(asset, is_known) => Ok(playground::respond(asset, *is_known)),
        }
    }
}

impl<'a> Action<'a> {
    fn new(
        head: &Head,
        found: &Found,
        page: Option<&'static Asset>,
        models: &'a Models,
        settings: &'a Settings,
    ) -> Result<Self, ApiError> {
        // A body over the limit is refused after the route and the model, and before its media type.
        let check_length = || check_length(head, &settings.limits);
        let model = || match &found.model {
            Some(name) => models.get_version(name, found.version.as_deref()),
            None => models.default(settings),
        };
        Ok(match found.route.handler {
            Handler::Infer => {
                let model = model()?;
                check_length()?;
                Self::Infer(Infer::new(head, model)?)
            }
            Handler::Input => {
                let model = model()?;
                check_length()?;
                Self::Input(Input::new(head, model)?)
            }
            Handler::ModelInfer => {
                let model = model()?;
                check_length()?;
                Self::V2Infer(V2Infer::new(head, model)?)
            }
            Handler::V1Predict => {
                let model = model()?;
                check_length()?;
                Self::V1Predict(V1Predict::new(head, model)?)
            }
            Handler::Embeddings => {
                check_length()?;
                Self::Embeddings(Embeddings::new(head)?)
            }
            Handler::HuggingFace => {
                let model = model()?;
                check_length()?;
                Self::HuggingFace(HuggingFace::new(head, model, found.task.as_deref())?)
            }
            handler @ (Handler::TeiEmbed
            | Handler::TeiEmbedAll
            | Handler::TeiEmbedSparse
            | Handler::TeiPredict
            | Handler::TeiRerank
            | Handler::TeiSimilarity
            | Handler::TeiTokenize
            | Handler::TeiDecode) => {
                check_length()?;
                Self::Tei(Tei::new(head, handler)?)
            }
            Handler::Rerank => {
                check_length()?;
                Self::Rerank(Rerank::new(head)?)
            }
            Handler::DeepStack => {
                check_length()?;
                let name = found.model.as_deref();
                Self::DeepStack(DeepStack::new(head, name, models, settings)?)
            }
            Handler::TeiInfo => Self::Read(Read::TeiInfo(head.query_parameter("model")?)),
            Handler::Transcriptions => {
                check_length()?;
                Self::Transcriptions(Transcriptions::new(head)?)
            }
            Handler::RepositoryIndex => {
                check_length()?;
                Self::RepositoryIndex
            }
            Handler::V1Model => {
                let model = model()?;
                let is_versioned = found.version.is_some();
                let versions = if is_versioned {
                    vec![model]
                } else {
                    models.versions(model.name.as_str()).collect()
                };
                Self::Read(Read::V1Model(versions, is_versioned))
            }
            Handler::Model => Self::Read(Read::Model(model()?)),
            Handler::ModelReady => Self::Read(Read::ModelReady(model()?)),
            Handler::ModelConfig => Self::Read(Read::ModelConfig(model()?)),
            Handler::Server => Self::Read(Read::Server),
            Handler::ServerLive => Self::Read(Read::ServerLive),
            Handler::ServerReady => Self::Read(Read::ServerReady),
            Handler::V1Models => Self::Read(Read::V1Models),
            Handler::OpenApi => Self::Read(Read::OpenApi),
            Handler::Page => {
                let asset = page.ok_or_else(|| ApiError::internal("the router found no asset"))?;
                Self::Read(Read::Page(asset, playground::is_known(head, asset)))
            }
        })
    }
}

/// Refuse a body whose declared length is over the limit.
fn check_length(head: &Head, limits: &Limits) -> Result<(), ApiError> {
    match head.content_length()? {
        Some(length) if length > limits.max_body_bytes => Err(limits::exceeded(
            format_args!(
                "the body has more than {} bytes, got {length}",
                limits.max_body_bytes
            ),
            MAX_BODY_BYTES,
        )),
        _ => Ok(()),
    }
}
