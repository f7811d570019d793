//! What can go wrong.

/// Of what kind an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file, a node of it or one of its weights is not what ONNX's specification says.
    Graph,
    /// An operator, an attribute, a version or a datatype that is not done here.
    Unsupported,
    /// Values or shapes that the graph cannot be computed with.
    Input,
    /// A tensor larger than the memory there is.
    Memory,
}

/// An error, with where in the graph it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default())]
pub struct Error {
    kind: ErrorKind,
    at: Option<String>,
    message: String,
}

impl Error {
    /// An error of that kind; the message says what was wrong, what was expected and what came.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            at: None,
            message: message.into(),
        }
    }

    /// A file or node that is not what the specification says.
    #[must_use]
    pub fn graph(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Graph, message)
    }

    /// Something that is not done here.
    #[must_use]
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Values or shapes that do not go together.
    #[must_use]
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, message)
    }

    /// The same error, with the node where it was; the innermost is kept.
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

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// What most of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;
