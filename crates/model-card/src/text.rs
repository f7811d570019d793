//! `[text]` and `[embedding]`: how a text becomes a model's inputs, and an output one vector a text.

use serde::Deserialize;

use crate::card::{check_file, float_output};
use crate::{CardError, Datatype, ModelCard, TensorSpec};

/// How a text becomes token ids, `[batch, tokens]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TextSpec {
    /// A file in the model's folder, in the format of Hugging Face's `tokenizers`. What it says of
    /// padding and truncation is passed over: this card decides.
    #[serde(default = "tokenizer_file")]
    pub tokenizer: String,
    /// How many tokens a text may have, the special ones included; longer texts are cut.
    #[serde(default = "usual_max_tokens")]
    pub max_tokens: u32,
    /// The token that fills up the shorter texts of a batch.
    #[serde(default)]
    pub pad_id: u32,
    /// At which end they are filled up.
    #[serde(default)]
    pub padding_side: Side,
    /// At which end longer texts are cut.
    #[serde(default)]
    pub truncation_side: Side,
    /// The input that takes the token ids.
    #[serde(default = "input_ids")]
    pub input_ids: String,
    /// The input that takes 1 for a token and 0 for filling; the graph need not have it.
    #[serde(default = "attention_mask")]
    pub attention_mask: String,
    /// The input that takes 0 for a text and 1 for the second of a pair; the graph need not have it.
    #[serde(default = "token_type_ids")]
    pub token_type_ids: String,
}

impl Default for TextSpec {
    /// What a card has that says nothing of it.
    fn default() -> Self {
        Self {
            tokenizer: tokenizer_file(),
            max_tokens: usual_max_tokens(),
            pad_id: 0,
            padding_side: Side::default(),
            truncation_side: Side::default(),
            input_ids: input_ids(),
            attention_mask: attention_mask(),
            token_type_ids: token_type_ids(),
        }
    }
}

fn tokenizer_file() -> String {
    "tokenizer.json".to_owned()
}

/// BERT's.
fn usual_max_tokens() -> u32 {
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

/// An end of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Its beginning.
    Left,
    /// Its end.
    #[default]
    Right,
}

/// What a tokenizer gives for each token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenInput {
    /// Its number.
    Ids,
    /// 1, or 0 where the text is filled up.
    Mask,
    /// Which text of a pair it is of.
    Types,
}

impl TextSpec {
    /// The longest text that can be asked for, in tokens.
    pub const MAX_TOKENS: u32 = 32_768;

    /// What of a token an input of that name takes; `None` for one that no text gives.
    #[must_use]
    pub fn role(&self, input: &str) -> Option<TokenInput> {
        [
            (&self.input_ids, TokenInput::Ids),
            (&self.attention_mask, TokenInput::Mask),
            (&self.token_type_ids, TokenInput::Types),
        ]
        .into_iter()
        .find_map(|(name, role)| (name == input).then_some(role))
    }
}

/// How an output becomes one vector a text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct EmbeddingSpec {
    /// `[batch, tokens, size]`, or `[batch, size]` with `pooling = "none"`; FP32 or FP16.
    pub output: String,
    /// How one vector is made of all tokens'.
    #[serde(default)]
    pub pooling: Pooling,
    /// Whether vectors are brought to length 1 (by the Euclidean norm).
    #[serde(default = "yes")]
    pub normalize: bool,
}

fn yes() -> bool {
    true
}

/// How one vector is made of all tokens', as the module `Pooling` of `sentence-transformers` has it. What
/// fills up a text does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// Their mean.
    #[default]
    Mean,
    /// The first token's.
    Cls,
    /// The largest of each component.
    Max,
    /// The last token's.
    Last,
    /// The graph has done it.
    None,
}

impl ModelCard {
    /// The input that takes token ids, with how they are made.
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
        check_file("[text] `tokenizer`", &text.tokenizer)?;
        if text.max_tokens == 0 || text.max_tokens > TextSpec::MAX_TOKENS {
            return fail(
                "max_tokens",
                format!(
                    "expected 1 to {} tokens, came {}",
                    TextSpec::MAX_TOKENS,
                    text.max_tokens
                ),
            );
        }
        let Some((_, ids)) = self.text_input() else {
            return fail(
                "input_ids",
                format!("there is no input `{}`", text.input_ids),
            );
        };
        for spec in &self.inputs {
            let place = || format!("[text] input `{}`", spec.name);
            if text.role(&spec.name).is_none() {
                return Err(CardError::value(
                    place(),
                    "is none that a text gives (`input_ids`, `attention_mask`, `token_type_ids`)",
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
                        "has the shape {:?}, expected [batch, tokens], the same for every input",
                        spec.shape
                    ),
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn check_embedding(&self, spec: &EmbeddingSpec) -> Result<(), CardError> {
        if self.text.is_none() {
            return Err(CardError::value(
                "[embedding]",
                "needs `[text]`: it is for models that take texts",
            ));
        }
        if self.classification.is_some() {
            return Err(CardError::value(
                "[embedding]",
                "a model has either this or `[classification]`",
            ));
        }
        let output = float_output(self, "[embedding] `output`", &spec.output)?;
        let (rank, dims) = match spec.pooling {
            Pooling::None => (2, "[batch, size]"),
            _ => (3, "[batch, tokens, size]"),
        };
        if output.shape.len() != rank {
            return Err(CardError::value(
                "[embedding] `output`",
                format!(
                    "`{}` has the shape {:?}, expected {dims}",
                    output.name, output.shape
                ),
            ));
        }
        Ok(())
    }
}
