//! The list of models, and the status of one.

use serde::Serialize;

use crate::catalog::{Model, Models};
use crate::http::error::ApiError;
use crate::http::json;
use crate::http::response::Response;
use crate::run::nn::Backend;
use crate::run::readiness;

/// `GET /v1/models`
///
/// # Errors
/// None.
pub fn list(models: &Models) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct List<'a> {
        models: Vec<&'a str>,
    }
    json::response(&List {
        models: models.names().collect(),
    })
}

/// `GET /v1/models/{model}`: KServe's `name` and `ready`, and TensorFlow Serving's status of every version, or of the
/// requested one.
///
/// # Errors
/// 503 if one of them is not ready.
pub fn status(models: &[&Model], backend: &dyn Backend) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct ModelStatus<'a> {
        name: &'a str,
        ready: bool,
        model_version_status: Vec<VersionStatus<'a>>,
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
    json::response(&ModelStatus {
        name: models.first().map_or("", |model| model.name.as_str()),
        ready: true,
        model_version_status: statuses,
    })
}
