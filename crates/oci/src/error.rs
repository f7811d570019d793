//! Errors of the requests to a registry, and of pulls.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::artifact::WASM_LAYER;
use crate::component::NotAComponent;
use crate::credentials::CredentialsError;
use crate::digest::Digest;

/// A request to a registry failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Nothing listens at the address.
    #[error("`{host}` refused the connection; check the address, and that the registry is running")]
    Refused {
        /// The host and port.
        host: String,
    },
    /// The host's name does not resolve.
    #[error("the host `{host}` is unknown; check its spelling")]
    UnknownHost {
        /// The host and port.
        host: String,
    },
    /// The connection failed or broke.
    #[error("the connection to `{host}` failed: {problem}")]
    Connection {
        /// The host and port.
        host: String,
        /// The reason.
        problem: String,
    },
    /// No secure connection could be made.
    #[error(
        "the TLS connection to `{host}` failed: {problem}; check that the registry serves HTTPS, and that this machine \
         trusts its certificate"
    )]
    Tls {
        /// The host and port.
        host: String,
        /// The reason.
        problem: String,
    },
    /// The trusted certificates are malformed.
    #[error("the certificates of authorities are malformed: {0}; expected PEM")]
    Authorities(String),
    /// The host was silent for too long.
    #[error("`{host}` did not answer in time (while {phase})")]
    Timeout {
        /// The host and port.
        host: String,
        /// The slow phase, such as `connecting`.
        phase: &'static str,
    },
    /// The registry wants credentials, and there are none.
    #[error(
        "`{registry}` requires credentials, and none were found; log in with `docker login {registry}` or \
         `podman login {registry}`"
    )]
    LoginRequired {
        /// The registry.
        registry: String,
    },
    /// The registry or its token service rejected the credentials.
    #[error(
        "`{registry}` rejected the credentials{}; log in again with `docker login {registry}` or `podman login \
         {registry}`", user.as_ref().map(|user| format!(" of `{user}`")).unwrap_or_default()
    )]
    WrongCredentials {
        /// The registry.
        registry: String,
        /// The user.
        user: Option<String>,
    },
    /// The credentials are valid but allow too little.
    #[error(
        "`{registry}` denied access to `{name}`{}; log in as a user who may {action} it, with `docker login {registry}` \
         or `podman login {registry}`",
        said(message)
    )]
    Denied {
        /// The registry.
        registry: String,
        /// The repository.
        name: String,
        /// `push` or `pull`.
        action: &'static str,
        /// The registry's message.
        message: String,
    },
    /// The registry's demand for credentials cannot be met.
    #[error("`{registry}` demands credentials in an unsupported way: {problem}")]
    Challenge {
        /// The registry.
        registry: String,
        /// The unsupported part.
        problem: String,
    },
    /// Credentials could not be read.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The registry does not have the repository, the tag or the digest.
    #[error(
        "`{registry}` does not have {subject}{}; check the name and the tag",
        said(message)
    )]
    NotFound {
        /// The registry.
        registry: String,
        /// The requested reference.
        subject: String,
        /// The registry's message.
        message: String,
    },
    /// The registry's limit is lower than the upload's size.
    #[error(
        "`{registry}` rejected {subject} as too large{}; raise the body limit of the registry or of the proxy before it",
        said(message)
    )]
    TooLarge {
        /// The registry.
        registry: String,
        /// The uploaded object.
        subject: String,
        /// The registry's message.
        message: String,
    },
    /// The registry's rate limit is exceeded.
    #[error("`{registry}` limits the rate of requests{}; try again {}", said(message), retry(retry_after.as_ref()))]
    RateLimited {
        /// The registry.
        registry: String,
        /// The wait that the registry asks for. `None` if it names none, or names a date.
        retry_after: Option<Duration>,
        /// The registry's message.
        message: String,
    },
    /// The registry has a fault.
    #[error(
        "`{registry}` failed with status {status} for {subject}{}; try again later",
        said(message)
    )]
    Server {
        /// The registry.
        registry: String,
        /// The status code, 500 or above.
        status: u16,
        /// The requested object.
        subject: String,
        /// The registry's message.
        message: String,
    },
    /// The registry responded with a status that the specification does not have there.
    #[error(
        "`{registry}` responded with status {status} to the request for {subject}{}",
        said(message)
    )]
    Status {
        /// The registry.
        registry: String,
        /// The status code.
        status: u16,
        /// The requested object.
        subject: String,
        /// The registry's message.
        message: String,
    },
    /// The response is not what a registry sends.
    #[error("`{host}` does not behave like an OCI registry: {problem}; check the address")]
    NotARegistry {
        /// The host and port.
        host: String,
        /// The problem.
        problem: String,
    },
    /// A redirect cannot be followed.
    #[error("`{host}` redirected the request for {subject}, which is not followed: {problem}")]
    Redirect {
        /// The host and port.
        host: String,
        /// The requested object.
        subject: String,
        /// Why it is not followed.
        problem: String,
    },
    /// A body ended early.
    #[error("{subject} from `{host}` ended after {got} of {expected} bytes; try again")]
    Truncated {
        /// The requested object.
        subject: String,
        /// The host and port.
        host: String,
        /// The bytes received.
        got: u64,
        /// The bytes that were announced.
        expected: u64,
    },
    /// A body is longer than announced, or than the limit.
    #[error("{subject} has more than {limit} bytes")]
    TooLong {
        /// The requested object.
        subject: String,
        /// The announced length, or the limit.
        limit: u64,
    },
    /// The content does not have its digest.
    #[error(
        "{subject} has the digest `{got}`, expected `{expected}`; the registry or a proxy changed it"
    )]
    WrongDigest {
        /// The requested or uploaded object.
        subject: String,
        /// The digest of the content.
        got: String,
        /// The digest that it should have.
        expected: Digest,
    },
}

