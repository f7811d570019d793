//! `/tokenize` and `/decode`.

use serde::Serialize;

use super::request::{encoded, model};
use crate::catalog::Model;
use crate::catalog::ability::Ability;
use crate::http::error::ApiError;
use crate::http::response::Response;
use crate::http::timing::{Phase, Timing};
use crate::input::text;
use crate::protocols::common::Service;
use crate::protocols::common::members::{Members, wrong};
use crate::protocols::common::text_options::{TextOptions, check_content, encoder, ids};

#[derive(Debug, PartialEq, Serialize)]
struct Token {
    id: u32,
    text: String,
    special: bool,
    /// The first character; none for a special token that the model needs.
    start: Option<usize>,
    stop: Option<usize>,
}

/// `POST /tokenize`: the tokens of each text after the card's prompt, not truncated.
pub(super) fn tokenize(
    members: &Members,
    service: Service,
    timing: &mut Timing,
) -> Result<Response, ApiError> {
    let model = model(members, Ability::TAKES_TEXTS, service)?;
    let rows = timing.measure(Phase::Decode, || {
        let value = members.required("inputs", "a text or a list of texts")?;
        let texts = text::from_json("inputs", value)?;
        let empty = texts.iter().position(|text| text.is_empty());
        check_content("inputs", texts.len(), empty)?;
        text::check("text", texts.iter(), service.limits())?;
        let has_special = members.flag("add_special_tokens")?.unwrap_or(true);
        TextOptions::read(members, model)?;
        let texts = texts.iter().enumerate();
        texts
            .map(|(index, text)| tokens(model, index, text, has_special))
            .collect::<Result<Vec<_>, _>>()
    })?;
    encoded(&rows, service, timing)
}

fn tokens(
    model: &Model,
    index: usize,
    text: &str,
    has_special: bool,
) -> Result<Vec<Token>, ApiError> {
    let encoder = encoder(model)?;
    let piece = encoder.prompted_piece(text);
    let part = piece.and_then(|piece| encoder.join(&piece.whole(), None));
    let part = part
        .map_err(|reason| ApiError::invalid(format!("text {index} cannot be encoded: {reason}")))?;
    let prompt = model.card.text.as_ref().map_or("", |spec| &spec.prompt);
    let characters: Vec<char> = prompt.chars().chain(text.chars()).collect();
    let tokens = part.tokens.ids.iter().zip(&part.places);
    Ok(tokens
        .filter(|(_, place)| has_special || place.text.is_some())
        .map(|(id, place)| {
            let special = place.text.is_none();
            let text = match characters.get(place.start..place.end) {
                Some(characters) if !special => characters.iter().collect(),
                _ => encoder.token(*id),
            };
            Token {
                id: *id,
                text,
                special,
                start: (!special).then_some(place.start),
                stop: (!special).then_some(place.end),
            }
        })
        .collect())
}

/// `POST /decode`: the text of each list of token ids.
pub(super) fn decode(
    members: &Members,
    service: Service,
    timing: &mut Timing,
) -> Result<Response, ApiError> {
    let model = model(members, Ability::TAKES_TEXTS, service)?;
    let texts = timing.measure(Phase::Decode, || {
        let expected = "a list of token ids, or a list of such lists";
        let value = members.required("ids", expected)?;
        let rows = ids(value).ok_or_else(|| wrong("ids", value, expected))?;
        let empty = rows.iter().position(Vec::is_empty);
        check_content("ids", rows.len(), empty)?;
        text::check("text", rows.iter().map(|_| ""), service.limits())?;
        let skip_special = members.flag("skip_special_tokens")?.unwrap_or(true);
        let encoder = encoder(model)?;
        let rows = rows.iter().enumerate();
        rows.map(|(index, ids)| {
            if let Some(id) = ids.iter().find(|id| encoder.token(**id).is_empty()) {
                return Err(ApiError::invalid(format!(
                    "list {index} of `ids` has {id}, which the model's vocabulary does not have"
                ))
                .of_param("ids"));
            }
            encoder.decode(ids, skip_special).map_err(|reason| {
                ApiError::invalid(format!("list {index} of `ids` cannot be decoded: {reason}"))
            })
        })
        .collect::<Result<Vec<_>, _>>()
    })?;
    encoded(&texts, service, timing)
}
