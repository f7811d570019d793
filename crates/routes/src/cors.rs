//! CORS: which pages of other origins may read responses (the Fetch standard, "CORS protocol").
//!
//! The component adds these headers to its responses, and the host to its own errors.

/// The environment variable with the origins whose pages may send requests: `*`, or a list separated by commas.
pub const VARIABLE: &str = "INFER_CORS_ORIGINS";

/// The value of [`VARIABLE`] that is expected, for messages.
pub const EXPECTED: &str =
    "`*`, or origins such as `https://example.org:8443` without a path, separated by commas";

/// The response headers that a page may read, beside those that it always may.
const EXPOSED: &str = "Server-Timing, Inference-Header-Content-Length, X-Request-Id, Retry-After, Allow, \
                       Accept-Encoding, Content-Encoding";

/// The methods of the service's routes.
const METHODS: &str = "GET, HEAD, POST";

/// The request headers that a page may send unless it asks for others.
const REQUEST_HEADERS: &str = "Content-Type, Content-Encoding, Accept, Authorization, \
                               Inference-Header-Content-Length, X-Request-Id, traceparent, tracestate";

/// The seconds for which a browser may remember the response to a preflight; browsers allow two hours at most.
const MAX_AGE: &str = "7200";

/// The origins whose pages may send requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every origin.
    Any,
    /// These, in lower case.
    Only(Vec<String>),
}

/// A response header.
pub type Header = (&'static str, String);

impl Origins {
    /// Parse the value of the variable; `None` if it is invalid.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        if value.trim() == "*" {
            return Some(Self::Any);
        }
        let origins = value.split(',').map(|origin| {
            let origin = origin.trim();
            is_origin(origin).then(|| origin.to_ascii_lowercase())
        });
        origins.collect::<Option<_>>().map(Self::Only)
    }

    /// The headers of every response to a request with that `Origin`, also of errors.
    #[must_use]
    pub fn headers(&self, origin: Option<&str>) -> Vec<Header> {
        let mut headers = Vec::new();
        if let Some(allowed) = self.allowed(origin) {
            headers.push(("Access-Control-Allow-Origin", allowed));
            headers.push(("Access-Control-Expose-Headers", EXPOSED.to_owned()));
        }
        headers.push(("Vary", "Origin".to_owned()));
        headers
    }

    /// The headers of the response to a preflight, beside those of every response; `requested` is
    /// `Access-Control-Request-Headers`. There are none for an origin that is not allowed, which browsers refuse then.
    #[must_use]
    pub fn preflight_headers(&self, origin: Option<&str>, requested: Option<&str>) -> Vec<Header> {
        if self.allowed(origin).is_none() {
            return Vec::new();
        }
        // Clients have headers of their own, such as OpenAI's, and no header changes what a request may do.
        let is_list = |text: &str| {
            text.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b',' | b' ')
            })
        };
        let headers = requested.filter(|text| !text.is_empty() && is_list(text));
        vec![
            ("Access-Control-Allow-Methods", METHODS.to_owned()),
            (
                "Access-Control-Allow-Headers",
                headers.unwrap_or(REQUEST_HEADERS).to_owned(),
            ),
            ("Access-Control-Max-Age", MAX_AGE.to_owned()),
            ("Vary", "Access-Control-Request-Headers".to_owned()),
        ]
    }

    /// The value of `Access-Control-Allow-Origin`.
    fn allowed(&self, origin: Option<&str>) -> Option<String> {
        match self {
            Self::Any => Some("*".to_owned()),
            Self::Only(origins) => {
                let origin = origin?;
                let is_listed = origins
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(origin));
                is_listed.then(|| origin.to_owned())
            }
        }
    }
}

