//! The tokenizer: Hugging Face's library, with the token limit of the model card.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use infer_model_card::{Side, TextSpec};
use serde::de::IgnoredAny;
use tokenizers::models::ModelWrapper;
use tokenizers::{
    EncodeInput, Encoding, PostProcessor, PostProcessorWrapper, Tokenizer, TruncationDirection,
    TruncationParams, TruncationStrategy,
};

use super::parts::{Part, Piece, Place, Slice, Tokens, WordRule};

/// A loaded tokenizer.
pub struct Encoder {
    tokenizer: Rc<dyn Tokenize>,
    /// For the tasks that need the places of tokens.
    places: Option<Rc<dyn Places>>,
    /// Before every text.
    prompt: String,
    /// The most tokens of an input, with special tokens.
    max_tokens: usize,
    /// The end of a text that is truncated.
    truncation_side: Side,
}

/// The operations of a tokenizer. They are called through a pointer, so that a snapshot without a tokenizer contains
/// nothing of the library.
trait Tokenize {
    fn entries(&self) -> usize;
    fn encode(&self, text: &str, pair: Option<&str>) -> Result<Tokens, String>;
    fn token(&self, id: u32) -> Option<String>;
}

/// The operations of tasks that need the places of tokens. They have a pointer of their own, so that a snapshot without such a
/// task does not contain them.
trait Places {
    fn id(&self, token: &str) -> Option<u32>;
    fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, String>;
    fn special(&self, is_pair: bool) -> usize;
    fn words(&self) -> WordRule;
    fn piece(&self, text: &str) -> Result<Piece, String>;
    fn join(&self, first: &Slice, second: Option<&Slice>) -> Result<Part, String>;
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

impl Encoder {
    /// Read a `tokenizer.json`, for a task that takes tokens.
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
        Self::read(json, spec, fixed_tokens, false)
    }

    /// Read a `tokenizer.json`, for a task or a route that needs the places of tokens in a text.
    ///
    /// # Errors
    /// Those of [`Encoder::new`].
    pub fn with_places(
        json: &str,
        spec: &TextSpec,
        fixed_tokens: Option<u32>,
    ) -> Result<Self, EncoderError> {
        Self::read(json, spec, fixed_tokens, true)
    }

    fn read(
        json: &str,
        spec: &TextSpec,
        fixed_tokens: Option<u32>,
        has_places: bool,
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
        let tokenizer = Rc::new(Library(RefCell::new(tokenizer)));
        let places = has_places.then(|| Rc::clone(&tokenizer) as Rc<dyn Places>);
        Ok(Self {
            tokenizer,
            places,
            prompt: spec.prompt.clone(),
            max_tokens: max_tokens as usize,
            truncation_side: spec.truncation_side,
        })
    }

    fn places(&self) -> Result<&dyn Places, String> {
        let places = self.places.as_deref();
        places.ok_or_else(|| "the model's task takes tokens".to_owned())
    }

