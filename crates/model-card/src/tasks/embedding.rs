//! `[embedding]`: an output becomes one vector per text.

use serde::Deserialize;

use super::{Input, Section, SectionKeys, TaskName};
use crate::card::float_output;
use crate::{CardError, ModelCard};

/// How an output becomes one vector per text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct EmbeddingSpec {
    /// An output of shape `[batch, tokens, size]`, or `[batch, size]` with `pooling = "none"`; FP32 or
    /// FP16.
    pub output: String,
    /// How the vectors of a text's tokens become one.
    #[serde(default)]
    pub pooling: Pooling,
    /// Whether each vector is scaled to Euclidean length 1.
    #[serde(default = "default_normalize")]
    pub normalize: bool,
}

fn default_normalize() -> bool {
    true
}

/// How the vectors of a text's tokens become one, as in the module `Pooling` of `sentence-transformers`.
/// Padding tokens do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The mean of all tokens.
    #[default]
    Mean,
    /// The first token.
    Cls,
    /// The maximum of each component.
    Max,
    /// The last token.
    Last,
    /// The graph pools by itself.
    None,
}

impl SectionKeys for EmbeddingSpec {
    const KEYS: &'static [&'static str] = &["normalize", "output", "pooling"];
    const NAMES: &'static [TaskName] = &[TaskName("feature-extraction", Input::Text)];
}

impl Section for EmbeddingSpec {
    fn check(&self, card: &ModelCard) -> Result<(), CardError> {
        if card.text.is_none() {
            return Err(CardError::value(
                "[embedding]",
                "needs the section `[text]`: only models that take text have embeddings",
            ));
        }
        let output = float_output(card, "[embedding] `output`", &self.output)?;
        let (rank, dims) = match self.pooling {
            Pooling::None => (2, "[batch, size]"),
            _ => (3, "[batch, tokens, size]"),
        };
        if output.shape.len() != rank {
            return Err(CardError::value(
                "[embedding] `output`",
                format!(
                    "`{}` has shape {:?}, expected {dims}",
                    output.name, output.shape
                ),
            ));
        }
        Ok(())
    }

    fn summary(&self) -> Option<String> {
        let pooling = format!("{:?}", self.pooling).to_lowercase();
        Some(format!("of {}, pooling {pooling}", self.output))
    }
}