/// Whether a text is an origin as browsers send it: a scheme, a host and perhaps a port.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    // The colons of an IPv6 address are in brackets.
    let after_address = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority[after_address..].split_once(':') {
        Some((rest, port)) => (&authority[..after_address + rest.len()], Some(port)),
        None => (authority, None),
    };
    let is_host = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(address) => {
            address.contains(':')
                && address
                    .bytes()
                    .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
        }
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
        }
    };
    let is_port = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
    });
    is_scheme && is_host && is_port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_parsed_or_refused() {
        let only = |origins: &[&str]| {
            let origins = origins.iter().map(|origin| (*origin).to_owned());
            Some(Origins::Only(origins.collect()))
        };
        let cases = [
            ("*", Some(Origins::Any)),
            (" * ", Some(Origins::Any)),
            ("https://example.org", only(&["https://example.org"])),
            (
                "http://localhost:5173, HTTPS://Example.org ,http://[::1]:80",
                only(&[
                    "http://localhost:5173",
                    "https://example.org",
                    "http://[::1]:80",
                ]),
            ),
            ("chrome-extension://abc", only(&["chrome-extension://abc"])),
            ("http://127.0.0.1:0", only(&["http://127.0.0.1:0"])),
            ("", None),
            (",", None),
            ("https://example.org,", None),
            ("https://example.org,*", None),
            ("**", None),
            ("null", None),
            ("example.org", None),
            ("https://", None),
            ("https://:80", None),
            ("://example.org", None),
            ("1https://example.org", None),
            ("https://example.org/", None),
            ("https://example.org/page", None),
            ("https://example.org?x", None),
            ("https://*.example.org", None),
            ("https://user@example.org", None),
            ("https://example.org:", None),
            ("https://example.org:+80", None),
            ("https://example.org:65536", None),
            ("https://example.org:80:80", None),
            ("https://[::1", None),
            ("https://[example]", None),
            ("https://a b", None),
            ("https://a\nb", None),
            ("https://a;https://b", None),
        ];
        let wrong: Vec<_> = cases
            .into_iter()
            .map(|(value, expected)| (value, expected, Origins::parse(value)))
            .filter(|(_, expected, actual)| expected != actual)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn an_origin_that_is_not_listed_gets_no_permission() {
        let page = "http://page.example";
        let cases = [
            ("*", Some(page), Some("*")),
            ("*", Some("null"), Some("*")),
            ("*", None, Some("*")),
            (page, Some(page), Some(page)),
            ("http://a, http://page.example", Some(page), Some(page)),
            (page, Some("http://page.example:80"), None),
            (page, Some("https://page.example"), None),
            (page, Some("http://page.example.evil"), None),
            (page, Some("http://other"), None),
            (page, Some("null"), None),
            (page, Some(""), None),
            (page, None, None),
        ];
        let mut wrong = Vec::new();
        for (value, origin, expected) in cases {
            let origins = Origins::parse(value).unwrap();
            let headers = origins.headers(origin);
            let of = |name: &str| headers.iter().find(|(known, _)| *known == name);
            let actual = of("Access-Control-Allow-Origin").map(|(_, value)| value.as_str());
            let has_preflight = !origins.preflight_headers(origin, None).is_empty();
            let is_exposed = of("Access-Control-Expose-Headers").is_some();
            let varies = of("Vary").is_some_and(|(_, value)| value == "Origin");
            if actual != expected
                || has_preflight != expected.is_some()
                || is_exposed != expected.is_some()
                || !varies
            {
                wrong.push((value, origin, headers.clone()));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn requested_headers_are_allowed_if_they_are_names() {
        let cases = [
            (
                Some("content-type,x-stainless-os"),
                "content-type,x-stainless-os",
            ),
            (Some(""), REQUEST_HEADERS),
            (Some("a\r\nb: c"), REQUEST_HEADERS),
            (Some("\u{e9}"), REQUEST_HEADERS),
            (None, REQUEST_HEADERS),
        ];
        for (requested, expected) in cases {
            let headers = Origins::Any.preflight_headers(None, requested);
            assert_eq!(headers[1].1, expected, "{requested:?}");
        }
    }
}
