//! Triton's model repository extension: the index of models.

use serde::{Deserialize, Serialize};

use crate::catalog::Models;
use crate::http::error::ApiError;
use crate::http::json::response;
use crate::http::limits::Limits;
use crate::http::response::Response;
use crate::run::nn::Backend;
use crate::run::readiness;
use crate::tensor::json::{self, object::Object};

/// `POST /v2/repository/index`. The body is empty, or an object; `{"ready": true}` selects the models that are ready.
///
/// # Errors
/// 400 for every other body.
pub fn index(
    body: &[u8],
    limits: &Limits,
    models: &Models,
    backend: &dyn Backend,
) -> Result<Response, ApiError> {
    #[derive(Default, Deserialize)]
    struct Filter {
        #[serde(default)]
        ready: bool,
    }
    #[derive(Serialize)]
    struct Entry<'a> {
        name: &'a str,
        version: &'a str,
        state: &'static str,
        reason: String,
    }
    let Object(filter): Object<Filter> = if body.trim_ascii().is_empty() {
        Object::default()
    } else {
        json::check(body, limits)?;
        serde_json::from_slice(body).map_err(json::malformed)?
    };
    let entries: Vec<Entry> = models
        .all()
        .map(|model| {
            let (state, reason) = match readiness::check(model, backend) {
                Ok(()) => ("READY", String::new()),
                Err(error) => ("UNAVAILABLE", error.to_string()),
            };
            Entry {
                name: model.name.as_str(),
                version: &model.card.version,
                state,
                reason,
            }
        })
        .filter(|entry| !filter.ready || entry.state == "READY")
        .collect();
    response(&entries)
}
