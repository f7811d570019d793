//! The forms in which tasks take requests.

/// The form in which a task takes requests, other than tensors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Images, sounds and texts that become the graph's inputs before the task runs.
    #[default]
    Prepared,
    /// Encoded images.
    Images,
    /// Encoded sounds.
    Sounds,
    /// Texts.
    Texts,
    /// Questions, each with its context.
    Questions,
    /// Queries, each with its documents.
    Queries,
}

impl Form {
    /// The members that a JSON body of this form has, beside those of tensors.
    #[must_use]
    pub const fn members(self) -> &'static [&'static str] {
        match self {
            Self::Prepared => &[],
            Self::Images => &["image"],
            Self::Sounds => &["audio"],
            Self::Texts => &["text"],
            Self::Questions => &["question", "context"],
            Self::Queries => &["query", "documents"],
        }
    }
}
