//! `[text]`: a text becomes a model's inputs.

use infer_tensor::Datatype;
use serde::Deserialize;

use crate::card::check_file_name;
use crate::{CardError, ModelCard, TensorSpec};

/// How a text becomes token ids of shape `[batch, tokens]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TextSpec {
    /// A file in the model's folder, in the format of Hugging Face's `tokenizers`. Its settings for
    /// padding and truncation are ignored; the card's apply.
    #[serde(default = "tokenizer_file")]
    pub tokenizer: String,
    /// The maximum number of tokens in a text, including special tokens; longer texts are truncated.
    #[serde(default = "default_max_tokens")]
    pub max_tokens: u32,
    /// The padding token of the shorter texts in a batch.
    #[serde(default)]
    pub pad_id: u32,
    /// The end of a text that is padded.
    #[serde(default)]
    pub padding_side: Side,
    /// The end of a text that is truncated.
    #[serde(default)]
    pub truncation_side: Side,
    /// The input that takes the token ids.
    #[serde(default = "input_ids")]
    pub input_ids: String,
    /// The input that takes 1 for a token and 0 for padding; optional in the graph.
    #[serde(default = "attention_mask")]
    pub attention_mask: String,
    /// The input that takes 0 for the first text of a pair and 1 for the second; optional in the graph.
    #[serde(default = "token_type_ids")]
    pub token_type_ids: String,
    /// The input that takes the place of each token in its text, from 0, and 1 for padding; optional in the graph.
    #[serde(default = "position_ids")]
    pub position_ids: String,
    /// A text before every text: the default prompt of `sentence-transformers`.
    #[serde(default)]
    pub prompt: String,
}

impl Default for TextSpec {
    /// The section of a card with an empty `[text]`.
    fn default() -> Self {
        Self {
            tokenizer: tokenizer_file(),
            max_tokens: default_max_tokens(),
            pad_id: 0,
            padding_side: Side::default(),
            truncation_side: Side::default(),
            input_ids: input_ids(),
            attention_mask: attention_mask(),
            token_type_ids: token_type_ids(),
            position_ids: position_ids(),
            prompt: String::new(),
        }
    }
}

fn tokenizer_file() -> String {
    "tokenizer.json".to_owned()
}

/// The limit of BERT.
fn default_max_tokens() -> u32 {
    512
}

fn input_ids() -> String {
    "input_ids".to_owned()
}

fn attention_mask() -> String {
    "attention_mask".to_owned()
}

fn token_type_ids() -> String {
    "token_type_ids".to_owned()
}

fn position_ids() -> String {
    "position_ids".to_owned()
}

/// An end of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The beginning.
    Left,
    /// The end.
    #[default]
    Right,
}

/// A value that the tokenizer has for each token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenInput {
    /// The token's id.
    Ids,
    /// 1 for a token, 0 for padding.
    Mask,
    /// The text of a pair that has the token: 0 or 1.
    Types,
    /// The token's place in its text, from 0; 1 for padding, as `transformers` makes it of the mask.
    Positions,
}

impl TextSpec {
    /// The upper limit of `max_tokens`.
    pub const MAX_TOKENS: u32 = 32_768;

    /// The values that the input of that name takes; `None` for an input that texts do not fill.
    #[must_use]
    pub fn role(&self, input: &str) -> Option<TokenInput> {
        [
            (&self.input_ids, TokenInput::Ids),
            (&self.attention_mask, TokenInput::Mask),
            (&self.token_type_ids, TokenInput::Types),
            (&self.position_ids, TokenInput::Positions),
        ]
        .into_iter()
        .find_map(|(name, role)| (name == input).then_some(role))
    }
}

impl ModelCard {
    /// The input that takes token ids, with the settings of the tokenizer.
    #[must_use]
    pub fn text_input(&self) -> Option<(&TextSpec, &TensorSpec)> {
        let text = self.text.as_ref()?;
        let input = self
            .inputs
            .iter()
            .find(|spec| spec.name == text.input_ids)?;
        Some((text, input))
    }

    pub(crate) fn check_text(&self, text: &TextSpec) -> Result<(), CardError> {
        let fail =
            |key: &str, problem: String| Err(CardError::value(format!("[text] `{key}`"), problem));
        check_file_name("[text] `tokenizer`", &text.tokenizer)?;
        if text.max_tokens == 0 || text.max_tokens > TextSpec::MAX_TOKENS {
            return fail(
                "max_tokens",
                format!(
                    "expected 1 to {} tokens, got {}",
                    TextSpec::MAX_TOKENS,
                    text.max_tokens
                ),
            );
        }
        let Some((_, ids)) = self.text_input() else {
            return fail(
                "input_ids",
                format!("the model has no input `{}`", text.input_ids),
            );
        };
        let image = self.image_input().map(|(_, input)| &input.name);
        for spec in self.inputs.iter().filter(|spec| Some(&spec.name) != image) {
            let place = || format!("[text] input `{}`", spec.name);
            if text.role(&spec.name).is_none() {
                return Err(CardError::value(
                    place(),
                    "a text does not fill this input, only `input_ids`, `attention_mask`, `token_type_ids` and `position_ids`",
                ));
            }
            if !matches!(spec.datatype, Datatype::Int64 | Datatype::Int32) {
                return Err(CardError::value(
                    place(),
                    format!("is {}, expected INT64 or INT32", spec.datatype),
                ));
            }
            if spec.shape.len() != 2 || spec.shape != ids.shape {
                return Err(CardError::value(
                    place(),
                    format!(
                        "has shape {:?}, expected [batch, tokens], the same for every input",
                        spec.shape
                    ),
                ));
            }
        }
        Ok(())
    }
}
