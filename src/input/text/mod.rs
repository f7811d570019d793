//! Texts become token ids, and what a model makes of their tokens one vector a text.
//!
//! [`encoder`] is the tokenizer; [`batches`] makes tensors of what it gives.

pub mod batches;
pub mod encoder;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::catalog::Model;
use crate::http::error::{ApiError, quoted};
use crate::http::limits::{self, Limits, MAX_TEXT_BYTES, MAX_TEXTS};
pub use encoder::{Encoder, EncoderError, Tokens};

/// The name of the output that is one vector a text, as `sentence-transformers` has it.
pub const SENTENCE_EMBEDDING: &str = "sentence_embedding";

/// Texts of a request, each as its tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// In the request's order.
    pub rows: Vec<Tokens>,
}

impl Texts {
    /// How many tokens there are, those that fill up a batch aside.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.rows.iter().map(|row| row.ids.len()).sum()
    }
}

/// One text or several, as they stand in JSON.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<'a> {
    One(#[serde(borrow)] Cow<'a, str>),
    Many(#[serde(borrow)] Vec<Cow<'a, str>>),
}

/// Read a text or a list of texts from JSON; `what` is the member that has it.
///
/// # Errors
/// 400 for anything else.
pub fn from_json<'a>(what: &str, json: &'a RawValue) -> Result<Vec<Cow<'a, str>>, ApiError> {
    match serde_json::from_str(json.get()) {
        Ok(OneOrMany::One(text)) => Ok(vec![text]),
        Ok(OneOrMany::Many(texts)) => Ok(texts),
        Err(_) => Err(ApiError::invalid(format!(
            "`{what}` is {}, expected a text or a list of texts",
            quoted(json.get())
        ))),
    }
}

/// A body that is a text.
///
/// # Errors
/// 400 when it is not UTF-8.
pub fn from_bytes(body: &[u8]) -> Result<&str, ApiError> {
    std::str::from_utf8(body).map_err(|error| {
        ApiError::invalid(format!(
            "the text is not UTF-8: the byte at {} is none that can be there",
            error.valid_up_to()
        ))
    })
}

/// The tokens of texts, or of pairs of texts.
///
/// # Errors
/// 400 when the model takes no texts, when there are none, not as many second texts as first ones, or
/// one cannot be encoded; 413 for too many, and for a text over the limit.
pub fn encode(
    model: &Model,
    texts: &[Cow<str>],
    pairs: Option<&[Cow<str>]>,
    limits: &Limits,
) -> Result<Texts, ApiError> {
    let encoder = model.text.as_ref().ok_or_else(|| {
        ApiError::invalid(format!(
            "model `{}` takes no texts; it takes {}",
            model.name,
            model.media_types().join(", ")
        ))
    })?;
    if texts.is_empty() {
        return Err(ApiError::invalid(
            "the list of texts is empty, expected one or more",
        ));
    }
    // What the API's description says of a list, so it is as wrong as any other list that does not fit it.
    limits::check(texts.len(), "texts", limits.max_texts, MAX_TEXTS)
        .map_err(|error| ApiError::invalid(error.to_string()))?;
    if let Some(pairs) = pairs
        && pairs.len() != texts.len()
    {
        return Err(ApiError::invalid(format!(
            "`text` has {} and `text_pair` {}, expected as many",
            texts.len(),
            pairs.len()
        )));
    }
    let which = |index: usize| {
        if texts.len() == 1 {
            "the text".to_owned()
        } else {
            format!("text {index}")
        }
    };
    let check = |index: usize, text: &str| {
        if text.len() as u64 > limits.max_text_bytes {
            return Err(limits::exceeded(
                format_args!(
                    "{} has {} bytes, expected at most {}",
                    which(index),
                    text.len(),
                    limits.max_text_bytes
                ),
                MAX_TEXT_BYTES,
            ));
        }
        Ok(())
    };
    let mut rows = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        // To `transformers` a second text that is empty is none.
        let pair = pairs
            .and_then(|pairs| pairs.get(index))
            .map(AsRef::as_ref)
            .filter(|pair: &&str| !pair.is_empty());
        check(index, text)?;
        check(index, pair.unwrap_or_default())?;
        let tokens = encoder.encode(text, pair).map_err(|reason| {
            ApiError::invalid(format!("{} cannot be encoded: {reason}", which(index)))
        })?;
        if tokens.ids.is_empty() {
            return Err(ApiError::invalid(format!(
                "{} has no tokens, expected at least one",
                which(index)
            )));
        }
        rows.push(tokens);
    }
    Ok(Texts { rows })
}
