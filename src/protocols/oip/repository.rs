//! Triton's model repository extension: the index of models.

use std::collections::BTreeMap;

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
    unavailable: &BTreeMap<String, String>,
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
    let source = json::source(body, limits)?;
    let Object(filter): Object<Filter> = if source.trim_ascii().is_empty() {
        Object::default()
    } else {
        serde_json::from_slice(&source).map_err(json::malformed)?
    };
    let is_served = |name: &str| models.all().any(|model| model.name.as_str() == name);
    let not_served =
        unavailable
            .iter()
            .filter(|(name, _)| !is_served(name))
            .map(|(name, reason)| Entry {
                name,
                version: "",
                state: "UNAVAILABLE",
                reason: reason.clone(),
            });
    let entries: Vec<Entry> = models
        .all()
        .map(|model| {
            let (state, reason) = match readiness::check(model, backend) {
                // An older state of the model is served.
                Ok(()) => (
                    "READY",
                    unavailable
                        .get(model.name.as_str())
                        .cloned()
                        .unwrap_or_default(),
                ),
                Err(error) => ("UNAVAILABLE", error.to_string()),
            };
            Entry {
                name: model.name.as_str(),
                version: &model.card.version,
                state,
                reason,
            }
        })
        .chain(not_served)
        .filter(|entry| !filter.ready || entry.state == "READY")
        .collect();
    response(&entries)
}
