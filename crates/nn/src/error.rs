//! What a guest is told when something cannot be done.

use std::fmt;

/// Why a call failed: a kind, which becomes wasi-nn's `error-code`, and one sentence.
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
    /// A failure of `kind`; `message` says what was wrong, what was expected and what came.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// `InvalidArgument`.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// `UnsupportedOperation`.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::UnsupportedOperation, message)
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence.
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
