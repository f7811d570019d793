//! Errors between a request and the end of its response.

use std::time::Duration;

use ureq::http::{HeaderMap, StatusCode};
use url::Url;

/// The longest message of a server that is repeated, in characters.
const MAX_MESSAGE_CHARS: usize = 300;

/// A request that got no usable response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The owner lets only some accounts in, and no token was sent.
    #[error(
        "model `{repository}` is gated: accept its terms on {page}, then set `HF_TOKEN` to an access token \
         of that account"
    )]
    Gated {
        /// The repository.
        repository: String,
        /// Its page.
        page: String,
    },
    /// The owner has not let the token's account in.
    #[error(
        "model `{repository}` is gated, and the account of the token has no access: accept its terms on \
         {page}, or use another token in `HF_TOKEN`"
    )]
    NoAccess {
        /// The repository.
        repository: String,
        /// Its page.
        page: String,
    },
    /// The repository does not exist, or is hidden.
    #[error(
        "{endpoint} has no model `{repository}` that is visible {}: check its name; if it is private, set \
         `HF_TOKEN` to a token with access to it",
        if *.with_token { "with the token" } else { "without a token" }
    )]
    RepositoryNotFound {
        /// The endpoint.
        endpoint: String,
        /// The repository.
        repository: String,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// The repository has no such revision.
    #[error(
        "model `{repository}` has no revision `{revision}`: expected a branch, a tag or a full commit"
    )]
    RevisionNotFound {
        /// The repository.
        repository: String,
        /// The branch, tag or commit.
        revision: String,
    },
    /// The revision has no such file.
    #[error("model `{repository}` has no file `{path}` in revision `{revision}`")]
    FileNotFound {
        /// The repository.
        repository: String,
        /// The branch, tag or commit.
        revision: String,
        /// The file.
        path: String,
    },
    /// The server does not accept the token.
    #[error(
        "{endpoint} rejects the token ({message}): replace it in `HF_TOKEN` or the token file, or remove it \
         if the model is public"
    )]
    Token {
        /// The endpoint.
        endpoint: String,
        /// The server's message.
        message: String,
    },
    /// The server does not allow the request.
    #[error(
        "{url} is forbidden ({message}): check the permissions of the token, and that the model is not disabled"
    )]
    Forbidden {
        /// The address, without its query.
        url: String,
        /// The server's message.
        message: String,
    },
    /// There were too many requests.
    #[error(
        "{host} limits the rate of requests (status 429): try again {}; a token in `HF_TOKEN` raises the limit",
        later(*.retry_after)
    )]
    RateLimited {
        /// The host.
        host: String,
        /// How long the server wants the client to wait.
        retry_after: Option<Duration>,
    },
    /// The server failed.
    #[error("{url} failed with status {status}: the fault is the server's; try again {}", later(*.retry_after))]
    Server {
        /// The address, without its query.
        url: String,
        /// The status, 500 to 599.
        status: u16,
        /// How long the server wants the client to wait.
        retry_after: Option<Duration>,
    },
    /// The server responded with a status that this client does not expect.
    #[error(
        "{url} responded with status {status} ({message}): expected 200 or 206; check `HF_ENDPOINT`"
    )]
    Status {
        /// The address, without its query.
        url: String,
        /// The status.
        status: u16,
        /// The server's message.
        message: String,
    },
    /// The host's name has no address.
    #[error(
        "host `{host}` is not found: check `HF_ENDPOINT` and the network; `HF_HUB_OFFLINE=1` uses what is \
         cached"
    )]
    HostNotFound {
        /// The host.
        host: String,
    },
    /// No connection was made.
    #[error(
        "cannot connect to {host}: {reason}; check `HF_ENDPOINT`, the network and the proxy; \
         `HF_HUB_OFFLINE=1` uses what is cached"
    )]
    Connect {
        /// The host and the port.
        host: String,
        /// The operating system's or the proxy's reason.
        reason: String,
    },
    /// TLS failed.
    #[error(
        "TLS with {host} failed: {reason}; if a proxy of your network replaces certificates, name its \
         certificate in `SSL_CERT_FILE`"
    )]
    Tls {
        /// The host and the port.
        host: String,
        /// The reason.
        reason: String,
    },
    /// Resolving the name or connecting took too long.
    #[error("cannot connect to {host} within {} s: check the network and the proxy", .limit.as_secs_f64())]
    ConnectTimeout {
        /// The host and the port.
        host: String,
        /// The limit.
        limit: Duration,
    },
    /// The server sent nothing for too long.
    #[error("{host} sent nothing for {} s: try again; a download continues where it stopped", .limit.as_secs_f64())]
    IdleTimeout {
        /// The host and the port.
        host: String,
        /// The limit.
        limit: Duration,
    },
    /// The connection ended early.
    #[error(
        "the connection to {host} ended early ({reason}): try again; a download continues where it stopped"
    )]
    Interrupted {
        /// The host and the port.
        host: String,
        /// The missing object.
        reason: String,
    },
    /// The redirects do not end.
    #[error("{url} is redirected more than {limit} times: check `HF_ENDPOINT`")]
    Redirects {
        /// The first address, without its query.
        url: String,
        /// The limit.
        limit: usize,
    },
    /// A redirect leads where it must not.
    #[error(
        "{url} is redirected to `{location}`, because of which the request ends: expected an address with \
         {expected}"
    )]
    Redirect {
        /// The address, without its query.
        url: String,
        /// The target, without its query.
        location: String,
        /// The rule that it breaks.
        expected: &'static str,
    },
    /// The response is not one of HTTP.
    #[error(
        "the response of {host} is not valid HTTP: {reason}; check `HF_ENDPOINT` and the proxy"
    )]
    Protocol {
        /// The host and the port.
        host: String,
        /// The reason.
        reason: String,
    },
}

