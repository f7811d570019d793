//! Requests to a registry: authorization, redirects and timeouts.

use std::io::{self, Read};
use std::sync::Arc;

use ureq::http::header::{AUTHORIZATION, CONTENT_LENGTH, EXPECT, HeaderName, LOCATION};
use ureq::http::{HeaderValue, Method, Request as HttpRequest, Response, StatusCode};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, AsSendBody, Body, SendBody};
use url::Url;

use crate::Progress;
use crate::error::RegistryError;
use crate::options::{Options, Scheme};
use crate::reference::{Reference, is_loopback};
use crate::response;
use crate::token::{self, Authorization};

/// The number of redirects that a request follows.
const MAX_REDIRECTS: usize = 5;

/// The body length from which a request waits for the registry's consent, so that it can reject the body unsent. It is
/// curl's.
const EXPECT_BYTES: usize = 1 << 20;

/// A client's action in its repository.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Pull,
    Push,
}

impl Action {
    /// The verb.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
        }
    }

    /// The actions of a token's scope.
    pub(crate) fn scope(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
        }
    }
}

/// A request.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(HeaderName, &'a str)>,
    pub(crate) body: Option<&'a [u8]>,
    /// The requested object, as a noun for messages.
    pub(crate) subject: &'a str,
}

impl<'a> Request<'a> {
    pub(crate) fn new(method: Method, url: Url, subject: &'a str) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            body: None,
            subject,
        }
    }
}

/// A response, and the URL that sent it.
pub(crate) struct Answer {
    pub(crate) response: Response<Body>,
    pub(crate) url: Url,
}

/// A client of one repository.
pub(crate) struct Client<'a> {
    agent: Agent,
    /// `SCHEME://REGISTRY/v2/NAME/`.
    base: Url,
    pub(crate) registry: String,
    pub(crate) name: &'a str,
    pub(crate) action: Action,
    pub(crate) options: &'a Options,
    authorization: Option<Authorization>,
}

impl<'a> Client<'a> {
    pub(crate) fn new(
        reference: &'a Reference,
        action: Action,
        options: &'a Options,
    ) -> Result<Self, RegistryError> {
        let registry = reference.registry();
        let scheme = match options.scheme {
            Scheme::Auto if reference.is_loopback() => "http",
            Scheme::Http => "http",
            Scheme::Auto | Scheme::Https => "https",
        };
        let base = Url::parse(&format!("{scheme}://{registry}/v2/{}/", reference.name()));
        let base = base.map_err(|error| RegistryError::Connection {
            host: registry.clone(),
            problem: error.to_string(),
        })?;
        Ok(Self {
            agent: agent(options, reference.is_loopback())?,
            base,
            registry,
            name: reference.name(),
            action,
            options,
            authorization: None,
        })
    }

    /// The URL of `path` in the repository.
    pub(crate) fn url(&self, path: &str) -> Result<Url, RegistryError> {
        self.base
            .join(path)
            .map_err(|error| RegistryError::Connection {
                host: self.registry.clone(),
                problem: error.to_string(),
            })
    }

    /// Send a request, with credentials if the registry requires them.
    ///
    /// # Errors
    /// If there is no response, a redirect cannot be followed, or the registry rejects the credentials. A response with
    /// any other status is returned.
    pub(crate) fn send(
        &mut self,
        request: &Request<'_>,
        progress: Progress<'_>,
    ) -> Result<Answer, RegistryError> {
        let answer = self.follow(request, progress)?;
        if !self.demands_credentials(&answer) {
            return Ok(answer);
        }
        self.authorization = Some(token::authorize(self, answer.response.headers())?);
        let answer = self.follow(request, progress)?;
        if self.demands_credentials(&answer) {
            return Err(self.rejected(answer));
        }
        Ok(answer)
    }

    /// Whether the registry itself demands credentials. Those of another host are nobody's.
    fn demands_credentials(&self, answer: &Answer) -> bool {
        answer.response.status() == StatusCode::UNAUTHORIZED && self.is_registry(&answer.url)
    }

