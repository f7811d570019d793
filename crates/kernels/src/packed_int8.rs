//! int8 weights, packed as `dot.rs` multiplies them.

use std::ops::Range;
use std::sync::Arc;

use crate::layout::{COLUMNS, PAIR, QUAD, RESIDUAL_COLUMNS, RESIDUAL_HEADER, RESIDUAL_WORDS};

/// Pack [`QUAD`] or [`PAIR`] int8 weights into a 32-bit word.
pub(crate) fn word(a_word: usize, number: impl Fn(usize) -> i8) -> i32 {
    let bits = 32 / a_word;
    let mask = u32::MAX >> (32 - bits);
    let numbers = (0..a_word).map(|at| (i32::from(number(at)) as u32 & mask) << (bits * at));
    numbers.fold(0, |word, number| word | number) as i32
}

/// Unpack a weight from a word; of an int16 the lower eight bits are significant.
pub(crate) fn number(word: i32, a_word: usize, at: usize) -> i8 {
    (word >> (32 / a_word * at)) as i8
}

/// Whether the sum of two weights' products with any uint8 fits into int16.
pub(crate) fn is_narrow(weights: [i32; 2]) -> bool {
    let sum = |part: fn(i32, i32) -> i32| -> i32 {
        255 * weights.iter().map(|&weight| part(weight, 0)).sum::<i32>()
    };
    sum(Ord::max) <= i16::MAX.into() && sum(Ord::min) >= i16::MIN.into()
}

/// Split a word of four weights into two whose sum it is, such that no sum of two products exceeds int16. `None` if the word needs no
/// split.
fn halved(word: i32) -> Option<[i32; 2]> {
    let weights: [i8; QUAD] = std::array::from_fn(|at| number(word, QUAD, at));
    let is_split: [bool; 2] = std::array::from_fn(|pair| {
        !is_narrow([weights[2 * pair], weights[2 * pair + 1]].map(i32::from))
    });
    let half = |at: usize| match is_split[at / 2] {
        true => weights[at] / 2,
        false => 0,
    };
    let whole = self::word(QUAD, |at| weights[at] - half(at));
    (is_split != [false; 2]).then(|| [whole, self::word(QUAD, half)])
}

/// A packed int8 matrix `[k, n]`: panels of eight columns, each with the columns' biases and then words of four int8 or two int16
/// weights of a column; elements beyond `k` and `n` are zero.
#[derive(Clone, Debug)]
pub(crate) struct PackedInt8 {
    words: Arc<[i32]>,
    /// Rows in a word.
    a_word: usize,
    /// Words in a column.
    a_column: usize,
    n: usize,
    /// Residual weights, if words hold int8.
    rest: Rest,
}

/// What is left of weights that are multiplied in two parts: entries, each of where in a row of sums the bytes of four columns
/// begin, how many words a column there are, up to [`RESIDUAL_WORDS`], and for each of those where in a row the bytes are that it is
/// multiplied with, and the four columns' words. Of four columns, since of eight there is mostly one that has something left.
#[derive(Clone, Debug, Default)]
struct Rest {
    words: Arc<[i32]>,
    /// Where each panel's begin, and where the last one's end.
    starts: Arc<[usize]>,
}

/// The entries of some panels.
#[derive(Clone, Copy, Default)]
pub(crate) struct Entries<'a> {
    pub(crate) words: &'a [i32],
    /// Where the first panel's sums begin, in bytes of a row of all.
    pub(crate) start: usize,
}

impl Rest {
    /// Take from the words of panels, so many a column, what is to be multiplied apart. None where that takes longer than
    /// to multiply numbers of sixteen bits.
    fn take(words: &mut [i32], a_column: usize) -> Option<Self> {
        // By measurement, of one word in four rows of a panel: the more that sixteen bits take, what is left of a word, and an entry.
        const HALVES: usize = 15;
        const REST: usize = 28;
        const ENTRY: usize = 40;
        let a_panel = (a_column + 1) * COLUMNS;
        let panels = words.len() / a_panel;
        let mut rest = Vec::new();
        let mut starts = Vec::with_capacity(panels + 1);
        let (mut entries, mut count) = (0, 0);
        for (panel, words) in words.chunks_exact_mut(a_panel).enumerate() {
            starts.push(rest.len());
            for first in (0..COLUMNS).step_by(RESIDUAL_COLUMNS) {
                let column = panel * COLUMNS + first;
                let mut start = None;
                for (word, words) in words[COLUMNS..].chunks_exact_mut(COLUMNS).enumerate() {
                    let mut left = [0; RESIDUAL_COLUMNS];
                    for (word, left) in words[first..].iter_mut().zip(&mut left) {
                        if let Some(halves) = halved(*word) {
                            [*word, *left] = halves;
                        }
                    }
                    if left == [0; RESIDUAL_COLUMNS] {
                        continue;
                    }
                    let at = *start.get_or_insert_with(|| {
                        entries += 1;
                        rest.extend([(column * size_of::<i32>()) as i32, 0]);
                        rest.len() - 1
                    });
                    rest.push((word * QUAD) as i32);
                    rest.extend(left);
                    rest[at] += 1;
                    count += 1;
                    if rest[at] == RESIDUAL_WORDS as i32 {
                        start = None;
                    }
                }
            }
        }
        if count == 0 {
            return Some(Self::default());
        }
        starts.push(rest.len());
        let more = count * REST + entries * ENTRY;
        (more < panels * a_column * HALVES).then(|| Self {
            words: rest.into(),
            starts: starts.into(),
        })
    }

