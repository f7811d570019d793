//! Errors of a request, and the responses that report them.

use infer_routes::ErrorForm;

use crate::http::response::Response;

/// An error of a request: a kind, which decides the status, and one sentence for the client.
///
/// The sentence says what is wrong, what was expected and what to do; lower case, no full stop, names in backticks.
/// For [`ErrorKind::Internal`] it is the cause, which only the log gets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    kind: ErrorKind,
    message: String,
    /// The client's part of an internal error.
    public: Option<String>,
    /// The member of the request that is wrong, for OpenAI's form.
    param: Option<&'static str>,
    /// What is wrong in one word, for OpenAI's form.
    code: Option<&'static str>,
}

/// The kinds of errors; each has one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// 400: the request's content is wrong.
    Invalid,
    /// 404: the route, model or version does not exist.
    NotFound,
    /// 405: the route does not allow the method.
    MethodNotAllowed {
        /// The header `Allow`.
        allow: &'static str,
    },
    /// 406: the client accepts none of the possible responses.
    NotAcceptable,
    /// 413: a body, an image, a sound or a response is over its limit.
    TooLarge,
    /// 415: the media type is unsupported.
    UnsupportedMediaType,
    /// 415: the content coding is unsupported.
    UnsupportedCoding {
        /// The header `Accept-Encoding`.
        accept: &'static str,
    },
    /// 422: the request's members have the wrong types, in Text Embeddings Inference.
    Unprocessable,
    /// 424: the model cannot do it, in Text Embeddings Inference.
    FailedDependency,
    /// 500: a fault of the service.
    Internal,
    /// 501: the backend lacks a datatype or feature.
    Unsupported,
    /// 503: the model is not ready.
    Unavailable,
    /// 504: the inference timed out.
    Timeout,
}

impl ErrorKind {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::NotFound => 404,
            Self::MethodNotAllowed { .. } => 405,
            Self::NotAcceptable => 406,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType | Self::UnsupportedCoding { .. } => 415,
            Self::Unprocessable => 422,
            Self::FailedDependency => 424,
            Self::Internal => 500,
            Self::Unsupported => 501,
            Self::Unavailable => 503,
            Self::Timeout => 504,
        }
    }
}

/// Seconds after which a client may retry when a model is not ready.
const RETRY_AFTER_S: &str = "1";

impl ApiError {
    /// An error of that kind.
    ///
    /// The message is cut at 2000 bytes: libraries quote the request in their messages, and the client decides how long
    /// that is.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        /// Longer than every message of this crate, unless it lists hundreds of models.
        const MAX_BYTES: usize = 2000;
        let mut message = message.into();
        if message.len() > MAX_BYTES {
            message.truncate(message.floor_char_boundary(MAX_BYTES));
            message.push('…');
        }
        Self {
            kind,
            message,
            public: None,
            param: None,
            code: None,
        }
    }

    /// Name the member of the request that is wrong.
    #[must_use]
    pub fn of_param(mut self, param: &'static str) -> Self {
        self.param = Some(param);
        self
    }

    /// Add OpenAI's code of the error.
    #[must_use]
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// 400.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// 413.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::TooLarge, message)
    }

    /// 415.
    pub fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::UnsupportedMediaType, message)
    }

    /// 500, with the cause for the log.
    pub fn internal(cause: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, cause)
    }

    /// 500, with a sentence for the client, and the cause for the log.
    pub fn internal_because(public: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        let public = public.into();
        Self {
            public: Some(public.clone()),
            ..Self::new(ErrorKind::Internal, format!("{public}: {cause}"))
        }
    }

    /// What is wrong in one word, if the error has a code.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        self.code
    }

    /// The same error of another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The response, in the form of the requested route. The text of a 500 has `request_id` in place of the cause.
    #[must_use]
    pub fn into_response(self, request_id: &str, form: ErrorForm) -> Response {
        let message = if self.kind == ErrorKind::Internal {
            let public = self.public.as_deref().unwrap_or("internal error");
            format!("{public}; the cause is in the log under request id {request_id}")
        } else {
            self.message
        };
        let status = self.kind.status();
        let body = match form {
            ErrorForm::Sentence => Body::Sentence { error: message },
            ErrorForm::OpenAi => Body::OpenAi {
                error: OpenAiError {
                    message,
                    kind: ErrorForm::openai_type(status),
                    param: self.param,
                    code: self.code,
                },
            },
            ErrorForm::Tei => Body::Tei {
                error: message,
                error_type: match self.code {
                    Some(EMPTY) => EMPTY,
                    _ => ErrorForm::tei_type(status),
                },
            },
            ErrorForm::Cohere => Body::Cohere { message },
            ErrorForm::DeepStack => Body::DeepStack {
                success: false,
                error: message,
            },
        };
        // Serializing strings into memory does not fail; an empty body would still be a valid response.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let response = Response::new(status, "application/json", body);
        match self.kind {
            ErrorKind::MethodNotAllowed { allow } => response.with("Allow", allow),
            ErrorKind::Unavailable => response.with("Retry-After", RETRY_AFTER_S),
            ErrorKind::UnsupportedCoding { accept } => response.with("Accept-Encoding", accept),
            ErrorKind::Internal => response.with("X-Request-Id", request_id),
            _ => response,
        }
    }
}

/// The code of an error whose cause is a request without texts, which is a type of Text Embeddings Inference.
pub const EMPTY: &str = "Empty";

