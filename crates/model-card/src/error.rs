//! Why a model card is refused.

use crate::LabelsError;

/// A `model.toml` that cannot be used; the message says where, what was expected and what came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// Not TOML, or a value of the wrong type.
    #[error("{0}")]
    Toml(String),
    /// A key that no card has.
    #[error("unknown key `{key}` in {place}; {}", nearest.as_ref().map_or_else(
        || format!("known are {}", known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")),
        |nearest| format!("did you mean `{nearest}`?"),
    ))]
    UnknownKey {
        /// The key as written.
        key: String,
        /// The section it stands in.
        place: String,
        /// The known key that it resembles, if one does.
        nearest: Option<String>,
        /// All known keys of the section.
        known: Vec<&'static str>,
    },
    /// A value of the right type that makes no sense.
    #[error("{place}: {problem}")]
    Value {
        /// The section and key.
        place: String,
        /// What was expected and what came.
        problem: String,
    },
    /// The label file that the card names.
    #[error("`{file}`: {source}")]
    Labels {
        /// The file's name as the card gives it.
        file: String,
        /// What is wrong with it.
        source: LabelsError,
    },
}

impl CardError {
    pub(crate) fn value(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Value {
            place: place.into(),
            problem: problem.into(),
        }
    }
}
