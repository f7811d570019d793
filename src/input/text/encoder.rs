//! The tokenizer: Hugging Face's library, with the token limit of the model card.

use std::fmt;

use infer_model_card::{Side, TextSpec};
use serde::de::IgnoredAny;
use tokenizers::{
    EncodeInput, PostProcessor, Tokenizer, TruncationDirection, TruncationParams,
    TruncationStrategy,
};

/// A loaded tokenizer.
pub struct Encoder {
    tokenizer: Box<dyn Tokenize>,
    /// Before every text.
    prompt: String,
}

/// The operations of a tokenizer. They are called through a pointer, so that a snapshot without a tokenizer contains
/// nothing of the library.
trait Tokenize {
    fn entries(&self) -> usize;
    fn encode(&self, text: &str, pair: Option<&str>) -> Result<Tokens, String>;
    fn token(&self, id: u32) -> Option<String>;
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The vocabulary has tens of thousands of entries.
        f.debug_tuple("Encoder")
            .field(&self.tokenizer.entries())
            .finish()
    }
}

/// An error in the file of a tokenizer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncoderError {
    /// The file is not in the format of `tokenizers`.
    #[error("it is not a supported tokenizer: {0}")]
    Json(String),
    /// The token limit leaves no room for a text.
    #[error(
        "`max_tokens` is {max_tokens}, but {special} tokens are added to every text; expected more"
    )]
    MaxTokens {
        /// The limit of the card.
        max_tokens: u32,
        /// The number of special tokens.
        special: usize,
    },
}

/// The tokens of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Token ids, including special tokens.
    pub ids: Vec<u32>,
    /// One type for each id: 0 for the first text, 1 for the second text of a pair.
    pub types: Vec<u32>,
}

impl Encoder {
    /// Read a `tokenizer.json`.
    ///
    /// Its padding and truncation are ignored: texts are truncated to the card's `max_tokens`, or to `fixed_tokens` if
    /// the graph takes fewer.
    ///
    /// # Errors
    /// The file is not a tokenizer, or the limit leaves no room beside the special tokens.
    pub fn new(
        json: &str,
        spec: &TextSpec,
        fixed_tokens: Option<u32>,
    ) -> Result<Self, EncoderError> {
        let unknown =
            |error: Box<dyn std::error::Error + Send + Sync>| EncoderError::Json(error.to_string());
        // The library panics if a file ends inside its decoder.
        serde_json::from_str::<IgnoredAny>(json)
            .map_err(|error| EncoderError::Json(error.to_string()))?;
        let mut tokenizer = Tokenizer::from_bytes(json.as_bytes()).map_err(unknown)?;
        let max_tokens = fixed_tokens.map_or(spec.max_tokens, |fixed| fixed.min(spec.max_tokens));
        // The library subtracts this without a check.
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
        Ok(Self {
            tokenizer: Box::new(tokenizer),
            prompt: spec.prompt.clone(),
        })
    }

    /// The tokens of a text, or of a pair of texts, with the card's prompt and special tokens, truncated.
    ///
    /// # Errors
    /// The library's message.
    pub fn encode(&self, text: &str, pair: Option<&str>) -> Result<Tokens, String> {
        if self.prompt.is_empty() {
            return self.tokenizer.encode(text, pair);
        }
        let prompted = [self.prompt.as_str(), text].concat();
        self.tokenizer.encode(&prompted, pair)
    }

    /// The vocabulary's entry of a token id; empty if there is none.
    #[must_use]
    pub fn token(&self, id: u32) -> String {
        self.tokenizer.token(id).unwrap_or_default()
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