/// The forms of [`ErrorForm`].
#[derive(serde::Serialize)]
#[serde(untagged)]
enum Body {
    Sentence {
        error: String,
    },
    OpenAi {
        error: OpenAiError,
    },
    Tei {
        error: String,
        error_type: &'static str,
    },
    Cohere {
        message: String,
    },
    DeepStack {
        success: bool,
        error: String,
    },
}

#[derive(serde::Serialize)]
struct OpenAiError {
    message: String,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'static str>,
    code: Option<&'static str>,
}

/// Quote a client's text for a message: in backticks, cut at 60 characters.
#[must_use]
pub fn quoted(text: &str) -> String {
    /// Enough to recognize the text.
    const MAX_CHARS: usize = 60;
    let mut shown: String = text.chars().take(MAX_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// List names for a message: `` `a`, `b` and `c` ``.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>, conjunction: &str) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {conjunction} {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_of_a_500_hides_its_cause() {
        let response = ApiError::internal("/home/x/secret: permission denied")
            .into_response("7f", ErrorForm::Sentence);
        assert_eq!(response.status, 500);
        assert_eq!(
            String::from_utf8(response.body).unwrap(),
            r#"{"error":"internal error; the cause is in the log under request id 7f"}"#
        );
    }

    #[test]
    fn the_response_of_a_500_may_say_what_failed() {
        let error = ApiError::internal_because("model `x` is unreadable", "/secret: denied");
        assert_eq!(
            error.to_string(),
            "model `x` is unreadable: /secret: denied"
        );
        let body = String::from_utf8(error.into_response("7f", ErrorForm::Sentence).body).unwrap();
        let expected =
            r#"{"error":"model `x` is unreadable; the cause is in the log under request id 7f"}"#;
        assert_eq!(body, expected);
    }

    #[test]
    fn openais_form_has_the_type_the_parameter_and_the_code() {
        let invalid = ErrorKind::Invalid;
        let cases = [
            (
                ApiError::new(invalid, "no").of_param("input"),
                r#"{"error":{"message":"no","type":"invalid_request_error","param":"input","code":null}}"#,
            ),
            (
                ApiError::not_found("no")
                    .of_param("model")
                    .with_code("model_not_found"),
                r#"{"error":{"message":"no","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#,
            ),
            (
                ApiError::too_large("no"),
                r#"{"error":{"message":"no","type":"invalid_request_error","param":null,"code":null}}"#,
            ),
            (
                ApiError::internal("/secret"),
                r#"{"error":{"message":"internal error; the cause is in the log under request id 7f","type":"server_error","param":null,"code":null}}"#,
            ),
            (
                ApiError::new(ErrorKind::Unavailable, "no"),
                r#"{"error":{"message":"no","type":"server_error","param":null,"code":null}}"#,
            ),
        ];
        let mut wrong = Vec::new();
        for (error, expected) in cases {
            let response = error.into_response("7f", ErrorForm::OpenAi);
            let actual = String::from_utf8(response.body).unwrap();
            if actual != expected {
                wrong.push(format!("{actual}, expected {expected}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn every_other_form_has_the_sentence() {
        let (tei, cohere) = (ErrorForm::Tei, ErrorForm::Cohere);
        let failed = ApiError::new(ErrorKind::FailedDependency, "no");
        let cases = [
            (
                ApiError::invalid("no"),
                tei,
                400,
                r#"{"error":"no","error_type":"Validation"}"#,
            ),
            (
                ApiError::invalid("no").with_code(EMPTY),
                tei,
                400,
                r#"{"error":"no","error_type":"Empty"}"#,
            ),
            (
                ApiError::invalid("no").with_kind(ErrorKind::Unprocessable),
                tei,
                422,
                r#"{"error":"no","error_type":"Validation"}"#,
            ),
            (failed, tei, 424, r#"{"error":"no","error_type":"Backend"}"#),
            (
                ApiError::not_found("no"),
                cohere,
                404,
                r#"{"message":"no"}"#,
            ),
            (
                ApiError::too_large("no"),
                ErrorForm::DeepStack,
                413,
                r#"{"success":false,"error":"no"}"#,
            ),
        ];
        for (error, form, status, expected) in cases {
            let response = error.into_response("7f", form);
            let body = String::from_utf8(response.body).unwrap();
            assert_eq!((response.status, body.as_str()), (status, expected));
        }
    }

    #[test]
    fn statuses_have_their_headers() {
        let refused = ApiError::new(ErrorKind::MethodNotAllowed { allow: "POST" }, "no");
        assert_eq!(
            refused
                .into_response("1", ErrorForm::Sentence)
                .header("allow"),
            Some("POST")
        );
        let later =
            ApiError::new(ErrorKind::Unavailable, "no").into_response("1", ErrorForm::Sentence);
        assert_eq!(
            (later.status, later.header("retry-after")),
            (503, Some("1"))
        );
    }

    #[test]
    fn long_messages_are_cut() {
        let short = "x".repeat(2000);
        assert_eq!(ApiError::invalid(short.clone()).to_string(), short);
        let long = format!("x{}", "ä".repeat(1_000_000));
        let expected = format!("x{}…", "ä".repeat(999));
        assert_eq!(ApiError::invalid(long).to_string(), expected);
    }

    #[test]
    fn lists_and_quotes() {
        assert_eq!(listed([], "and"), "none");
        assert_eq!(listed(["a"], "and"), "`a`");
        assert_eq!(listed(["a", "b", "c"], "or"), "`a`, `b` or `c`");
        assert_eq!(quoted("a"), "`a`");
        assert_eq!(quoted(&"ä".repeat(61)), format!("`{}…`", "ä".repeat(60)));
    }
}
