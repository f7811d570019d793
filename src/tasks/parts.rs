//! Running a model on texts that may be longer than the model, a part at a time.

use super::pipeline::{Call, NamedTensors, Outputs, Runner};
use super::rows::{Row, padding_side};
use super::texts;
use crate::http::error::ApiError;
use crate::http::timing::Phase;
use crate::input::text::Texts;
use crate::input::text::parts::{self, Part, Piece, Slice};
use infer_model_card::Side;

/// The most tokens of the parts that run together. More need more memory and are not faster.
const GROUP_TOKENS: usize = 64 * 1024;

/// The most tokens in all parts of a text: as many as a text of the usual limit can have. Parts that share most of their
/// tokens would have many times as many.
const MAX_PART_TOKENS: usize = 1 << 20;

/// A part of an item of the request.
pub(super) struct ItemPart {
    /// The item.
    pub item: usize,
    /// The place of the part's first token in the text that is divided.
    pub first: usize,
    /// The tokens with their places.
    pub part: Part,
}

/// How a text is divided.
pub(super) struct Division<'a> {
    /// The text's tokens.
    pub piece: &'a Piece,
    /// The most tokens of the text in a part.
    pub room: usize,
    /// The number of tokens that two parts share.
    pub stride: usize,
    /// The end of the text from which it is divided to the other.
    pub side: Side,
}

/// Makes the model's input of a part of a text.
type Join<'a> = dyn Fn(&Slice) -> Result<Part, String> + 'a;

/// Divide a text; `which` is its name, for messages.
///
/// # Errors
/// 400 for parts with too many tokens, and for tokens that cannot be joined with special tokens.
pub(super) fn divide(
    division: &Division,
    item: usize,
    which: &str,
    join: &Join<'_>,
) -> Result<Vec<ItemPart>, ApiError> {
    let Division {
        piece,
        room,
        stride,
        side,
    } = *division;
    let ranges = parts::parts(piece.len(), room, stride, side);
    if ranges.len() > 1 && ranges.len().saturating_mul(room) > MAX_PART_TOKENS {
        return Err(ApiError::invalid(format!(
            "{which} has {} tokens, which make {} parts of {room} that share {stride}; expected at most {MAX_PART_TOKENS} \
             tokens in all parts; send a shorter text, or let them share fewer",
            piece.len(),
            ranges.len()
        )));
    }
    ranges
        .into_iter()
        .map(|range| {
            let first = range.start;
            let part =
                join(&piece.slice(range)).map_err(|reason| texts::not_encoded(which, &reason))?;
            if part.places.is_empty() {
                return Err(ApiError::invalid(format!(
                    "{which} has no tokens, expected at least one"
                )));
            }
            Ok(ItemPart { item, first, part })
        })
        .collect()
}

/// Gets a part and the outputs for it.
type EachPart<'a> = dyn FnMut(&ItemPart, &Row) -> Result<(), ApiError> + 'a;

/// Run a model on the parts of each item of a request, some items at a time, and call `each` with every part, in order.
///
/// `divide` returns the parts of an item. If the request wants outputs, they are returned with one row for each part.
///
/// # Errors
/// Those of [`texts::run`], `divide` and `each`.
pub(super) fn run(
    call: &Call,
    items: usize,
    divide: &dyn Fn(usize) -> Result<Vec<ItemPart>, ApiError>,
    runner: &mut dyn Runner,
    each: &mut EachPart<'_>,
) -> Result<NamedTensors, ApiError> {
    let keeps_outputs = call.wanted.outputs != Outputs::Needed;
    let side = padding_side(call.card);
    let mut all = NamedTensors::new();
    let mut next = 0;
    while next < items {
        let mut parts: Vec<ItemPart> = Vec::new();
        runner.timing().measure(Phase::Decode, || {
            let mut tokens = 0;
            // With outputs, all parts have one width, so they are one group.
            while next < items && (keeps_outputs || tokens < GROUP_TOKENS) {
                let divided = divide(next)?;
                tokens += divided
                    .iter()
                    .map(|part| part.part.places.len())
                    .sum::<usize>();
                parts.extend(divided);
                next += 1;
            }
            Ok::<_, ApiError>(())
        })?;
        let rows = parts.iter_mut();
        let texts = Texts {
            rows: rows.map(|part| part.part.tokens.clone()).collect(),
        };
        let mut rest = parts.iter();
        let mut each_batch = |lengths: &[usize], outputs: &mut NamedTensors| {
            for ((row, tokens), part) in lengths.iter().enumerate().zip(rest.by_ref()) {
                let row = Row {
                    outputs,
                    rows: lengths.len(),
                    row,
                    tokens: *tokens,
                    side,
                };
                each(part, &row)?;
            }
            if !keeps_outputs {
                outputs.clear();
            }
            Ok(())
        };
        all = texts::run(call.card, &texts, keeps_outputs, runner, &mut each_batch)?;
    }
    Ok(all)
}

/// The byte of each character of a text, and its length: slices of long texts without counting again.
pub(super) struct Characters<'a> {
    text: &'a str,
    /// Empty for ASCII, whose characters are bytes.
    bytes: Vec<u32>,
}

impl<'a> Characters<'a> {
    /// Count the characters of a text.
    pub fn new(text: &'a str) -> Self {
        let bytes = match text.is_ascii() {
            true => Vec::new(),
            false => (text.char_indices().map(|(place, _)| place))
                .chain([text.len()])
                .map(|place| u32::try_from(place).unwrap_or(u32::MAX))
                .collect(),
        };
        Self { text, bytes }
    }

    fn byte(&self, character: usize) -> usize {
        if self.bytes.is_empty() {
            return character.min(self.text.len());
        }
        let byte = self.bytes.get(character).map(|byte| *byte as usize);
        byte.unwrap_or(self.text.len())
    }

    /// The text of a range of characters.
    pub fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text
            .get(self.byte(start)..self.byte(end))
            .unwrap_or_default()
    }
}