impl RequestError {
    /// Returns whether the same request may succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. }
                | Self::Server { .. }
                | Self::ConnectTimeout { .. }
                | Self::IdleTimeout { .. }
                | Self::Interrupted { .. }
        )
    }

    /// Returns how long the server wants the client to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Server { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }
}

fn later(retry_after: Option<Duration>) -> String {
    match retry_after {
        Some(delay) => format!("in {} s", delay.as_secs()),
        None => "later".to_owned(),
    }
}

/// The subject of a request, which its errors name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) endpoint: &'a Url,
    pub(crate) repository: &'a str,
    pub(crate) revision: &'a str,
    /// The file, unless the request is about the whole repository.
    pub(crate) path: Option<&'a str>,
    pub(crate) with_token: bool,
}

impl Subject<'_> {
    /// Returns the error of a response whose status is neither success nor a redirect.
    ///
    /// The hub responds to an anonymous request for a missing repository with 401, so its header `X-Error-Code` decides
    /// before the status (`hf_raise_for_status` of `huggingface_hub`).
    pub(crate) fn error(&self, url: &Url, status: StatusCode, headers: &HeaderMap) -> RequestError {
        let endpoint = self.endpoint.as_str().trim_end_matches('/');
        let message = message(status, headers);
        // The status of another host concerns the file, not the repository.
        let is_endpoint = is_same_origin(url, self.endpoint);
        match text(headers, "x-error-code").filter(|_| is_endpoint) {
            Some("GatedRepo") => return self.gated(endpoint),
            Some("RepoNotFound") => return self.repository_not_found(endpoint),
            Some("RevisionNotFound") => return self.revision_not_found(),
            Some("EntryNotFound") => return self.file_not_found(),
            _ => (),
        }
        match status.as_u16() {
            401 if is_endpoint && (message.contains("Invalid credentials") || self.with_token) => {
                RequestError::Token {
                    endpoint: endpoint.to_owned(),
                    message,
                }
            }
            401 if is_endpoint => self.repository_not_found(endpoint),
            403 if message.contains("gated") && is_endpoint => self.gated(endpoint),
            401 | 403 => RequestError::Forbidden {
                url: shown(url),
                message,
            },
            404 if is_endpoint && self.path.is_some() => self.file_not_found(),
            404 if is_endpoint => self.repository_not_found(endpoint),
            429 => RequestError::RateLimited {
                host: host(url),
                retry_after: retry_after(headers),
            },
            500..=599 => RequestError::Server {
                url: shown(url),
                status: status.as_u16(),
                retry_after: retry_after(headers),
            },
            _ => RequestError::Status {
                url: shown(url),
                status: status.as_u16(),
                message,
            },
        }
    }

    fn gated(&self, endpoint: &str) -> RequestError {
        let repository = self.repository.to_owned();
        let page = format!("{endpoint}/{repository}");
        if self.with_token {
            RequestError::NoAccess { repository, page }
        } else {
            RequestError::Gated { repository, page }
        }
    }

    fn repository_not_found(&self, endpoint: &str) -> RequestError {
        RequestError::RepositoryNotFound {
            endpoint: endpoint.to_owned(),
            repository: self.repository.to_owned(),
            with_token: self.with_token,
        }
    }

    fn revision_not_found(&self) -> RequestError {
        RequestError::RevisionNotFound {
            repository: self.repository.to_owned(),
            revision: self.revision.to_owned(),
        }
    }

    fn file_not_found(&self) -> RequestError {
        match self.path {
            Some(path) => RequestError::FileNotFound {
                repository: self.repository.to_owned(),
                revision: self.revision.to_owned(),
                path: path.to_owned(),
            },
            None => self.revision_not_found(),
        }
    }
}

/// Returns a header's value if it is visible ASCII.
pub(crate) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Returns the hub's message, or the status in words.
fn message(status: StatusCode, headers: &HeaderMap) -> String {
    let message = text(headers, "x-error-message").or(status.canonical_reason());
    message
        .unwrap_or("no message")
        .chars()
        .take(MAX_MESSAGE_CHARS)
        .collect()
}

/// Returns `Retry-After` in its form of seconds, which is the one that the hub sends.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = text(headers, "retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Returns an address without its query, which may contain the signature of a temporary permission.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // It fails for addresses without a host, which have no user.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

/// Returns the host and, if the address names one, the port.
pub(crate) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Returns whether both have the same scheme, host and port.
pub(crate) fn is_same_origin(a: &Url, b: &Url) -> bool {
    a.origin() == b.origin()
}
