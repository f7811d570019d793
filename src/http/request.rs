//! The head of a request in this crate's own types, so that everything after the entry is tested natively.

use crate::http::error::{ApiError, quoted};

/// A request without its body.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// As sent, which is in capitals.
    pub method: String,
    /// As sent: percent-encoded, without the query.
    pub path: String,
    /// The text after the `?`, as sent; empty if there is none.
    pub query: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
}

impl Head {
    /// Make a head from its parts; `target` is the path with the query.
    #[must_use]
    pub fn new(method: &str, target: &str, headers: Vec<(String, String)>) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers
                .into_iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value))
                .collect(),
        }
    }

    /// The first header of a name, which is given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.trim())
    }

    /// Every header of a name, which is given in lower case.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.trim())
    }

    /// The declared size of the body in bytes.
    ///
    /// # Errors
    /// 400 if the header is not a number.
    pub fn content_length(&self) -> Result<Option<u64>, ApiError> {
        self.header("content-length")
            .map(|value| {
                value.parse().map_err(|_| {
                    ApiError::invalid(format!(
                        "`Content-Length` is {}, expected a number of bytes",
                        quoted(value)
                    ))
                })
            })
            .transpose()
    }

    /// The decoded value of the first query parameter of a name.
    ///
    /// # Errors
    /// 400 if the percent-encoding is broken.
    pub fn query_parameter(&self, name: &str) -> Result<Option<String>, ApiError> {
        for pair in self.query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if percent_decoded(&key.replace('+', " "))? == name {
                return percent_decoded(&value.replace('+', " ")).map(Some);
            }
        }
        Ok(None)
    }

    /// The request id that the client sent, if it is safe in a log.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        /// A UUID has 36 characters; a trace id with its span has 52.
        const MAX_LEN: usize = 64;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        self.header("x-request-id")
            .filter(|id| !id.is_empty() && id.len() <= MAX_LEN && id.bytes().all(allowed))
    }
}

/// Decode percent-encoding (RFC 3986, section 2.1).
///
/// # Errors
/// 400 if two hexadecimal digits do not follow a `%`, or if the result is not UTF-8.
pub fn percent_decoded(text: &str) -> Result<String, ApiError> {
    let broken = |problem: &str| {
        ApiError::invalid(format!(
            "the percent-encoding of {} {problem}",
            quoted(text)
        ))
    };
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let Some((digits, after)) = rest.split_at_checked(2) else {
            return Err(broken(
                "is broken: expected two hexadecimal digits after `%`",
            ));
        };
        let value = digits.iter().try_fold(0_u8, |value, digit| {
            let digit = char::from(*digit).to_digit(16)?;
            value
                .checked_mul(16)?
                .checked_add(u8::try_from(digit).ok()?)
        });
        decoded.push(
            value.ok_or_else(|| broken("is broken: expected two hexadecimal digits after `%`"))?,
        );
        rest = after;
    }
    String::from_utf8(decoded).map_err(|_| broken("is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding() {
        let cases = [
            ("digits", Some("digits")),
            ("%64igits", Some("digits")),
            ("%2e%2E", Some("..")),
            ("a%2fb", Some("a/b")),
            ("%C3%A4", Some("ä")),
            ("%", None),
            ("%2", None),
            ("%zz", None),
            ("%+1", None),
            ("%ff", None),
            ("%é", None),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .map(|(text, expected)| (text, expected, percent_decoded(text).ok()))
            .filter(|(_, expected, actual)| actual.as_deref() != **expected)
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn query_parameters() {
        let head = Head::new(
            "POST",
            "/infer?top_k=3&a+b=c%20d&outputs&top_k=9",
            Vec::new(),
        );
        assert_eq!(head.path, "/infer");
        assert_eq!(head.query_parameter("top_k").unwrap().as_deref(), Some("3"));
        assert_eq!(head.query_parameter("a b").unwrap().as_deref(), Some("c d"));
        assert_eq!(
            head.query_parameter("outputs").unwrap().as_deref(),
            Some("")
        );
        assert_eq!(head.query_parameter("none").unwrap(), None);
    }

    #[test]
    fn request_ids_unsafe_in_a_log_are_ignored() {
        let cases = [
            ("7f3a-11", true),
            ("", false),
            ("a b", false),
            ("a\nfaked line", false),
            (&"x".repeat(65), false),
        ];
        for (id, kept) in cases {
            let head = Head::new("GET", "/", vec![("X-Request-Id".to_owned(), id.to_owned())]);
            assert_eq!(head.request_id().is_some(), kept, "{id:?}");
        }
    }
}