    /// The most tokens of an input, with special tokens.
    #[must_use]
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// The number of entries of the vocabulary.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.tokenizer.entries()
    }

    /// The end of a text that is truncated.
    #[must_use]
    pub fn truncation_side(&self) -> Side {
        self.truncation_side
    }

    /// The number of special tokens that the model needs beside a text, or a pair of texts.
    #[must_use]
    pub fn special(&self, is_pair: bool) -> usize {
        self.places
            .as_ref()
            .map_or(0, |places| places.special(is_pair))
    }

    /// What the tokenizer knows about words.
    #[must_use]
    pub fn words(&self) -> WordRule {
        self.places
            .as_ref()
            .map_or_else(WordRule::default, |places| places.words())
    }

    /// The tokens of a whole text, with their places in it; without prompt and special tokens.
    ///
    /// # Errors
    /// The library's message.
    pub fn piece(&self, text: &str) -> Result<Piece, String> {
        self.places()?.piece(text)
    }

    /// The tokens of a whole text after the card's prompt, without special tokens.
    ///
    /// # Errors
    /// The library's message.
    pub fn prompted_piece(&self, text: &str) -> Result<Piece, String> {
        if self.prompt.is_empty() {
            return self.piece(text);
        }
        self.piece(&[self.prompt.as_str(), text].concat())
    }

    /// The model's input of a text, or of a pair of texts, with special tokens. Nothing is truncated.
    ///
    /// # Errors
    /// The library's message.
    pub fn join(&self, first: &Slice, second: Option<&Slice>) -> Result<Part, String> {
        self.places()?.join(first, second)
    }

    /// The text of tokens.
    ///
    /// # Errors
    /// The library's message.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, String> {
        self.places()?.decode(ids, skip_special)
    }

    /// The id of a token, as the vocabulary has it.
    #[must_use]
    pub fn id(&self, token: &str) -> Option<u32> {
        self.places.as_ref()?.id(token)
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

/// The library's tokenizer, with the truncation and the special tokens of [`Tokenize::encode`].
struct Library(RefCell<Tokenizer>);

impl Tokenize for Library {
    fn entries(&self) -> usize {
        self.0.borrow().get_vocab_size(true)
    }

    fn encode(&self, text: &str, pair: Option<&str>) -> Result<Tokens, String> {
        let input: EncodeInput = match pair {
            Some(pair) => (text, pair).into(),
            None => text.into(),
        };
        let tokenizer = self.0.borrow();
        let encoding = tokenizer
            .encode_fast(input, true)
            .map_err(|error| error.to_string())?;
        Ok(tokens(&encoding))
    }

    fn token(&self, id: u32) -> Option<String> {
        self.0.borrow().id_to_token(id)
    }
}

impl Places for Library {
    fn id(&self, token: &str) -> Option<u32> {
        self.0.borrow().token_to_id(token)
    }

    fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, String> {
        let tokenizer = self.0.borrow();
        tokenizer
            .decode(ids, skip_special)
            .map_err(|error| error.to_string())
    }

    fn special(&self, is_pair: bool) -> usize {
        self.0
            .borrow()
            .get_post_processor()
            .map_or(0, |processor| processor.added_tokens(is_pair))
    }

    fn words(&self) -> WordRule {
        let tokenizer = self.0.borrow();
        let (prefix, unknown) = match tokenizer.get_model() {
            ModelWrapper::WordPiece(model) => (
                Some(model.continuing_subword_prefix.as_str()),
                Some(model.unk_token.as_str()),
            ),
            ModelWrapper::BPE(model) => (
                model.continuing_subword_prefix.as_deref(),
                model.unk_token.as_deref(),
            ),
            ModelWrapper::WordLevel(model) => (None, Some(model.unk_token.as_str())),
            ModelWrapper::Unigram(_) => (None, Some("<unk>")),
        };
        WordRule {
            has_prefix: prefix.is_some_and(|prefix| !prefix.is_empty()),
            unknown: unknown.and_then(|token| tokenizer.token_to_id(token)),
        }
    }

    fn piece(&self, text: &str) -> Result<Piece, String> {
        let mut tokenizer = self.0.borrow_mut();
        // The processor trims the places of tokens, which it must do once, in `join`.
        let truncation = tokenizer.get_truncation().cloned();
        let processor = tokenizer.get_post_processor().cloned();
        tokenizer.with_post_processor(None::<PostProcessorWrapper>);
        let encoding = match tokenizer.with_truncation(None) {
            Ok(tokenizer) => tokenizer.encode_char_offsets(text, false),
            Err(error) => Err(error),
        };
        tokenizer.with_post_processor(processor);
        let restored = tokenizer.with_truncation(truncation).map(drop);
        let encoding = encoding.and_then(|encoding| restored.map(|()| encoding));
        encoding.map(Piece).map_err(|error| error.to_string())
    }

    fn join(&self, first: &Slice, second: Option<&Slice>) -> Result<Part, String> {
        let (first, second) = (cut(first, 0), second.map(|second| cut(second, 1)));
        let tokenizer = self.0.borrow();
        let joined = match tokenizer.get_post_processor() {
            Some(processor) => processor.process(first, second, true),
            None => <dyn PostProcessor>::default_process(
                [Some(first), second].into_iter().flatten().collect(),
                true,
            )
            .map(|joined| Encoding::merge(joined, false)),
        };
        let joined = joined.map_err(|error| error.to_string())?;
        let texts = joined.get_sequence_ids();
        let places = (texts.iter().zip(joined.get_offsets())).enumerate();
        let places = places.map(|(token, (text, (start, end)))| Place {
            text: text.and_then(|text| u8::try_from(text).ok()),
            start: *start,
            end: *end,
            word: joined.get_word_ids().get(token).copied().flatten(),
        });
        Ok(Part {
            places: places.collect(),
            tokens: tokens(&joined),
        })
    }
}

fn tokens(encoding: &Encoding) -> Tokens {
    Tokens {
        ids: encoding.get_ids().to_vec(),
        types: encoding.get_type_ids().to_vec(),
    }
}

/// The tokens of a slice as the library has them after it has truncated a text.
fn cut(slice: &Slice, kind: u32) -> Encoding {
    fn part<T: Clone>(all: &[T], slice: &Slice) -> Vec<T> {
        all.get(slice.tokens.clone()).unwrap_or_default().to_vec()
    }
    let whole = &slice.piece.0;
    let ids = part(whole.get_ids(), slice);
    Encoding::new(
        ids.clone(),
        vec![kind; ids.len()],
        part(whole.get_tokens(), slice),
        part(whole.get_word_ids(), slice),
        part(whole.get_offsets(), slice),
        part(whole.get_special_tokens_mask(), slice),
        part(whole.get_attention_mask(), slice),
        Vec::new(),
        Default::default(),
    )
}
