//! `[fill_mask]`: an output becomes the words for a masked place in a text.

use serde::Deserialize;

use super::{Input, Section, SectionKeys, TaskName};
use crate::card::float_output;
use crate::{CardError, ModelCard};

/// How an output becomes words for the mask in a text.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct FillMaskSpec {
    /// The output with one value per entry of the vocabulary and token, shape `[batch, tokens, vocabulary]`.
    pub output: String,
    /// The token that stands for a missing word, as the tokenizer has it.
    #[serde(default = "default_mask_token")]
    pub mask_token: String,
    /// The number of words in a response, unless the request sets `top_k`.
    #[serde(default = "default_top_k")]
    pub top_k: u32,
}

fn default_mask_token() -> String {
    "[MASK]".to_owned()
}

fn default_top_k() -> u32 {
    5
}

impl SectionKeys for FillMaskSpec {
    const KEYS: &'static [&'static str] = &["mask_token", "output", "top_k"];
    const NAMES: &'static [TaskName] = &[TaskName("fill-mask", Input::Text)];
}

impl Section for FillMaskSpec {
    fn check(&self, card: &ModelCard) -> Result<(), CardError> {
        if card.text.is_none() {
            return Err(CardError::value(
                "[fill_mask]",
                "needs the section `[text]`",
            ));
        }
        let output = float_output(card, "[fill_mask] `output`", &self.output)?;
        if output.shape.len() != 3 {
            return Err(CardError::value(
                "[fill_mask] `output`",
                format!(
                    "`{}` has shape {:?}, expected [batch, tokens, vocabulary]",
                    output.name, output.shape
                ),
            ));
        }
        if self.top_k == 0 {
            return Err(CardError::value(
                "[fill_mask] `top_k`",
                "expected 1 or more, got 0",
            ));
        }
        if self.mask_token.is_empty() {
            return Err(CardError::value("[fill_mask] `mask_token`", "is empty"));
        }
        Ok(())
    }
}
