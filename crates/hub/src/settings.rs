//! The endpoint, the token, the cache and the timeouts.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use url::Url;

/// The hub itself.
pub(crate) const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// How the client waits before it retries, and for another process's lock.
pub type Wait = Arc<dyn Fn(Duration) + Send + Sync>;

/// Settings of a [`Hub`](crate::Hub).
#[derive(Clone)]
pub struct Settings {
    /// The hub's address: `http` or `https`, a host, and a path without a query.
    pub endpoint: Url,
    /// The access token. It is sent to the endpoint's origin alone.
    pub token: Option<Token>,
    /// The folder that contains `models--OWNER--NAME`.
    pub cache: PathBuf,
    /// Whether to use only what the cache contains.
    pub offline: bool,
    /// Whether to use the proxy of `ALL_PROXY`, `HTTPS_PROXY` or `HTTP_PROXY`, except for the hosts of `NO_PROXY`.
    pub proxy: bool,
    /// How long resolving a name may take, and connecting with the TLS handshake.
    pub connect_timeout: Duration,
    /// How long a server may send nothing: before its response's head, and between two parts of a body.
    pub idle_timeout: Duration,
    /// How to wait; [`thread::sleep`] unless a test replaces it.
    pub wait: Wait,
}

impl Settings {
    /// Returns the settings for an endpoint and a cache: online, without a token, with the usual timeouts.
    ///
    /// # Errors
    /// If the endpoint is not an address that [`Settings::endpoint`] describes.
    pub fn new(endpoint: &str, cache: impl Into<PathBuf>) -> Result<Self, SettingsError> {
        Ok(Self {
            endpoint: parse_endpoint(endpoint)?,
            token: None,
            cache: cache.into(),
            offline: false,
            proxy: true,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            wait: Arc::new(thread::sleep),
        })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint.as_str())
            .field("token", &self.token)
            .field("cache", &self.cache)
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

fn parse_endpoint(text: &str) -> Result<Url, SettingsError> {
    let invalid = |reason: &str| SettingsError::Endpoint {
        endpoint: text.to_owned(),
        reason: reason.to_owned(),
    };
    let url =
        Url::parse(text.trim_end_matches('/')).map_err(|error| invalid(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("its scheme is neither"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SettingsError::EndpointUser);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("it has a query or a fragment"));
    }
    Ok(url)
}

/// An access token, which is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Returns the token without the white space around it; `None` if nothing is left.
    ///
    /// # Errors
    /// If it has characters that a header cannot have.
    pub fn new(text: &str) -> Result<Option<Self>, SettingsError> {
        let token: String = text
            .trim()
            .chars()
            .filter(|c| !matches!(c, '\r' | '\n'))
            .collect();
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SettingsError::Token);
        }
        Ok((!token.is_empty()).then_some(Self(token)))
    }

    /// Returns the value of the header `Authorization`.
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The endpoint is not an address of HTTP.
    #[error(
        "endpoint `{endpoint}` is not valid, because {reason}: expected `http://` or `https://`, a host, and \
         a path in `HF_ENDPOINT`"
    )]
    Endpoint {
        /// The endpoint.
        endpoint: String,
        /// The rule that it breaks.
        reason: String,
    },
    /// The endpoint contains a user name or a password, which the message does not repeat.
    #[error(
        "the endpoint contains a user name or a password: remove them from `HF_ENDPOINT`, and set `HF_TOKEN`"
    )]
    EndpointUser,
    /// The token has spaces or characters outside ASCII. The message does not repeat it.
    #[error(
        "the token has spaces or characters outside ASCII: expected one like `hf_…` in `HF_TOKEN` or the \
         token file"
    )]
    Token,
    /// The token file exists and cannot be read.
    #[error("cannot read the token file `{}`: {source}; make it readable, or set `HF_TOKEN`", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// No variable says where the cache is.
    #[error("no folder for the cache: `HOME` is not set; set it, `HF_HOME` or `HF_HUB_CACHE`")]
    NoHome,
    /// A variable's value is not text.
    #[error("environment variable `{name}` is not UTF-8")]
    NotText {
        /// The variable.
        name: &'static str,
    },
    /// The variables for certificates name none that can be read.
    #[error(
        "no certificate in `SSL_CERT_FILE` or `SSL_CERT_DIR`: {reasons}; name a file of certificates in PEM, \
         or unset both"
    )]
    Certificates {
        /// Why each file was not read.
        reasons: String,
    },
}
