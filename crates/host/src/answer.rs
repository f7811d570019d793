//! What the host itself answers: JSON with one sentence, as the component's errors are.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use wasmtime_wasi_http::Error;

/// An answer's body, the guest's or the host's.
pub type Body = UnsyncBoxBody<Bytes, Error>;

/// How long an overloaded server asks clients to wait.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// An error answer: `{"error": "<sentence>"}`.
#[must_use]
pub fn error(status: StatusCode, sentence: &str) -> Response<Body> {
    let body = serde_json::json!({ "error": sentence }).to_string();
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    response
}

/// The answer to a failure of the component's or the host's; the log has the cause under `id`.
#[must_use]
pub fn internal_error(id: &str) -> Response<Body> {
    error(
        StatusCode::INTERNAL_SERVER_ERROR,
        &format!(
            "internal error, nothing that the request could change; the log has it as request {id}"
        ),
    )
}
