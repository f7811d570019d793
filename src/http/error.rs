//! What a client is told when a request cannot be answered.

use crate::http::content_coding;
use crate::http::response::Response;

/// Why a request is refused: a kind, which becomes the status, and one sentence for the client.
///
/// The sentence says what was wrong, what was expected and what came; lower case, no full stop,
/// names in backticks. For [`ErrorKind::Internal`] it is the cause, which goes to the log only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    kind: ErrorKind,
    message: String,
}

/// The kinds of refusal, each with a status of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// 400: something about the request's content.
    Invalid,
    /// 404: no such route, model or version.
    NotFound,
    /// 405: the route has other methods.
    MethodNotAllowed {
        /// The header `Allow`.
        allow: &'static str,
    },
    /// 406: the client takes no kind of answer that there is.
    NotAcceptable,
    /// 413: a body or an image over its limit.
    TooLarge,
    /// 415: a media type that is not taken.
    UnsupportedMediaType,
    /// 415: a content coding that is not known.
    UnsupportedCoding,
    /// 500: our fault.
    Internal,
    /// 501: the backend lacks a datatype or feature.
    Unsupported,
    /// 503: not ready, or too busy.
    Unavailable,
    /// 504: the time limit passed.
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
            Self::UnsupportedMediaType | Self::UnsupportedCoding => 415,
            Self::Internal => 500,
            Self::Unsupported => 501,
            Self::Unavailable => 503,
            Self::Timeout => 504,
        }
    }
}

/// Seconds after which a client may try again what was not ready.
const RETRY_AFTER_S: &str = "1";

impl ApiError {
    /// A refusal of that kind.
    ///
    /// What follows the first 2000 bytes is left out: libraries repeat in their messages what came, and a client
    /// decides how long that is.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        /// Longer than any sentence of ours that does not list a great many models.
        const MAX_BYTES: usize = 2000;
        let mut message = message.into();
        if message.len() > MAX_BYTES {
            message.truncate(message.floor_char_boundary(MAX_BYTES));
            message.push('…');
        }
        Self { kind, message }
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

    /// What kind of refusal it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The answer: always `{"error": "…"}`. `request_id` stands in the text of a 500 in place of the
    /// cause.
    #[must_use]
    pub fn into_response(self, request_id: &str) -> Response {
        #[derive(serde::Serialize)]
        struct Body {
            error: String,
        }
        let error = if self.kind == ErrorKind::Internal {
            format!("internal error; the cause is in the log under request id {request_id}")
        } else {
            self.message
        };
        // Serializing one text into memory does not fail; an empty body would still be an answer.
        let body = serde_json::to_vec(&Body { error }).unwrap_or_default();
        let response = Response::new(self.kind.status(), "application/json", body);
        match self.kind {
            ErrorKind::MethodNotAllowed { allow } => response.with("Allow", allow),
            ErrorKind::Unavailable => response.with("Retry-After", RETRY_AFTER_S),
            ErrorKind::UnsupportedCoding => response.with("Accept-Encoding", content_coding::KNOWN),
            ErrorKind::Internal => response.with("X-Request-Id", request_id),
            _ => response,
        }
    }
}

/// A client's text as it may stand in a message: in backticks, and no longer than helps.
#[must_use]
pub fn quoted(text: &str) -> String {
    /// Enough to recognize it by.
    const MAX_CHARS: usize = 60;
    let mut shown: String = text.chars().take(MAX_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// Names as a list in a message: `` `a`, `b` and `c` ``.
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
    fn the_cause_of_a_500_stays_here() {
        let response = ApiError::internal("/home/x/secret: permission denied").into_response("7f");
        assert_eq!(response.status, 500);
        assert_eq!(
            String::from_utf8(response.body).unwrap(),
            r#"{"error":"internal error; the cause is in the log under request id 7f"}"#
        );
    }

    #[test]
    fn extra_headers() {
        let refused = ApiError::new(ErrorKind::MethodNotAllowed { allow: "POST" }, "no");
        assert_eq!(refused.into_response("1").header("allow"), Some("POST"));
        let later = ApiError::new(ErrorKind::Unavailable, "no").into_response("1");
        assert_eq!(
            (later.status, later.header("retry-after")),
            (503, Some("1"))
        );
    }

    #[test]
    fn no_client_makes_a_sentence_long() {
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