    fn of(&self, panels: Range<usize>) -> Entries<'_> {
        let start = panels.start * COLUMNS * size_of::<i32>();
        let words = match self.starts.is_empty() {
            true => &[],
            false => &self.words[self.starts[panels.start]..self.starts[panels.end]],
        };
        Entries { words, start }
    }
}

impl<'a> Entries<'a> {
    /// Each word of what is left: the first of its columns, the word of a row, and the columns' words.
    pub(crate) fn each(self) -> impl Iterator<Item = (usize, usize, &'a [i32])> {
        let mut words = self.words;
        let entries = std::iter::from_fn(move || {
            let (&[column, count], rest) = words.split_first_chunk::<RESIDUAL_HEADER>()?;
            let entry;
            (entry, words) = rest.split_at(count as usize * (1 + RESIDUAL_COLUMNS));
            let column = (column as usize - self.start) / size_of::<i32>();
            Some((column, entry))
        });
        entries.flat_map(|(column, entry)| {
            let words = entry.chunks_exact(1 + RESIDUAL_COLUMNS);
            words.map(move |words| (column, words[0] as usize / QUAD, &words[1..]))
        })
    }
}

impl PackedInt8 {
    /// Pack a matrix; `weight` gives the element of a row and a column, `bias` what a column's sum begins with.
    pub(crate) fn new(
        k: usize,
        n: usize,
        weight: impl Fn(usize, usize) -> i8,
        bias: impl Fn(usize) -> i32,
    ) -> Self {
        let at = |row: usize, column: usize| match row < k && column < n {
            true => weight(row, column),
            false => 0,
        };
        let bias = |column: usize| if column < n { bias(column) } else { 0 };
        let pack = |a_word: usize| {
            let a_column = k.div_ceil(a_word);
            let mut words = Vec::with_capacity(n.div_ceil(COLUMNS) * (a_column + 1) * COLUMNS);
            for first in (0..n).step_by(COLUMNS) {
                let columns = first..first + COLUMNS;
                words.extend(columns.clone().map(bias));
                for row in (0..a_column).map(|word| word * a_word) {
                    let columns = columns.clone();
                    words.extend(columns.map(|column| word(a_word, |next| at(row + next, column))));
                }
            }
            words
        };
        let mut words = pack(QUAD);
        let (a_word, rest) = match Rest::take(&mut words, k.div_ceil(QUAD)) {
            Some(rest) => (QUAD, rest),
            None => {
                words = pack(PAIR);
                (PAIR, Rest::default())
            }
        };
        Self {
            words: words.into(),
            a_word,
            a_column: k.div_ceil(a_word),
            n,
            rest,
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.n.div_ceil(COLUMNS)
    }

    /// Elements of a row, whose last ones are anything.
    pub(crate) fn row(&self) -> usize {
        self.a_column * self.a_word
    }

    /// Words in a column.
    pub(crate) fn a_column(&self) -> usize {
        self.a_column
    }

    /// Rows in a word.
    pub(crate) fn a_word(&self) -> usize {
        self.a_word
    }

    /// What is left of the weights of some panels.
    pub(crate) fn rest(&self, range: Range<usize>) -> Entries<'_> {
        self.rest.of(range)
    }

    /// Whether bytes are multiplied, and not numbers of sixteen bits.
    pub(crate) fn are_bytes(&self) -> bool {
        self.a_word == QUAD
    }

    pub(crate) fn words(&self, range: Range<usize>) -> &[i32] {
        let size = (self.a_column + 1) * COLUMNS;
        &self.words[range.start * size..range.end * size]
    }
}
