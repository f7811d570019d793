//! How Text Embeddings Inference and Hugging Face's API encode texts: prompts, and what happens to a text that is longer
//! than the model.

use std::borrow::Cow;

use infer_model_card::Side;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::members::{Members, wrong};
use crate::catalog::Model;
use crate::http::error::{ApiError, EMPTY};
use crate::http::limits::Limits;
use crate::input::text::{self, Encoder, Texts, Tokens};

/// The names of the members that [`TextOptions::read`] reads.
pub const NAMES: [&str; 3] = ["truncate", "truncation_direction", "prompt_name"];

/// The options of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// Whether texts may be truncated.
    truncate: bool,
    /// The end that is truncated, if the request says it.
    direction: Option<Side>,
}

/// Texts, or their token ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextInput<'a> {
    /// Texts.
    Texts(Vec<Cow<'a, str>>),
    /// Token ids of each text, special tokens included.
    Ids(Vec<Vec<u32>>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Ids {
    One(Vec<Id>),
    Many(Vec<Vec<Id>>),
}

/// A token id. It may be written with a fraction of zero, such as `7.0`, which is an integer in JSON Schema.
#[derive(Deserialize)]
#[serde(try_from = "serde_json::Number")]
struct Id(u32);

impl TryFrom<serde_json::Number> for Id {
    type Error = &'static str;

    fn try_from(number: serde_json::Number) -> Result<Self, Self::Error> {
        let of_float = || {
            let value = number.as_f64()?;
            let is_id = value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value);
            // `as` is exact here.
            is_id.then_some(value as u64)
        };
        let id = number.as_u64().or_else(of_float);
        id.and_then(|id| u32::try_from(id).ok())
            .map(Self)
            .ok_or("it is no token id")
    }
}

impl<'a> TextInput<'a> {
    /// Read a text, texts, token ids or lists of token ids.
    ///
    /// # Errors
    /// 400 for every other value, and for no texts.
    pub fn read(name: &'static str, value: &'a RawValue) -> Result<Self, ApiError> {
        let input = match text::from_json(name, value) {
            Ok(texts) => Self::Texts(texts),
            Err(_) => match ids(value) {
                Some(ids) => Self::Ids(ids),
                None => {
                    return Err(wrong(name, value, "a text, a list of texts, or token ids"));
                }
            },
        };
        input.check_content(name)?;
        Ok(input)
    }

    fn check_content(&self, name: &'static str) -> Result<(), ApiError> {
        let (count, empty) = match self {
            Self::Texts(texts) => (texts.len(), texts.iter().position(|text| text.is_empty())),
            Self::Ids(rows) => (rows.len(), rows.iter().position(Vec::is_empty)),
        };
        check_content(name, count, empty)
    }
}

/// Token ids, as one list or as lists.
#[must_use]
pub fn ids(value: &RawValue) -> Option<Vec<Vec<u32>>> {
    let numbers = |ids: Vec<Id>| ids.into_iter().map(|Id(id)| id).collect();
    match serde_json::from_str(value.get()).ok()? {
        Ids::One(ids) => Some(vec![numbers(ids)]),
        Ids::Many(rows) => Some(rows.into_iter().map(numbers).collect()),
    }
}

/// Refuse a list without texts, and an empty text at a place.
///
/// # Errors
/// 400 with the code [`EMPTY`].
pub fn check_content(
    name: &'static str,
    count: usize,
    empty: Option<usize>,
) -> Result<(), ApiError> {
    let problem = match (count, empty) {
        (0, _) => format!("`{name}` is empty, expected one text or more"),
        (1, Some(_)) => format!("`{name}` is an empty text, expected a text"),
        (_, Some(index)) => format!("text {index} of `{name}` is empty, expected a text"),
        (_, None) => return Ok(()),
    };
    Err(ApiError::invalid(problem).with_code(EMPTY).of_param(name))
}

impl TextOptions {
    /// Read the options of a request.
    ///
    /// # Errors
    /// 400 for values of other types, and for the name of a prompt, which cards do not have.
    pub fn read(members: &Members, model: &Model) -> Result<Self, ApiError> {
        if let Some(name) = members.text("prompt_name", "the name of a prompt")? {
            return Err(ApiError::invalid(format!(
                "`prompt_name` is {}, but model `{}` has no named prompts, only the key `prompt` of its card, which goes \
                 before every text; leave it out",
                crate::http::error::quoted(&name),
                model.name
            ))
            .of_param("prompt_name"));
        }
        let words = ["left", "right", "Left", "Right"];
        let direction = members.choice("truncation_direction", &words)?;
        Ok(Self {
            truncate: members.flag("truncate")?.unwrap_or(true),
            direction: direction.map(|word| match word {
                "left" | "Left" => Side::Left,
                _ => Side::Right,
            }),
        })
    }

    /// The tokens of texts.
    ///
    /// # Errors
    /// 413 for a text that is longer than the model, unless it may be truncated at that end; 400 for a token id that the
    /// vocabulary does not have; the errors of [`text::encode`].
    pub fn encode(
        &self,
        input: &TextInput,
        model: &Model,
        limits: &Limits,
    ) -> Result<Texts, ApiError> {
        match input {
            TextInput::Texts(texts) => {
                self.check_lengths(texts, None, model)?;
                text::encode(model.accepts(), texts, None, limits)
            }
            TextInput::Ids(rows) => {
                let encoder = encoder(model)?;
                text::check("text", rows.iter().map(|_| ""), limits)?;
                let rows = rows.iter().enumerate();
                let rows = rows.map(|(index, ids)| self.tokens(index, ids, encoder));
                Ok(Texts {
                    rows: rows.collect::<Result<_, _>>()?,
                })
            }
        }
    }

    /// Check texts, or pairs of texts, against what the model takes, if they may not be truncated.
    ///
    /// # Errors
    /// Those of [`Self::encode`].
    pub fn check_lengths(
        &self,
        texts: &[Cow<str>],
        pairs: Option<&[Cow<str>]>,
        model: &Model,
    ) -> Result<(), ApiError> {
        let encoder = encoder(model)?;
        if self.takes_any_length(encoder) {
            return Ok(());
        }
        for (index, text) in texts.iter().enumerate() {
            let second = pairs
                .and_then(|pairs| pairs.get(index))
                .filter(|second| !second.is_empty());
            let length = |piece: Result<text::parts::Piece, String>| {
                let piece = piece.map_err(|reason| {
                    ApiError::invalid(format!("text {index} cannot be encoded: {reason}"))
                })?;
                Ok::<_, ApiError>(piece.len())
            };
            let mut tokens = length(encoder.prompted_piece(text))?;
            if let Some(second) = second {
                tokens += length(encoder.piece(second))?;
            }
            self.check_length(index, tokens + encoder.special(second.is_some()), encoder)?;
        }
        Ok(())
    }

    fn takes_any_length(&self, encoder: &Encoder) -> bool {
        let side = encoder.truncation_side();
        self.truncate && self.direction.is_none_or(|direction| direction == side)
    }

    fn check_length(&self, index: usize, tokens: usize, encoder: &Encoder) -> Result<(), ApiError> {
        let most = encoder.max_tokens();
        if tokens <= most || self.takes_any_length(encoder) {
            return Ok(());
        }
        let advice = if self.truncate {
            let side = match encoder.truncation_side() {
                Side::Left => "left",
                Side::Right => "right",
            };
            format!("the model truncates texts at the {side}")
        } else {
            "set `truncate`, or send a shorter text".to_owned()
        };
        Err(ApiError::too_large(format!(
            "text {index} has {tokens} tokens, expected at most {most}; {advice}"
        )))
    }

    /// Token ids as they are, truncated.
    fn tokens(&self, index: usize, ids: &[u32], encoder: &Encoder) -> Result<Tokens, ApiError> {
        if let Some(id) = ids.iter().find(|id| encoder.token(**id).is_empty()) {
            return Err(ApiError::invalid(format!(
                "text {index} has the token id {id}, which the model's vocabulary does not have"
            )));
        }
        self.check_length(index, ids.len(), encoder)?;
        let most = encoder.max_tokens().min(ids.len());
        let kept = match encoder.truncation_side() {
            Side::Left => ids.get(ids.len() - most..),
            Side::Right => ids.get(..most),
        };
        let ids = kept.unwrap_or(ids).to_vec();
        Ok(Tokens {
            types: vec![0; ids.len()],
            ids,
        })
    }
}

/// The tokenizer of a model.
///
/// # Errors
/// 400 for a model that takes no texts.
pub fn encoder(model: &Model) -> Result<&Encoder, ApiError> {
    model
        .text
        .as_deref()
        .ok_or_else(|| ApiError::invalid(format!("model `{}` takes no texts", model.name)))
}
