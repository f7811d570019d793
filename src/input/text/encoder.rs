//! The tokenizer: Hugging Face's own library, with what the model card says of length.

use std::fmt;

use infer_model_card::{Side, TextSpec};
use serde::de::IgnoredAny;
use tokenizers::{
    EncodeInput, PostProcessor, Tokenizer, TruncationDirection, TruncationParams,
    TruncationStrategy,
};

/// A tokenizer that is ready.
pub struct Encoder(Box<dyn Tokenize>);

/// What is done with a tokenizer. It is called through a pointer, so that of a snapshot without one the library is
/// no part.
trait Tokenize {
    fn entries(&self) -> usize;
    fn encode(&self, text: &str, pair: Option<&str>) -> Result<Tokens, String>;
    fn token(&self, id: u32) -> Option<String>;
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its vocabulary has tens of thousands of entries.
        f.debug_tuple("Encoder").field(&self.0.entries()).finish()
    }
}

/// Why a tokenizer's file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncoderError {
    /// Not in the format of `tokenizers`.
    #[error("it is no tokenizer that is known: {0}")]
    Json(String),
    /// Nothing is left of a text.
    #[error(
        "`max_tokens` is {max_tokens}, but {special} tokens are added to every text; expected more"
    )]
    MaxTokens {
        /// What the card says.
        max_tokens: u32,
        /// How many the tokenizer adds.
        special: usize,
    },
}

/// The tokens of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Their numbers, with the special ones.
    pub ids: Vec<u32>,
    /// 0 for a text, 1 for the second of a pair; as many.
    pub types: Vec<u32>,
}

impl Encoder {
    /// Read a `tokenizer.json`. What it says of padding and truncation is passed over: texts are cut
    /// at the card's `max_tokens`, or at `fixed_tokens` where the graph has room for no more.
    ///
    /// # Errors
    /// When it is none, or no text has room beside the tokens that are added.
    pub fn new(
        json: &str,
        spec: &TextSpec,
        fixed_tokens: Option<u32>,
    ) -> Result<Self, EncoderError> {
        let unknown =
            |error: Box<dyn std::error::Error + Send + Sync>| EncoderError::Json(error.to_string());
        // The library panics where a file breaks off within its decoder.
        serde_json::from_str::<IgnoredAny>(json)
            .map_err(|error| EncoderError::Json(error.to_string()))?;
        let mut tokenizer = Tokenizer::from_bytes(json.as_bytes()).map_err(unknown)?;
        let max_tokens = fixed_tokens.map_or(spec.max_tokens, |fixed| fixed.min(spec.max_tokens));
        // The library subtracts without a check.
        let special = tokenizer
            .get_post_processor()
            .map_or(0, |processor| processor.added_tokens(true));
        if max_tokens as usize <= special {
            return Err(EncoderError::MaxTokens {
                max_tokens,
                special,
            });
        }
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(Some(TruncationParams {
                max_length: max_tokens as usize,
                strategy: TruncationStrategy::LongestFirst,
                stride: 0,
                direction: match spec.truncation_side {
                    Side::Left => TruncationDirection::Left,
                    Side::Right => TruncationDirection::Right,
                },
            }))
            .map_err(unknown)?;
        Ok(Self(Box::new(tokenizer)))
    }

    /// The tokens of a text, or of a pair of texts, special ones added and the length cut.
    ///
    /// # Errors
    /// The library's word.
    pub fn encode(&self, text: &str, pair: Option<&str>) -> Result<Tokens, String> {
        self.0.encode(text, pair)
    }

    /// A token as the vocabulary has it, for people; empty for a number that it lacks.
    #[must_use]
    pub fn token(&self, id: u32) -> String {
        self.0.token(id).unwrap_or_default()
    }
}

impl Tokenize for Tokenizer {
    fn entries(&self) -> usize {
        self.get_vocab_size(true)
    }

    fn encode(&self, text: &str, pair: Option<&str>) -> Result<Tokens, String> {
        let input: EncodeInput = match pair {
            Some(pair) => (text, pair).into(),
            None => text.into(),
        };
        let encoding = self
            .encode_fast(input, true)
            .map_err(|error| error.to_string())?;
        Ok(Tokens {
            ids: encoding.get_ids().to_vec(),
            types: encoding.get_type_ids().to_vec(),
        })
    }

    fn token(&self, id: u32) -> Option<String> {
        self.id_to_token(id)
    }
}