    fn is_registry(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    /// The error of a request that was rejected with credentials.
    fn rejected(&self, mut answer: Answer) -> RegistryError {
        let registry = self.registry.clone();
        match &self.authorization {
            Some(Authorization {
                user: Some(user),
                is_token: false,
                ..
            }) => RegistryError::WrongCredentials {
                registry,
                user: Some(user.clone()),
            },
            Some(Authorization {
                has_credentials: true,
                ..
            }) => RegistryError::Denied {
                registry,
                name: self.name.to_owned(),
                action: self.action.verb(),
                message: response::message(&mut answer.response),
            },
            _ => RegistryError::LoginRequired { registry },
        }
    }

    /// Send a request and follow redirects.
    fn follow(
        &self,
        request: &Request<'_>,
        progress: Progress<'_>,
    ) -> Result<Answer, RegistryError> {
        let mut url = request.url.clone();
        let refused = |url: &Url, problem: String| RegistryError::Redirect {
            host: host(url),
            subject: request.subject.to_owned(),
            problem,
        };
        for _ in 0..=MAX_REDIRECTS {
            let response = self.exchange(request, &url, progress)?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(Answer { response, url });
            }
            if request.method != Method::GET && request.method != Method::HEAD {
                return Err(refused(&url, "it is an upload".to_owned()));
            }
            let next = response::header(&response, &LOCATION)
                .ok_or_else(|| refused(&url, "it has no valid `Location`".to_owned()))
                .and_then(|location| {
                    url.join(&location)
                        .map_err(|error| refused(&url, format!("`Location` is no URL ({error})")))
                })?;
            if let Some(problem) = self.insecure(&next, url.scheme()) {
                return Err(refused(&url, problem));
            }
            url = next;
        }
        let problem = format!("there are more than {MAX_REDIRECTS} redirects");
        Err(refused(&url, problem))
    }

    /// Why `url`, which a response that came over the scheme `from` names, must not be used.
    pub(crate) fn insecure(&self, url: &Url, from: &str) -> Option<String> {
        let plain = self.options.scheme == Scheme::Http || url.host_str().is_some_and(is_loopback);
        match url.scheme() {
            "https" => None,
            "http" if from == "http" && plain => None,
            "http" => Some(format!("`{}` is not HTTPS", host(url))),
            scheme => Some(format!("`{scheme}` is not HTTPS")),
        }
    }

    fn exchange(
        &self,
        request: &Request<'_>,
        url: &Url,
        progress: Progress<'_>,
    ) -> Result<Response<Body>, RegistryError> {
        let mut builder = HttpRequest::builder()
            .method(request.method.clone())
            .uri(url.as_str());
        for (name, value) in &request.headers {
            builder = builder.header(name, *value);
        }
        if let Some(authorization) = self
            .authorization
            .as_ref()
            .filter(|_| self.is_registry(url))
        {
            builder = builder.header(AUTHORIZATION, authorization.header.clone());
        }
        let Some(bytes) = request.body else {
            return self.run(builder.body(()), url);
        };
        builder = builder.header(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        if bytes.len() >= EXPECT_BYTES {
            builder = builder.header(EXPECT, HeaderValue::from_static("100-continue"));
        }
        let mut reader = Counted {
            bytes,
            done: 0,
            progress,
        };
        self.run(builder.body(SendBody::from_reader(&mut reader)), url)
    }

    /// Send one request to `url`.
    pub(crate) fn run(
        &self,
        request: Result<HttpRequest<impl AsSendBody>, ureq::http::Error>,
        url: &Url,
    ) -> Result<Response<Body>, RegistryError> {
        request
            .map_err(ureq::Error::from)
            .and_then(|request| self.agent.run(request))
            .map_err(|error| response::transport(&host(url), error))
    }
}

/// The host of a URL, and its port if it is not the scheme's.
pub(crate) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// An agent with the timeouts of `options`, which follows no redirects.
fn agent(options: &Options, is_loopback: bool) -> Result<Agent, RegistryError> {
    let roots = match &options.authorities {
        // Certificates that cannot be read are trusted by nobody, and the handshake's error says so.
        None => rustls_native_certs::load_native_certs()
            .certs
            .iter()
            .map(|certificate| Certificate::from_der(certificate).to_owned())
            .collect(),
        Some(pem) => authorities(pem)?,
    };
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::from(roots))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let idle = Some(options.idle_timeout);
    let mut config = Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .user_agent(concat!("infer/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(options.connect_timeout))
        .timeout_connect(Some(options.connect_timeout))
        .timeout_send_request(idle)
        .timeout_recv_response(idle)
        .timeout_per_read(idle)
        .timeout_per_write(idle)
        .timeout_send_body(Some(options.transfer_timeout))
        .timeout_recv_body(Some(options.transfer_timeout));
    if is_loopback {
        config = config.proxy(None);
    }
    Ok(config.build().new_agent())
}

/// The certificates in `pem`.
fn authorities(pem: &[u8]) -> Result<Vec<Certificate<'static>>, RegistryError> {
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(RegistryError::Authorities(error.to_string())),
        }
    }
    if certificates.is_empty() {
        let problem = "there is no certificate".to_owned();
        return Err(RegistryError::Authorities(problem));
    }
    Ok(certificates)
}

/// A body that counts what was read of it.
struct Counted<'a, 'p> {
    bytes: &'a [u8],
    done: usize,
    progress: Progress<'p>,
}

impl Read for Counted<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.bytes.get(self.done..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.done += count;
        if count > 0 {
            (self.progress)(self.done as u64, self.bytes.len() as u64);
        }
        Ok(count)
    }
}