/// A registry's message as part of a sentence.
fn said(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(" (it says: {message})")
    }
}

/// When to try again.
fn retry(after: Option<&Duration>) -> String {
    match after {
        Some(after) => format!("in {} s", after.as_secs()),
        None => "later".to_owned(),
    }
}

/// A component was not pulled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// A request failed, or the content does not have its digest.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The manifest or the config is malformed.
    #[error("the {document} of `{reference}` is malformed: {problem}")]
    Malformed {
        /// `manifest` or `config`.
        document: &'static str,
        /// The reference.
        reference: String,
        /// The problem.
        problem: String,
    },
    /// The artifact is a container image.
    #[error(
        "`{0}` is a container image, expected a WebAssembly component; `docker pull {0}` pulls it"
    )]
    ContainerImage(String),
    /// The artifact is a Spin application.
    #[error(
        "`{0}` is a Spin application, expected a WebAssembly component; `spin registry pull {0}` pulls it"
    )]
    SpinApplication(String),
    /// The artifact is a list of images for several platforms.
    #[error(
        "`{0}` is an image index, expected a WebAssembly component; use the digest of one of its manifests"
    )]
    Index(String),
    /// The artifact is of another type.
    #[error(
        "`{reference}` is an artifact of type `{media_type}`, expected `application/vnd.wasm.config.v0+json`"
    )]
    OtherArtifact {
        /// The reference.
        reference: String,
        /// The artifact's type.
        media_type: String,
    },
    /// The artifact has not one layer.
    #[error(
        "`{reference}` has {count} layers, expected one: the layout reserves more for components in parts"
    )]
    Layers {
        /// The reference.
        reference: String,
        /// The number of layers.
        count: usize,
    },
    /// The layer is of another type.
    #[error(
        "the layer of `{reference}` has the media type `{media_type}`, expected `{WASM_LAYER}`"
    )]
    LayerType {
        /// The reference.
        reference: String,
        /// The layer's media type.
        media_type: String,
    },
    /// The artifact is made for another system.
    #[error(
        "`{reference}` is made for `{os}` on `{architecture}`, expected a component, for `wasip2` on `wasm`"
    )]
    Platform {
        /// The reference.
        reference: String,
        /// The config's operating system.
        os: String,
        /// The config's architecture.
        architecture: String,
    },
    /// The component is larger than the limit.
    #[error("`{reference}` has {size} bytes, more than the limit of {limit}")]
    TooLarge {
        /// The reference.
        reference: String,
        /// The component's size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The layer is not a component.
    #[error("`{reference}` is no component: {problem}")]
    NotAComponent {
        /// The reference.
        reference: String,
        /// Its kind.
        problem: NotAComponent,
    },
    /// The component could not be written.
    #[error("cannot write `{}`: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        error: io::Error,
    },
}
