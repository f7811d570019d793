//! Credentials from the files of `docker login` and `podman login`.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};

use crate::options::CredentialSource;

/// The output of docker's credential helpers without credentials for a registry.
const HELPER_HAS_NONE: &str = "credentials not found";

/// Credentials for a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A user's name and password, or a robot's name and token.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// An OAuth 2 refresh token, which a token service exchanges for a token of each request.
    IdentityToken(String),
}

/// The secret is left out.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => f
                .debug_struct("Password")
                .field("user", user)
                .finish_non_exhaustive(),
            Self::IdentityToken(_) => f.write_str("IdentityToken(…)"),
        }
    }
}

/// Credentials could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A file with credentials exists but cannot be read.
    #[error("cannot read the credentials in `{}`: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        error: io::Error,
    },
    /// A file with credentials is malformed.
    #[error(
        "`{}` is malformed: {problem}; expected the form that `docker login` writes; log in again, or remove the file",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// A credential helper could not be started or failed.
    #[error("the credential helper that `{}` names failed: {problem}", path.display())]
    Helper {
        /// The file that names the helper.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
}

/// The credentials for `registry`, `None` if `source` has none.
pub(crate) fn find(
    source: &CredentialSource,
    registry: &str,
) -> Result<Option<Credentials>, CredentialsError> {
    match source {
        CredentialSource::Anonymous => Ok(None),
        CredentialSource::Given(credentials) => Ok(Some(credentials.clone())),
        CredentialSource::File(path) => read(path, registry),
        CredentialSource::Files => {
            for path in files(|name| env::var_os(name)) {
                if let Some(credentials) = read(&path, registry)? {
                    return Ok(Some(credentials));
                }
            }
            Ok(None)
        }
    }
}

/// The files that may have credentials, in the order of [`CredentialSource::Files`].
fn files(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let variable = |name| variable(name).filter(|value| !value.is_empty());
    if let Some(file) = variable("REGISTRY_AUTH_FILE") {
        return vec![file.into()];
    }
    let podman =
        variable("XDG_RUNTIME_DIR").map(|folder| Path::new(&folder).join("containers/auth.json"));
    let docker = variable("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".docker")))
        .map(|folder| folder.join("config.json"));
    podman.into_iter().chain(docker).collect()
}

/// The credentials for `registry` in the file at `path`. A missing file has none.
fn read(path: &Path, registry: &str) -> Result<Option<Credentials>, CredentialsError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(CredentialsError::File {
                path: path.to_owned(),
                error,
            });
        }
    };
    let malformed = |problem: &str| CredentialsError::Malformed {
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    let helper = |problem: &str| CredentialsError::Helper {
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    let error = match get_credential_from_reader(&*text, registry) {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            return Ok(Some(Credentials::Password { user, password }));
        }
        Ok(DockerCredential::IdentityToken(token)) => {
            return Ok(Some(Credentials::IdentityToken(token)));
        }
        Err(error) => error,
    };
    match error {
        CredentialRetrievalError::NoCredentialConfigured
        | CredentialRetrievalError::ConfigNotFound => Ok(None),
        CredentialRetrievalError::ConfigReadError => Err(malformed("it is not JSON of that form")),
        CredentialRetrievalError::CredentialDecodingError => Err(malformed(&format!(
            "`auth` of `{registry}` is not `USER:PASSWORD` in base64"
        ))),
        CredentialRetrievalError::CredentialMismatchError => Err(malformed(&format!(
            "`auth` of `{registry}` differs from its `username` and `password`"
        ))),
        CredentialRetrievalError::HelperFailure { stdout, .. }
            if stdout.contains(HELPER_HAS_NONE) =>
        {
            Ok(None)
        }
        CredentialRetrievalError::HelperFailure {
            helper: program,
            stderr,
            stdout,
        } => {
            let output = format!("{} {}", stdout.trim(), stderr.trim());
            let output = crate::digest::printable(output.trim());
            Err(helper(&format!("`{program}` printed `{output}`")))
        }
        CredentialRetrievalError::HelperCommunicationError => Err(helper(
            "it cannot be run; is `docker-credential-…` installed?",
        )),
        CredentialRetrievalError::MalformedHelperResponse => {
            Err(helper("its output is not the expected JSON"))
        }
    }
}

#[cfg(test)]
#[path = "credentials_tests.rs"]
mod tests;
