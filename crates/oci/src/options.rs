//! Settings of a push or a pull.

use std::path::PathBuf;
use std::time::Duration;

use crate::credentials::Credentials;

/// The protocol between this machine and a registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP for `localhost` and loopback addresses, HTTPS for any other host.
    #[default]
    Auto,
    /// HTTPS.
    Https,
    /// HTTP, without encryption, for any host. Credentials are then readable on the network.
    Http,
}

/// The source of credentials.
#[derive(Clone, Debug, Default)]
pub enum CredentialSource {
    /// The files that `docker login` and `podman login` write, and the credential helpers that they name. They are read
    /// only if the registry requires credentials:
    ///
    /// 1. `REGISTRY_AUTH_FILE`, and no other file if it is set;
    /// 2. `$XDG_RUNTIME_DIR/containers/auth.json`;
    /// 3. `$DOCKER_CONFIG/config.json`, or `~/.docker/config.json`.
    #[default]
    Files,
    /// One file of that form.
    File(PathBuf),
    /// These credentials.
    Given(Credentials),
    /// No credentials.
    Anonymous,
}

/// Settings of a push or a pull.
#[derive(Clone, Debug)]
pub struct Options {
    /// The protocol.
    pub scheme: Scheme,
    /// The source of credentials.
    pub credentials: CredentialSource,
    /// Certificates of authorities in PEM form, to trust in place of the system's.
    pub authorities: Option<Vec<u8>>,
    /// The timeout of a name's resolution, and of a connection with its TLS handshake. The default is 15 s.
    pub connect_timeout: Duration,
    /// The timeout of each wait for the registry to send or accept bytes. The default is 2 min.
    pub idle_timeout: Duration,
    /// The timeout of a whole request body or response body. The default is 1 h.
    pub transfer_timeout: Duration,
    /// The size limit of a pulled component, in bytes. The default is 4 GiB.
    pub max_size: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            scheme: Scheme::default(),
            credentials: CredentialSource::default(),
            authorities: None,
            connect_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(120),
            transfer_timeout: Duration::from_secs(60 * 60),
            max_size: 4 << 30,
        }
    }
}
