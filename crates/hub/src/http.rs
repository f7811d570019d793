//! Requests over HTTP: redirects followed by hand, so that the token stays with the endpoint, and errors with words of
//! their own.

use std::io::{self, ErrorKind, Read};
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{HeaderMap, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, BodyReader, Proxy, Timeout};
use url::Url;

use crate::request_error::{RequestError, Subject, host, is_same_origin, shown, text};
use crate::settings::{Settings, SettingsError, Token};

/// Redirects of one request. The hub redirects a renamed repository, then a file to its storage.
const MAX_REDIRECTS: usize = 10;
const USER_AGENT: &str = concat!("infer/", env!("CARGO_PKG_VERSION"));

/// The client for one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    agent: Agent,
    endpoint: Url,
    token: Option<Token>,
    connect_timeout: Duration,
    idle_timeout: Duration,
}

/// The bytes that a request asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Range {
    /// The first byte.
    pub(crate) first: u64,
    /// The last byte; without it, all up to the end.
    pub(crate) last: Option<u64>,
    /// The strong ETag that the file must still have, else the server sends the whole file.
    pub(crate) validator: Option<String>,
}

/// The head of a successful response, and its body.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The address of the response, after the redirects.
    pub(crate) url: Url,
    body: BodyReader<'static>,
    connect_timeout: Duration,
    idle_timeout: Duration,
}

impl Client {
    pub(crate) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let config = Agent::config_builder()
            .tls_config(
                TlsConfig::builder()
                    .root_certs(root_certificates()?)
                    .build(),
            )
            .proxy(settings.proxy.then(Proxy::try_from_env).flatten())
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(USER_AGENT)
            // A compressed body has no ranges, and another length than the listed one.
            .accept_encoding("identity")
            .timeout_resolve(Some(settings.connect_timeout))
            .timeout_connect(Some(settings.connect_timeout))
            .timeout_send_request(Some(settings.idle_timeout))
            .timeout_recv_response(Some(settings.idle_timeout))
            .timeout_per_read(Some(settings.idle_timeout))
            .build();
        Ok(Self {
            agent: config.into(),
            endpoint: settings.endpoint.clone(),
            token: settings.token.clone(),
            connect_timeout: settings.connect_timeout,
            idle_timeout: settings.idle_timeout,
        })
    }

    /// Returns the subject of requests about a repository.
    pub(crate) fn subject<'a>(
        &'a self,
        repository: &'a str,
        revision: &'a str,
        path: Option<&'a str>,
    ) -> Subject<'a> {
        Subject {
            endpoint: &self.endpoint,
            repository,
            revision,
            path,
            with_token: self.token.is_some(),
        }
    }

    /// Returns the address of a path below the endpoint. The path is escaped already.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.endpoint.clone();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        url.set_path(&format!(
            "{}{path}",
            self.endpoint.path().trim_end_matches('/')
        ));
        url.set_query((!query.is_empty()).then_some(query));
        url
    }

    /// Returns whether an address belongs to the endpoint.
    pub(crate) fn is_endpoint(&self, url: &Url) -> bool {
        is_same_origin(url, &self.endpoint)
    }

    /// Request an address, and follow its redirects to a response with status 200 or 206, or 416 for a range.
    pub(crate) fn get(
        &self,
        start: &Url,
        range: Option<&Range>,
        subject: &Subject<'_>,
    ) -> Result<Response, RequestError> {
        let mut url = start.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(&url, range)?;
            match response.status.as_u16() {
                200 | 206 => return Ok(response),
                416 if range.is_some() => return Ok(response),
                301 | 302 | 303 | 307 | 308 => url = target(&url, &response.headers)?,
                _ => return Err(subject.error(&url, response.status, &response.headers)),
            }
        }
        Err(RequestError::Redirects {
            url: shown(start),
            limit: MAX_REDIRECTS,
        })
    }

    /// Send one request, with the token if the address belongs to the endpoint.
    fn send(&self, url: &Url, range: Option<&Range>) -> Result<Response, RequestError> {
        let mut request = self.agent.get(url.as_str());
        if let Some(token) = self.token.as_ref().filter(|_| self.is_endpoint(url)) {
            request = request.header("authorization", token.authorization());
        }
        if let Some(range) = range {
            let last = range.last.map(|last| last.to_string()).unwrap_or_default();
            request = request.header("range", format!("bytes={}-{last}", range.first));
            if let Some(validator) = &range.validator {
                request = request.header("if-range", validator);
            }
        }
        let response = request
            .call()
            .map_err(|error| convert(error, url, self.connect_timeout, self.idle_timeout))?;
        let (head, body) = response.into_parts();
        Ok(Response {
            status: head.status,
            headers: head.headers,
            url: url.clone(),
            body: body.into_reader(),
            connect_timeout: self.connect_timeout,
            idle_timeout: self.idle_timeout,
        })
    }
}

