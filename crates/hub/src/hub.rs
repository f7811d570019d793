//! The client of a hub.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::backoff::Backoff;
use crate::cache::Cache;
use crate::http::Client;
use crate::request_error::RequestError;
use crate::settings::{Settings, SettingsError};

/// The characters that Python's `quote(…, safe="")` escapes.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A client of the Hugging Face hub, or of a server with its API. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Hub {
    pub(crate) client: Client,
    pub(crate) cache: Cache,
    settings: Arc<Settings>,
}

impl Hub {
    /// Returns a client with the settings of [`Settings::from_environment`].
    ///
    /// # Errors
    /// Those of [`Settings::from_environment`] and [`Hub::new`].
    pub fn from_environment() -> Result<Self, SettingsError> {
        Self::new(Settings::from_environment()?)
    }

    /// Returns a client. It connects when it is first used.
    ///
    /// TLS accepts the system's certificates, those of `SSL_CERT_FILE` and `SSL_CERT_DIR` in their place, or Mozilla's if
    /// the system has none.
    ///
    /// # Errors
    /// If `SSL_CERT_FILE` or `SSL_CERT_DIR` is set, and names no certificate that can be read.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        Ok(Self {
            client: Client::new(&settings)?,
            cache: Cache::new(&settings.cache),
            settings: Arc::new(settings),
        })
    }

    /// Returns the client's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn wait(&self, duration: Duration) {
        (self.settings.wait)(duration);
    }

    /// Returns the address of a file of a commit.
    pub(crate) fn file_url(&self, repository: &str, commit: &str, path: &str) -> Url {
        let names: Vec<_> = path.split('/').map(escape).collect();
        self.client.url(&format!(
            "/{repository}/resolve/{commit}/{}",
            names.join("/")
        ))
    }

    /// Repeat a request until it succeeds, fails for good, or has failed too often.
    pub(crate) fn retry<T>(
        &self,
        mut request: impl FnMut() -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        let mut backoff = Backoff::default();
        loop {
            match request() {
                Ok(value) => return Ok(value),
                Err(error) => match backoff.next(&error) {
                    Some(wait) => self.wait(wait),
                    None => return Err(error),
                },
            }
        }
    }
}

/// Escape text for one part of a path, `/` included.
pub(crate) fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}
