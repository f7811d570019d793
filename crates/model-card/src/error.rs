//! The errors of a model card.

use crate::LabelsError;

/// A `model.toml` that is not valid. The message says where, what was expected and what the card has.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// The text is not TOML, or a value has the wrong type.
    #[error("{0}")]
    Toml(String),
    /// A key that the section does not have.
    #[error("unknown key `{key}` in {place}; {}", nearest.as_ref().map_or_else(
        || format!("known keys are {}", known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")),
        |nearest| format!("did you mean `{nearest}`?"),
    ))]
    UnknownKey {
        /// The key in the card.
        key: String,
        /// The section that has it.
        place: String,
        /// The known key that it resembles, if any.
        nearest: Option<String>,
        /// All keys of the section.
        known: Vec<&'static str>,
    },
    /// A key that cards have no more.
    #[error("the card has the key `{key}`: {reason}")]
    RetiredKey {
        /// The key in the card.
        key: &'static str,
        /// Why there is no such key any more, and what to do.
        reason: &'static str,
    },
    /// A value of the right type that the card must not have.
    #[error("{place}: {problem}")]
    Value {
        /// The section and key.
        place: String,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// The label file that the card names is not valid.
    #[error("`{file}`: {source}")]
    Labels {
        /// The file's name in the card.
        file: String,
        /// The reason.
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

    pub(crate) fn toml(error: &toml::de::Error) -> Self {
        Self::Toml(error.to_string().trim_end().to_owned())
    }
}