impl Response {
    /// Returns a header's value if it is visible ASCII.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        text(&self.headers, name)
    }

    /// Returns the length that the server announces for this body, in bytes.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// Returns the first byte and the file's size in `Content-Range: bytes FIRST-LAST/SIZE`.
    pub(crate) fn content_range(&self) -> Option<(u64, Option<u64>)> {
        let (range, size) = self
            .header("content-range")?
            .strip_prefix("bytes ")?
            .split_once('/')?;
        let (first, _) = range.split_once('-')?;
        let size = if size == "*" {
            None
        } else {
            Some(size.parse().ok()?)
        };
        Some((first.parse().ok()?, size))
    }

    /// Read some of the body; 0 bytes at its end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, RequestError> {
        loop {
            match self.body.read(buffer) {
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => {
                    return Err(convert(
                        error.into(),
                        &self.url,
                        self.connect_timeout,
                        self.idle_timeout,
                    ));
                }
            }
        }
    }

    /// Read the body up to its end or one byte beyond `limit`.
    pub(crate) fn read_to_limit(&mut self, limit: usize) -> Result<Vec<u8>, RequestError> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 16 * 1024];
        while bytes.len() <= limit {
            let wanted = buffer.len().min(limit + 1 - bytes.len());
            match self.read(&mut buffer[..wanted])? {
                0 => break,
                read => bytes.extend_from_slice(&buffer[..read]),
            }
        }
        Ok(bytes)
    }
}

/// Returns the system's root certificates, which `SSL_CERT_FILE` and `SSL_CERT_DIR` replace. A machine without any, such
/// as a minimal container, gets Mozilla's.
fn root_certificates() -> Result<RootCerts, SettingsError> {
    let loaded = rustls_native_certs::load_native_certs();
    if !loaded.certs.is_empty() {
        let certificates = loaded
            .certs
            .iter()
            .map(|certificate| Certificate::from_der(certificate).to_owned());
        return Ok(RootCerts::Specific(Arc::new(certificates.collect())));
    }
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if is_set("SSL_CERT_FILE") || is_set("SSL_CERT_DIR") {
        let reasons: Vec<_> = loaded.errors.iter().map(ToString::to_string).collect();
        return Err(SettingsError::Certificates {
            reasons: if reasons.is_empty() {
                "they are empty".to_owned()
            } else {
                reasons.join("; ")
            },
        });
    }
    Ok(RootCerts::WebPki)
}

/// Returns where a redirect leads.
fn target(url: &Url, headers: &HeaderMap) -> Result<Url, RequestError> {
    let rejected = |location: String, expected| RequestError::Redirect {
        url: shown(url),
        location,
        expected,
    };
    let location = text(headers, "location").unwrap_or_default();
    let without_query = || {
        location
            .split(['?', '#'])
            .next()
            .unwrap_or_default()
            .chars()
            .take(200)
            .collect()
    };
    let next = match url.join(location) {
        Ok(next) if !location.is_empty() && next.has_host() => next,
        _ => return Err(rejected(without_query(), "a host in the header `Location`")),
    };
    match (url.scheme(), next.scheme()) {
        (_, "https") | ("http", "http") => Ok(next),
        ("https", "http") => Err(rejected(shown(&next), "`https`, like the one before it")),
        _ => Err(rejected(shown(&next), "`http` or `https`")),
    }
}

/// Returns the error in this crate's words.
fn convert(
    error: ureq::Error,
    url: &Url,
    connect_timeout: Duration,
    idle_timeout: Duration,
) -> RequestError {
    let host = host(url);
    match error {
        ureq::Error::HostNotFound => RequestError::HostNotFound { host },
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => RequestError::ConnectTimeout {
            host,
            limit: connect_timeout,
        },
        ureq::Error::Timeout(_) => RequestError::IdleTimeout {
            host,
            limit: idle_timeout,
        },
        ureq::Error::Io(error) => convert_io(&error, url, host, idle_timeout),
        ureq::Error::Rustls(error) => RequestError::Tls {
            host,
            reason: error.to_string(),
        },
        ureq::Error::Tls(reason) => RequestError::Tls {
            host,
            reason: reason.to_owned(),
        },
        ureq::Error::ConnectionFailed => RequestError::Connect {
            host,
            reason: "no address of the host accepts a connection".to_owned(),
        },
        ureq::Error::ConnectProxyFailed(reason) => RequestError::Connect {
            host,
            reason: format!("the proxy says `{reason}`"),
        },
        error => RequestError::Protocol {
            host,
            reason: error.to_string(),
        },
    }
}

fn convert_io(error: &io::Error, url: &Url, host: String, idle_timeout: Duration) -> RequestError {
    let reason = error.to_string();
    match error.kind() {
        // How rustls reports what the peer did wrong.
        ErrorKind::InvalidData if url.scheme() == "https" => RequestError::Tls { host, reason },
        ErrorKind::TimedOut | ErrorKind::WouldBlock => RequestError::IdleTimeout {
            host,
            limit: idle_timeout,
        },
        ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe => RequestError::Interrupted { host, reason },
        _ => RequestError::Connect { host, reason },
    }
}
