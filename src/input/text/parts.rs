//! Texts with the places of their tokens, and parts of texts that are longer than the model.
//!
//! A [`Piece`] is a text as tokens, whole and without special tokens. `Encoder::join` makes the
//! model's input of a piece, or of a part of it.

use std::ops::Range;

use infer_model_card::Side;
use tokenizers::Encoding;

/// The tokens of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Token ids, including special tokens.
    pub ids: Vec<u32>,
    /// One type for each id: 0 for the first text, 1 for the second text of a pair.
    pub types: Vec<u32>,
}

/// The tokens of a whole text, without special tokens.
pub struct Piece(pub(super) Encoding);

/// Some tokens of a piece.
#[derive(Clone)]
pub struct Slice<'a> {
    /// The piece.
    pub piece: &'a Piece,
    /// The places of the tokens in the piece.
    pub tokens: Range<usize>,
}

/// A model's input: one part of a text or of a pair of texts, with special tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The tokens.
    pub tokens: Tokens,
    /// The place of each token in its text.
    pub places: Vec<Place>,
}

/// The place of a token in its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The text of a pair: 0 or 1; `None` for a special token that the model needs.
    pub text: Option<u8>,
    /// The first character (a Unicode scalar value).
    pub start: usize,
    /// The character after the last one.
    pub end: usize,
    /// The word of the text, if the tokenizer knows words.
    pub word: Option<u32>,
}

/// What a tokenizer knows about words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WordRule {
    /// Whether tokens that continue a word have a prefix.
    pub has_prefix: bool,
    /// The token of unknown words.
    pub unknown: Option<u32>,
}

impl Piece {
    /// The number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.get_ids().len()
    }

    /// Whether the text has no tokens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The token ids.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        self.0.get_ids()
    }

    /// All tokens.
    #[must_use]
    pub fn whole(&self) -> Slice<'_> {
        Slice {
            piece: self,
            tokens: 0..self.len(),
        }
    }

    /// The first or the last tokens, at most `count`: the other end is cut.
    #[must_use]
    pub fn cut(&self, count: usize, side: Side) -> Slice<'_> {
        let length = self.len();
        let tokens = match side {
            Side::Right => 0..length.min(count),
            Side::Left => length.saturating_sub(count)..length,
        };
        Slice {
            piece: self,
            tokens,
        }
    }

    /// Tokens in a row; places beyond the end are left out.
    #[must_use]
    pub fn slice(&self, tokens: Range<usize>) -> Slice<'_> {
        let end = tokens.end.min(self.len());
        Slice {
            piece: self,
            tokens: tokens.start.min(end)..end,
        }
    }
}

/// The parts of `length` tokens, at most `room` in each, of which two neighbors share `stride`, as `tokenizers` divides
/// them: from the beginning, or from the end if texts are truncated at the left. Without tokens, one empty part.
///
/// A `stride` that leaves no new token for a part counts as half of `room`.
#[must_use]
pub fn parts(length: usize, room: usize, stride: usize, side: Side) -> Vec<Range<usize>> {
    let room = room.max(1);
    let step = room - if stride < room { stride } else { room / 2 };
    let mut parts = Vec::new();
    let mut done = 0;
    loop {
        let end = (done + room).min(length);
        parts.push(match side {
            Side::Right => done..end,
            Side::Left => length - end..length - done,
        });
        if end == length {
            return parts;
        }
        done += step;
    }
}

/// The lengths of two texts that are truncated to `room` tokens together, the longer one first, as `tokenizers` does it.
#[must_use]
pub fn longest_first(first: usize, second: usize, room: usize) -> (usize, usize) {
    if first + second <= room {
        return (first, second);
    }
    let mut shorter = first.min(second);
    let mut longer = if shorter > room {
        shorter
    } else {
        shorter.max(room - shorter)
    };
    if shorter + longer > room {
        shorter = room / 2;
        longer = shorter + room % 2;
    }
    if first > second {
        (longer, shorter)
    } else {
        (shorter, longer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_a_text_and_overlap() {
        // (tokens, room, stride, side, the beginning and the end of each part)
        type Row<'a> = (usize, usize, usize, Side, &'a [(usize, usize)]);
        let rows: [Row; 12] = [
            (0, 4, 0, Side::Right, &[(0, 0)]),
            (3, 4, 0, Side::Right, &[(0, 3)]),
            (4, 4, 3, Side::Right, &[(0, 4)]),
            (5, 4, 0, Side::Right, &[(0, 4), (4, 5)]),
            (5, 4, 3, Side::Right, &[(0, 4), (1, 5)]),
            (9, 4, 1, Side::Right, &[(0, 4), (3, 7), (6, 9)]),
            (9, 4, 1, Side::Left, &[(5, 9), (2, 6), (0, 3)]),
            (8, 4, 0, Side::Left, &[(4, 8), (0, 4)]),
            // A stride without a new token.
            (8, 4, 4, Side::Right, &[(0, 4), (2, 6), (4, 8)]),
            (8, 4, 99, Side::Right, &[(0, 4), (2, 6), (4, 8)]),
            (2, 1, 1, Side::Right, &[(0, 1), (1, 2)]),
            (2, 0, 0, Side::Right, &[(0, 1), (1, 2)]),
        ];
        let wrong: Vec<_> = rows
            .into_iter()
            .filter_map(|(length, room, stride, side, expected)| {
                let actual = parts(length, room, stride, side).into_iter();
                let actual: Vec<_> = actual.map(|part| (part.start, part.end)).collect();
                (actual != expected).then_some((length, room, stride, actual))
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn the_longer_text_is_truncated_first() {
        let rows = [
            ((3, 4, 7), (3, 4)),
            ((3, 9, 7), (3, 4)),
            ((9, 3, 7), (4, 3)),
            ((9, 9, 7), (3, 4)),
            ((9, 8, 7), (4, 3)),
            ((0, 9, 7), (0, 7)),
            ((100, 2, 7), (5, 2)),
            ((1, 1, 1), (0, 1)),
        ];
        let wrong: Vec<_> = rows
            .into_iter()
            .filter_map(|((first, second, room), expected)| {
                let actual = longest_first(first, second, room);
                (actual != expected).then_some((first, second, room, actual))
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
