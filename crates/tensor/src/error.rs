//! The errors of wasi:nn.

use std::fmt;

/// Why a call failed: a kind, which is wasi-nn's `error-code`, and one sentence for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// The kinds of failure, each one of wasi-nn's error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A tensor or argument that does not fit the graph.
    InvalidArgument,
    /// A model that cannot be read.
    InvalidEncoding,
    /// The runtime failed while it computed.
    Runtime,
    /// A datatype, operator or target that the implementation lacks.
    UnsupportedOperation,
    /// No graph of that name.
    NotFound,
    /// Something that guests may not do.
    Security,
}

impl Error {
    /// An error of that kind. `message` says what is wrong, then what was expected.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// An `InvalidArgument` error.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// An `UnsupportedOperation` error.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::UnsupportedOperation, message)
    }

    /// The kind, for the caller to act on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence, for the client.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
