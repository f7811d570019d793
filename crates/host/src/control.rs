//! Loading and unloading models at a client's request: Triton's model control (extension_model_repository.md).
//!
//! The host only routes the calls. What loads a model is the caller's [`Controller`].

use std::sync::Arc;

use async_trait::async_trait;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use crate::app::App;
use crate::response::{Body, error};

/// The longest body of a call, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

const PREFIX: &str = "/v2/repository/models/";

/// The controller of models, and the addresses that take calls.
#[derive(Clone)]
pub struct Control {
    /// Loads and unloads models.
    pub controller: Arc<dyn Controller>,
    /// Whether the service's address takes the calls too, and not only the admin address.
    pub is_public: bool,
}

/// Loads and unloads models.
#[async_trait]
pub trait Controller: Send + Sync {
    /// Serve a model as its files are now.
    ///
    /// # Errors
    /// When there is no such model, or it cannot be served.
    async fn load(&self, model: &str) -> Result<(), ControlError>;

    /// Stop serving a model.
    ///
    /// # Errors
    /// When it is not served, or is the last one.
    async fn unload(&self, model: &str) -> Result<(), ControlError>;
}

/// A model that was not loaded or unloaded. Its message is for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ControlError(pub String);

/// A call of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    model: String,
    is_load: bool,
}

/// A request whose method is not that of its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongMethod;

impl Call {
    /// The call of a path; `None` if the path is none of a call's.
    pub(crate) fn of(method: &Method, path: &str) -> Option<Result<Self, WrongMethod>> {
        let (model, action) = path.strip_prefix(PREFIX)?.split_once('/')?;
        let is_load = match action {
            "load" => true,
            "unload" => false,
            _ => return None,
        };
        Some(match *method {
            Method::POST => Ok(Self {
                model: model.to_owned(),
                is_load,
            }),
            _ => Err(WrongMethod),
        })
    }
}

/// Answer a call. As in Triton, success has no body, and any failure is 400 with the reason.
pub(crate) async fn answer(
    call: Result<(Call, Arc<App>), WrongMethod>,
    request: Request<Incoming>,
) -> Response<Body> {
    let Ok((call, app)) = call else {
        let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "expected POST");
        let headers = response.headers_mut();
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    };
    let Some(control) = &app.control else {
        return error(StatusCode::NOT_FOUND, "this service loads no models");
    };
    let body = Limited::new(request.into_body(), MAX_BODY_BYTES).collect();
    let Ok(body) = body.await else {
        let sentence = format!("expected a body of at most {MAX_BODY_BYTES} bytes");
        return error(StatusCode::PAYLOAD_TOO_LARGE, &sentence);
    };
    if let Err(sentence) = check_parameters(&body.to_bytes()) {
        return error(StatusCode::BAD_REQUEST, &sentence);
    }
    let done = match call.is_load {
        true => control.controller.load(&call.model).await,
        false => control.controller.unload(&call.model).await,
    };
    match done {
        Ok(()) => Response::default(),
        Err(failed) => error(StatusCode::BAD_REQUEST, &failed.0),
    }
}

/// Refuse parameters that would change what is loaded.
fn check_parameters(body: &[u8]) -> Result<(), String> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    let body: serde_json::Value =
        serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body))
            .map_err(|error| format!("the body is not JSON: {error}"))?;
    let parameters = match body.get("parameters") {
        None => return Ok(()),
        Some(parameters) => parameters
            .as_object()
            .ok_or("`parameters` is not an object")?,
    };
    match parameters.keys().find(|key| *key != "unload_dependents") {
        None => Ok(()),
        Some(key) => Err(format!(
            "parameter `{key}` is not supported: a model is loaded as its files in the repository are"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_posts_to_a_models_path() {
        let call = |model: &str, is_load| {
            Some(Ok(Call {
                model: model.to_owned(),
                is_load,
            }))
        };
        let rows = [
            (
                Method::POST,
                "/v2/repository/models/m/load",
                call("m", true),
            ),
            (
                Method::POST,
                "/v2/repository/models/m/unload",
                call("m", false),
            ),
            (
                Method::GET,
                "/v2/repository/models/m/load",
                Some(Err(WrongMethod)),
            ),
            (Method::POST, "/v2/repository/models/m", None),
            (Method::POST, "/v2/repository/models/m/reload", None),
            (Method::POST, "/v2/repository/models/m/1/load", None),
            (Method::POST, "/v2/repository/index", None),
        ];
        for (method, path, expected) in rows {
            assert_eq!(Call::of(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn parameters_that_change_a_model_are_refused() {
        let rows = [
            ("", true),
            (" \n", true),
            ("{}", true),
            (r#"{"parameters": {"unload_dependents": true}}"#, true),
            (r#"{"parameters": {"config": "{}"}}"#, false),
            (r#"{"parameters": {"file:1/model.onnx": "…"}}"#, false),
            (r#"{"parameters": []}"#, false),
            ("no JSON", false),
        ];
        for (body, expected) in rows {
            let checked = check_parameters(body.as_bytes());
            assert_eq!(checked.is_ok(), expected, "{body}: {checked:?}");
        }
    }
}
