//! The host's own responses: JSON with one sentence, like the component's errors.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use wasmtime_wasi_http::Error;

/// A response body, the guest's or the host's.
pub type Body = UnsyncBoxBody<Bytes, Error>;

/// `Retry-After` of an overloaded server.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// An error response: `{"error": "<sentence>"}`.
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

/// The response to a failure of the component or the host. The log has the cause under `id`.
#[must_use]
pub fn internal_error(id: &str) -> Response<Body> {
    error(
        StatusCode::INTERNAL_SERVER_ERROR,
        &format!(
            "internal error, not caused by the request; the server's log has the details under request id {id}"
        ),
    )
}
