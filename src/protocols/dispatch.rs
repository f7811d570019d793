//! From a request to an answer, a file a task.
//!
//! In two steps, because the body is read between them: [`Plan::new`] decides from the head alone
//! whether the body is worth reading, [`Plan::answer`] does the rest.

use super::infer::Infer;
use super::infer::input::Input;
use super::oip::infer::V2Infer;
use super::oip::{describe, health};
use super::openai::embeddings::Embeddings;
use super::v1::predict::V1Predict;
use crate::catalog::{Model, Models};
use crate::http::content_coding::{self, Coding};
use crate::http::error::ApiError;
use crate::http::limits::{self, MAX_BODY_BYTES};
use crate::http::negotiate::check_acceptable;
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::router::{Route, V2Model, route};
use crate::http::settings::Settings;
use crate::http::timing::{Phase, Timing};
use crate::openapi;
use crate::playground::{self, Asset};
use crate::protocols::oip::response;
use crate::run::nn::Backend;

/// What everything but tensors and the page is answered as.
const JSON: &str = "application/json";

/// What the head of a request says is to be done.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    task: Task<'a>,
    models: &'a Models,
    settings: &'a Settings,
    request_codings: Vec<Coding>,
    answer_coding: Option<Coding>,
}

#[derive(Clone, Debug)]
enum Task<'a> {
    Infer(Infer<'a>),
    Input(Input<'a>),
    V2Infer(V2Infer<'a>),
    V1Predict(V1Predict<'a>),
    Embeddings(Embeddings),
    RepositoryIndex,
    Read(Read<'a>),
}

/// What has no body.
#[derive(Clone, Debug)]
enum Read<'a> {
    ServerMetadata,
    ServerLive,
    ServerReady,
    ModelMetadata(&'a Model),
    ModelReady(&'a Model),
    ModelConfig(&'a Model),
    V1Models,
    V1Model(Vec<&'a Model>),
    OpenApi,
    /// The asset, and whether the client has it already.
    Asset(&'static Asset, bool),
}

impl<'a> Plan<'a> {
    /// Decide from the head.
    ///
    /// # Errors
    /// 404 and 405 for the route, 404 for the model, 413 for the declared length, 415 and 406 for
    /// the media types and codings, 400 for the query.
    pub fn new(head: &Head, models: &'a Models, settings: &'a Settings) -> Result<Self, ApiError> {
        let found = route(head, settings.playground)?;
        // Whose body is larger than any may be is told so before anything about its kind, but not
        // before it is said that there is nothing to send it to.
        let within_limit = || match head.content_length()? {
            Some(length) if length > settings.limits.max_body_bytes => Err(limits::exceeded(
                format_args!(
                    "the body has more than {} bytes, came {length}",
                    settings.limits.max_body_bytes
                ),
                MAX_BODY_BYTES,
            )),
            _ => Ok(()),
        };
        let task = match found {
            Route::Infer { model } => {
                let model = match model {
                    Some(name) => models.get(&name)?,
                    None => models.default(settings)?,
                };
                within_limit()?;
                Task::Infer(Infer::new(head, model)?)
            }
            Route::Input { model } => {
                let model = models.get(&model)?;
                within_limit()?;
                Task::Input(Input::new(head, model)?)
            }
            Route::V2Model {
                model,
                version,
                what,
            } => {
                let model = models.get_version(&model, version.as_deref())?;
                match what {
                    V2Model::Metadata => Task::Read(Read::ModelMetadata(model)),
                    V2Model::Ready => Task::Read(Read::ModelReady(model)),
                    V2Model::Config => Task::Read(Read::ModelConfig(model)),
                    V2Model::Infer => {
                        within_limit()?;
                        Task::V2Infer(V2Infer::new(head, model)?)
                    }
                }
            }
            Route::V1Predict { model, version } => {
                let model = models.get_version(&model, version.as_deref())?;
                within_limit()?;
                Task::V1Predict(V1Predict::new(head, model)?)
            }
            Route::V1Model { model, version } => {
                let asked = models.get_version(&model, version.as_deref())?;
                Task::Read(Read::V1Model(match version {
                    Some(_) => vec![asked],
                    None => models.versions(asked.name.as_str()).collect(),
                }))
            }
            Route::Embeddings => {
                within_limit()?;
                Task::Embeddings(Embeddings::new(head)?)
            }
            Route::RepositoryIndex => {
                within_limit()?;
                Task::RepositoryIndex
            }
            Route::ServerMetadata => Task::Read(Read::ServerMetadata),
            Route::ServerLive => Task::Read(Read::ServerLive),
            Route::ServerReady => Task::Read(Read::ServerReady),
            Route::V1Models => Task::Read(Read::V1Models),
            Route::OpenApi => Task::Read(Read::OpenApi),
            Route::Asset(asset) => {
                Task::Read(Read::Asset(asset, playground::is_known(head, asset)))
            }
        };
        match task {
            Task::Read(Read::Asset(asset, _)) => check_acceptable(head, asset.media_type)?,
            Task::Read(_) | Task::RepositoryIndex => check_acceptable(head, JSON)?,
            _ => {}
        }
        let request_codings = match task {
            Task::Read(_) => Vec::new(),
            _ => content_coding::of_request(head)?,
        };
        Ok(Self {
            task,
            models,
            settings,
            request_codings,
            answer_coding: content_coding::of_answer(head),
        })
    }

    /// Whether the request's body means anything, and must be read.
    #[must_use]
    pub fn takes_body(&self) -> bool {
        !matches!(self.task, Task::Read(_))
    }

    /// Answer; `timing` gets the phases that ran. The body is as it came, empty where it means nothing.
    ///
    /// # Errors
    /// 400 and 413 for the body, 503 for a model that is not ready, and what the backend refuses.
    pub fn answer(
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
        let response = match &self.task {
            Task::Infer(task) => task.answer(body, limits, backend, timing)?,
            Task::Input(task) => task.answer(body, limits, timing)?,
            Task::V2Infer(task) => task.answer(body, limits, backend, timing)?,
            Task::V1Predict(task) => task.answer(&body, limits, backend, timing)?,
            Task::Embeddings(task) => {
                task.answer(&body, self.models, self.settings, backend, timing)?
            }
            Task::RepositoryIndex => {
                describe::repository_index(&body, limits, self.models, backend)?
            }
            Task::Read(what) => self.read(what, backend)?,
        };
        let bytes = response.body.len();
        if self.takes_body() && bytes as u64 > limits.max_response_bytes {
            return Err(response::too_large(limits));
        }
        Ok(match self.answer_coding {
            Some(coding) if self.takes_body() => {
                timing.measure(Phase::Encode, || content_coding::encoded(response, coding))
            }
            Some(coding) => content_coding::encoded(response, coding),
            None => response,
        })
    }

    fn read(&self, what: &Read, backend: &dyn Backend) -> Result<Response, ApiError> {
        match what {
            Read::ServerMetadata => describe::server(),
            Read::ServerLive => health::live(),
            Read::ServerReady => health::server_ready(self.models, backend),
            Read::ModelMetadata(model) => describe::model(model, self.models),
            Read::ModelReady(model) => health::model_ready(model, backend),
            Read::ModelConfig(model) => describe::config(model, self.settings),
            Read::V1Models => describe::v1_models(self.models),
            Read::V1Model(models) => describe::v1_model(models, backend),
            Read::OpenApi => response::json(&openapi::document(self.models, self.settings)),
            Read::Asset(asset, is_known) => Ok(playground::answer(asset, *is_known)),
        }
    }
}
