//! `[sparse_embedding]`: an output becomes one weight per entry of the vocabulary, of which few are not 0.

use serde::Deserialize;

use super::{Section, SectionKeys, TaskName};
use crate::card::float_output;
use crate::{CardError, ModelCard};

/// How an output becomes one sparse vector per text, as SPLADE has it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct SparseEmbeddingSpec {
    /// The output of shape `[batch, tokens, vocabulary]`, whose `log(1 + max(0, x))` is maximized over the tokens; or
    /// `[batch, vocabulary]`, which is the vector.
    pub output: String,
}

impl SectionKeys for SparseEmbeddingSpec {
    const KEYS: &'static [&'static str] = &["output"];
    const NAMES: &'static [TaskName] = &[];
}

impl Section for SparseEmbeddingSpec {
    fn check(&self, card: &ModelCard) -> Result<(), CardError> {
        if card.text.is_none() {
            return Err(CardError::value(
                "[sparse_embedding]",
                "needs the section `[text]`",
            ));
        }
        let output = float_output(card, "[sparse_embedding] `output`", &self.output)?;
        if !(2..=3).contains(&output.shape.len()) {
            return Err(CardError::value(
                "[sparse_embedding] `output`",
                format!(
                    "`{}` has shape {:?}, expected [batch, tokens, vocabulary] or [batch, vocabulary]",
                    output.name, output.shape
                ),
            ));
        }
        Ok(())
    }
}
