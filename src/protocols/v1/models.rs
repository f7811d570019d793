//! The list of models, and the status of one.

use serde::Serialize;

use crate::catalog::{Model, Models};
use crate::http::error::ApiError;
use crate::http::json;
use crate::http::response::Response;
use crate::protocols::openai::models::OpenAiModel;
use crate::run::nn::Backend;
use crate::run::readiness;

/// `GET /v1/models`: KServe's `models`, and OpenAI's `object` and `data`.
///
/// # Errors
/// None.
pub fn list(models: &Models) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct List<'a> {
        models: Vec<&'a str>,
        object: &'static str,
        data: Vec<OpenAiModel<'a>>,
    }
    json::response(&List {
        models: models.names().collect(),
        object: "list",
        data: models.names().map(OpenAiModel::new).collect(),
    })
}

/// `GET /v1/models/{model}`: KServe's `name` and `ready`, TensorFlow Serving's status of every version, or of the requested
/// one, and OpenAI's members of a model, which has no versions there.
///
/// # Errors
/// 503 if one of them is not ready.
pub fn status(
    models: &[&Model],
    is_versioned: bool,
    backend: &dyn Backend,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct ModelStatus<'a> {
        name: &'a str,
        ready: bool,
        model_version_status: Vec<VersionStatus<'a>>,
        #[serde(flatten)]
        openai: Option<OpenAiModel<'a>>,
    }
    #[derive(Serialize)]
    struct VersionStatus<'a> {
        version: &'a str,
        state: &'static str,
        status: Status,
    }
    #[derive(Serialize)]
    struct Status {
        error_code: &'static str,
        error_message: &'static str,
    }
    let mut statuses = Vec::new();
    for model in models {
        readiness::check(model, backend)?;
        statuses.push(VersionStatus {
            version: &model.card.version,
            state: "AVAILABLE",
            status: Status {
                error_code: "OK",
                error_message: "",
            },
        });
    }
    let name = models.first().map_or("", |model| model.name.as_str());
    json::response(&ModelStatus {
        name,
        ready: true,
        model_version_status: statuses,
        openai: (!is_versioned).then(|| OpenAiModel::new(name)),
    })
}
