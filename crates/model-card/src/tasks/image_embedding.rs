//! `[image_embedding]`: an output becomes one vector per image.

use serde::Deserialize;

use super::{Input, Section, SectionKeys, TaskName};
use crate::card::float_output;
use crate::{CardError, ModelCard, Pooling};

/// How an output becomes one vector per image.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ImageEmbeddingSpec {
    /// An output of shape `[batch, tokens, size]`, or `[batch, size]` with `pooling = "none"`; FP32 or FP16.
    pub output: String,
    /// How the vectors of the image's tokens become one: `mean`, `cls` or `none`.
    #[serde(default = "default_pooling")]
    pub pooling: Pooling,
    /// Whether each vector is scaled to Euclidean length 1.
    #[serde(default)]
    pub normalize: bool,
}

fn default_pooling() -> Pooling {
    Pooling::None
}

impl SectionKeys for ImageEmbeddingSpec {
    const KEYS: &'static [&'static str] = &["normalize", "output", "pooling"];
    const NAMES: &'static [TaskName] = &[TaskName("image-feature-extraction", Input::Image)];
}

impl Section for ImageEmbeddingSpec {
    fn check(&self, card: &ModelCard) -> Result<(), CardError> {
        if card.image.is_none() {
            return Err(CardError::value(
                "[image_embedding]",
                "needs the section `[image]`; texts have `[embedding]`",
            ));
        }
        let output = float_output(card, "[image_embedding] `output`", &self.output)?;
        let (rank, dimensions) = match self.pooling {
            Pooling::None => (2, "[batch, size]"),
            _ => (3, "[batch, tokens, size]"),
        };
        if output.shape.len() == rank {
            return Ok(());
        }
        Err(CardError::value(
            "[image_embedding] `output`",
            format!(
                "`{}` has shape {:?}, expected {dimensions}",
                output.name, output.shape
            ),
        ))
    }
}
