//! Liveness and readiness.

use serde::Serialize;

use crate::catalog::{Model, Models};
use crate::http::error::ApiError;
use crate::http::json;
use crate::http::response::Response;
use crate::run::nn::Backend;
use crate::run::readiness;

/// `GET /v2/health/live`
///
/// # Errors
/// None.
pub fn live() -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Live {
        live: bool,
    }
    json::response(&Live { live: true })
}

/// `GET /v2/health/ready`: whether every model is ready.
///
/// # Errors
/// 503, with the first model that is not.
pub fn server_ready(models: &Models, backend: &dyn Backend) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Ready {
        ready: bool,
    }
    for model in models.all() {
        readiness::check(model, backend)?;
    }
    json::response(&Ready { ready: true })
}

/// `GET /v2/models/{model}/ready`
///
/// # Errors
/// 503 if it is not.
pub fn model_ready(model: &Model, backend: &dyn Backend) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Ready<'a> {
        name: &'a str,
        ready: bool,
    }
    readiness::check(model, backend)?;
    json::response(&Ready {
        name: model.name.as_str(),
        ready: true,
    })
}
