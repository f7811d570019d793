//! The errors of wasi:nn.

use std::fmt;

/// Why a call failed: a kind, which is wasi-nn's `error-code`, and one sentence for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// wasi-nn's `error-code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A tensor or argument does not fit the graph.
    InvalidArgument,
    /// The model cannot be read.
    InvalidEncoding,
    /// The inference took too long.
    Timeout,
    /// The runtime failed during an inference.
    RuntimeError,
    /// The implementation lacks a datatype, an operator or a target.
    UnsupportedOperation,
    /// A tensor or model is larger than the implementation allows.
    TooLarge,
    /// There is no graph of that name.
    NotFound,
    /// Guests may not do this.
    Security,
    /// None of the above.
    Unknown,
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

    /// A `RuntimeError`.
    pub fn runtime(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::RuntimeError, message)
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

impl From<crate::UnsupportedDatatype> for Error {
    fn from(error: crate::UnsupportedDatatype) -> Self {
        Self::unsupported(error.to_string())
    }
}
