//! Texts become token ids.
//!
//! [`encoder`] is the tokenizer; [`parts`] has the places of tokens in a text; [`batches`] makes tensors of tokens.

pub mod batches;
pub mod encoder;
pub mod parts;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::accepts::Accepts;
use crate::http::error::{ApiError, quoted};
use crate::http::limits::{self, Limits, MAX_TEXT_BYTES, MAX_TEXTS};
pub use encoder::{Encoder, EncoderError};
pub use parts::Tokens;

/// The name of the output with one vector for each text, as in `sentence-transformers`.
pub const SENTENCE_EMBEDDING: &str = "sentence_embedding";

/// The tokens of each text of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// One row for each text, in the order of the request.
    pub rows: Vec<Tokens>,
}

impl Texts {
    /// The number of tokens, without padding.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.rows.iter().map(|row| row.ids.len()).sum()
    }
}

/// One text or several, in JSON.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<'a> {
    One(#[serde(borrow)] Cow<'a, str>),
    Many(#[serde(borrow)] Vec<Cow<'a, str>>),
}

/// Read a text or a list of texts from JSON; `what` is the name of the member, for messages.
///
/// # Errors
/// 400 for every other value.
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

/// Read a body that is one text.
///
/// # Errors
/// 400 if it is not UTF-8.
pub fn from_bytes(body: &[u8]) -> Result<&str, ApiError> {
    std::str::from_utf8(body).map_err(|error| {
        ApiError::invalid(format!(
            "the text is not valid UTF-8 from byte {} on, expected UTF-8",
            error.valid_up_to()
        ))
    })
}

/// Check the number of texts and the length of each; `what` is their name, for messages.
///
/// # Errors
/// 400 if there are none or too many, 413 for a text over the limit.
pub fn check<'a, T: AsRef<str> + 'a + ?Sized>(
    what: &str,
    texts: impl IntoIterator<Item = &'a T>,
    limits: &Limits,
) -> Result<(), ApiError> {
    let mut count = 0;
    let mut longest = (0, 0);
    for (index, text) in texts.into_iter().enumerate() {
        count += 1;
        longest = longest.max((text.as_ref().len(), index));
    }
    if count == 0 {
        return Err(ApiError::invalid(format!(
            "the list of {what}s is empty, expected one or more"
        )));
    }
    // 400, not 413: /openapi.json states the limit as `maxItems` of the list, so a longer list breaks the schema.
    limits::check(count, &format!("{what}s"), limits.max_texts, MAX_TEXTS)
        .map_err(|error| ApiError::invalid(error.to_string()))?;
    let (bytes, index) = longest;
    if bytes as u64 > limits.max_text_bytes {
        let which = match count {
            1 => format!("the {what}"),
            _ => format!("{what} {index}"),
        };
        return Err(limits::exceeded(
            format_args!(
                "{which} has {bytes} bytes, expected at most {}",
                limits.max_text_bytes
            ),
            MAX_TEXT_BYTES,
        ));
    }
    Ok(())
}

/// Tokenize texts, or pairs of texts.
///
/// # Errors
/// 400 if the model takes no texts, if there are no texts or too many, if there are not as many second texts as first
/// texts, or if a text cannot be encoded; 413 for a text over the limit.
pub fn encode(
    accepts: Accepts,
    texts: &[Cow<str>],
    pairs: Option<&[Cow<str>]>,
    limits: &Limits,
) -> Result<Texts, ApiError> {
    let encoder = accepts.text.ok_or_else(|| {
        ApiError::invalid(format!(
            "model `{}` takes no texts; it takes {}",
            accepts.model,
            accepts.media_types().join(", ")
        ))
    })?;
    check("text", texts.iter(), limits)?;
    if let Some(pairs) = pairs {
        check("text", pairs.iter(), limits)?;
    }
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
    let mut rows = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        // `transformers` ignores a second text that is empty.
        let pair = pairs
            .and_then(|pairs| pairs.get(index))
            .map(AsRef::as_ref)
            .filter(|pair: &&str| !pair.is_empty());
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
