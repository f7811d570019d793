//! `[ranking]`: a cross-encoder scores documents for a query.

use serde::Deserialize;

use super::{Input, Section, SectionKeys, TaskName};
use crate::card::float_output;
use crate::{Activation, CardError, ModelCard};

/// How an output becomes the score of a document for a query.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RankingSpec {
    /// The output with one value per pair of query and document, shape `[batch, 1]` or `[batch]`.
    pub output: String,
    /// The function that turns the value into a score: `sigmoid` or `none`.
    #[serde(default = "default_activation")]
    pub activation: Activation,
}

fn default_activation() -> Activation {
    Activation::Sigmoid
}

impl SectionKeys for RankingSpec {
    const KEYS: &'static [&'static str] = &["activation", "output"];
    const NAMES: &'static [TaskName] = &[TaskName("text-ranking", Input::Text)];
}

impl Section for RankingSpec {
    fn check(&self, card: &ModelCard) -> Result<(), CardError> {
        if card.text.is_none() {
            return Err(CardError::value("[ranking]", "needs the section `[text]`"));
        }
        let output = float_output(card, "[ranking] `output`", &self.output)?;
        if !matches!(output.shape.as_slice(), [_] | [_, -1 | 1]) {
            return Err(CardError::value(
                "[ranking] `output`",
                format!(
                    "`{}` has shape {:?}, expected [batch, 1]: one score per pair",
                    output.name, output.shape
                ),
            ));
        }
        if self.activation == Activation::Softmax {
            return Err(CardError::value(
                "[ranking] `activation`",
                "softmax of one value is always 1, expected `sigmoid` or `none`",
            ));
        }
        Ok(())
    }
}
