//! The crate's error: its kind, and where in the graph it occurred.

/// The kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file, one of its nodes or one of its weights violates ONNX's specification.
    Graph,
    /// An operator, a version, an attribute or a datatype is not supported.
    Unsupported,
    /// The graph cannot be run with these values or shapes.
    Input,
    /// A tensor does not fit into memory.
    Memory,
}

/// An error, with the node that it occurred at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default())]
pub struct Error {
    kind: ErrorKind,
    at: Option<String>,
    message: String,
}

impl Error {
    /// An error of that kind. The message says what is wrong, what was expected and what there was instead.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            at: None,
            message: message.into(),
        }
    }

    /// An error of kind [`ErrorKind::Graph`].
    #[must_use]
    pub fn graph(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Graph, message)
    }

    /// An error of kind [`ErrorKind::Unsupported`].
    #[must_use]
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// An error of kind [`ErrorKind::Input`].
    #[must_use]
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, message)
    }

    /// The same error with the node that it occurred at. An error that has a node keeps it: the innermost one counts.
    #[must_use]
    pub fn at(mut self, node: &str, op_type: &str) -> Self {
        if self.at.is_none() {
            self.at = Some(if node.is_empty() {
                op_type.to_owned()
            } else {
                format!("node `{node}` ({op_type})")
            });
        }
        self
    }

    /// The error's kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;
