//! The host's own responses: JSON with one sentence, like the component's errors.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HeaderValue, ORIGIN, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use infer_routes::ErrorForm;
use infer_routes::cors::Origins;
use wasmtime_wasi_http::Error;

/// A response body, the guest's or the host's.
pub type Body = UnsyncBoxBody<Bytes, Error>;

/// `Retry-After` of an overloaded server.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// An error response: `{"error": "<sentence>"}`.
#[must_use]
pub fn error(status: StatusCode, sentence: &str) -> Response<Body> {
    let mut response = Response::new(json(&serde_json::json!({ "error": sentence })));
    response
        .extensions_mut()
        .insert(Sentence(sentence.to_owned()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    response
}

/// The sentence of a response that [`error`] made.
#[derive(Clone)]
struct Sentence(String);

/// The parts of a request that decide the form of an error of the host.
pub(crate) struct Asked {
    form: ErrorForm,
    origin: Option<HeaderValue>,
}

impl Asked {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        Self {
            form: ErrorForm::of(request.uri().path()),
            origin: request.headers().get(ORIGIN).cloned(),
        }
    }
}

/// Give an error of the host the form of the route that was requested, and let the pages read it that `origins`, the
/// component's setting, allows. The component's responses stay as they are.
pub(crate) fn for_request(
    mut response: Response<Body>,
    asked: &Asked,
    origins: Option<&String>,
) -> Response<Body> {
    let Some(Sentence(sentence)) = response.extensions_mut().remove::<Sentence>() else {
        return response;
    };
    if let Some(origins) = origins.and_then(|value| Origins::parse(value)) {
        let origin = asked
            .origin
            .as_ref()
            .and_then(|origin| origin.to_str().ok());
        for (name, value) in origins.headers(origin) {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().append(name, value);
            }
        }
    }
    let status = response.status().as_u16();
    let body = match asked.form {
        ErrorForm::Sentence => return response,
        ErrorForm::OpenAi => serde_json::json!({ "error": {
            "message": sentence,
            "type": ErrorForm::openai_type(status),
            "param": null,
            "code": null,
        } }),
        ErrorForm::Tei => {
            serde_json::json!({ "error": sentence, "error_type": ErrorForm::tei_type(status) })
        }
        ErrorForm::Cohere => serde_json::json!({ "message": sentence }),
        ErrorForm::DeepStack => serde_json::json!({ "success": false, "error": sentence }),
    };
    *response.body_mut() = json(&body);
    response
}

fn json(value: &serde_json::Value) -> Body {
    let body = Full::new(Bytes::from(value.to_string())).map_err(|never| match never {});
    body.boxed_unsync()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_host_have_the_form_of_the_route() {
        let openai = |kind: &str| {
            format!(r#"{{"error":{{"code":null,"message":"no","param":null,"type":"{kind}"}}}}"#)
        };
        let sentence = r#"{"error":"no"}"#.to_owned();
        let busy = StatusCode::SERVICE_UNAVAILABLE;
        let cases = [
            ("/infer", busy, sentence.clone()),
            ("/v1/models/m:predict", busy, sentence),
            ("/v1/embeddings", busy, openai("server_error")),
            (
                "/embed",
                busy,
                r#"{"error":"no","error_type":"Unhealthy"}"#.to_owned(),
            ),
            ("/v2/rerank", busy, r#"{"message":"no"}"#.to_owned()),
            (
                "/v1/vision/detection",
                busy,
                r#"{"error":"no","success":false}"#.to_owned(),
            ),
            (
                "/v1/models",
                StatusCode::REQUEST_TIMEOUT,
                openai("invalid_request_error"),
            ),
        ];
        let wrong: Vec<_> = cases
            .into_iter()
            .filter_map(|(path, status, expected)| {
                let request = Request::get(path)
                    .header(ORIGIN, "http://page.example")
                    .body(());
                let asked = Asked::of(&request.unwrap());
                let origins = "http://page.example".to_owned();
                let response = for_request(error(status, "no"), &asked, Some(&origins));
                let allowed = response.headers().get("access-control-allow-origin");
                assert_eq!(allowed, asked.origin.as_ref(), "{path}");
                let closed = for_request(error(status, "no"), &asked, None);
                assert!(!closed.headers().contains_key("access-control-allow-origin"));
                let has_retry = response.headers().contains_key(RETRY_AFTER);
                assert_eq!(has_retry, status == busy, "{path}");
                let body = body_text(response);
                (body != expected).then(|| format!("{path}: {body}, expected {expected}"))
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn body_text(response: Response<Body>) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let collected = runtime.unwrap().block_on(response.into_body().collect());
        String::from_utf8(collected.unwrap().to_bytes().to_vec()).unwrap()
    }
}
