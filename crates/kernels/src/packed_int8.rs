//! int8 weights, packed for the kernels of `dot.rs`.

use std::ops::Range;
use std::sync::Arc;

use crate::layout::{COLUMNS, PAIR, QUAD, RESIDUAL_COLUMNS, RESIDUAL_HEADER, RESIDUAL_WORDS};

/// Pack [`QUAD`] or [`PAIR`] int8 weights into a 32-bit word.
pub(crate) fn word(per_word: usize, number: impl Fn(usize) -> i8) -> i32 {
    let bits = 32 / per_word;
    let mask = u32::MAX >> (32 - bits);
    let numbers = (0..per_word).map(|at| (i32::from(number(at)) as u32 & mask) << (bits * at));
    numbers.fold(0, |word, number| word | number) as i32
}

/// Unpack a weight from a word. An int16 weight is returned as int8, which it fits into.
pub(crate) fn number(word: i32, per_word: usize, at: usize) -> i8 {
    (word >> (32 / per_word * at)) as i8
}

/// Whether the sum of the products of two weights with any uint8 inputs fits into int16.
pub(crate) fn is_narrow(weights: [i32; 2]) -> bool {
    let sum = |part: fn(i32, i32) -> i32| -> i32 {
        255 * weights.iter().map(|&weight| part(weight, 0)).sum::<i32>()
    };
    sum(Ord::max) <= i16::MAX.into() && sum(Ord::min) >= i16::MIN.into()
}

/// Split a word of four weights into two words that add up to it, such that no sum of two products exceeds int16.
/// `None` if the word needs no split.
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

/// A packed int8 matrix `[k, n]`: panels of eight columns, each with the columns' biases and then words of four int8 or
/// two int16 weights of a column; elements beyond `k` and `n` are zero.
#[derive(Clone, Debug)]
pub(crate) struct PackedInt8 {
    words: Arc<[i32]>,
    /// Weights per word.
    per_word: usize,
    words_per_column: usize,
    n: usize,
    /// Residual weights, if words contain int8.
    residual: Residual,
}

/// The second parts of weights that are multiplied in two parts, as entries. An entry covers four columns of a panel,
/// because usually only one of eight columns has residual weights. It consists of 32-bit words:
///
/// 1. the byte offset of its columns in a row of sums;
/// 2. the number of steps, up to [`RESIDUAL_WORDS`];
/// 3. for each step, the byte offset of the word in an input row, and the words of weights of the four columns.
#[derive(Clone, Debug, Default)]
struct Residual {
    words: Arc<[i32]>,
    /// The start of each panel's entries in `words`, and the end of the last one's.
    starts: Arc<[usize]>,
}

/// The entries of some panels.
#[derive(Clone, Copy, Default)]
pub(crate) struct Entries<'a> {
    pub(crate) words: &'a [i32],
    /// The byte offset of the first panel's sums in a row with the sums of all panels.
    pub(crate) start: usize,
}

impl Residual {
    /// Split the words of panels where necessary, and take the second parts. `None` if multiplying them takes longer than
    /// multiplying all weights as int16.
    fn take(words: &mut [i32], words_per_column: usize) -> Option<Self> {
        // Measured costs for four rows, in one unit: what int16 weights cost more for each word of a panel's columns,
        // what a step of residual weights costs, and what an entry costs.
        const INT16_WORD: usize = 15;
        const STEP: usize = 28;
        const ENTRY: usize = 40;
        let words_per_panel = (words_per_column + 1) * COLUMNS;
        let panels = words.len() / words_per_panel;
        let mut residual = Vec::new();
        let mut starts = Vec::with_capacity(panels + 1);
        let (mut entries, mut count) = (0, 0);
        for (panel, words) in words.chunks_exact_mut(words_per_panel).enumerate() {
            starts.push(residual.len());
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
                        residual.extend([(column * size_of::<i32>()) as i32, 0]);
                        residual.len() - 1
                    });
                    residual.push((word * QUAD) as i32);
                    residual.extend(left);
                    residual[at] += 1;
                    count += 1;
                    if residual[at] == RESIDUAL_WORDS as i32 {
                        start = None;
                    }
                }
            }
        }
        if count == 0 {
            return Some(Self::default());
        }
        starts.push(residual.len());
        let cost = count * STEP + entries * ENTRY;
        (cost < panels * words_per_column * INT16_WORD).then(|| Self {
            words: residual.into(),
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
    /// The steps of all entries: the first of four columns, the index of the word in a row, and the columns' words of
    /// weights.
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
    /// Pack a matrix; `weight` returns the element of a row and a column, `bias` the initial value of a column's sum.
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
        let pack = |per_word: usize| {
            let words_per_column = k.div_ceil(per_word);
            let mut words =
                Vec::with_capacity(n.div_ceil(COLUMNS) * (words_per_column + 1) * COLUMNS);
            for first in (0..n).step_by(COLUMNS) {
                let columns = first..first + COLUMNS;
                words.extend(columns.clone().map(bias));
                for row in (0..words_per_column).map(|word| word * per_word) {
                    let columns = columns.clone();
                    words.extend(
                        columns.map(|column| word(per_word, |next| at(row + next, column))),
                    );
                }
            }
            words
        };
        let mut words = pack(QUAD);
        let (per_word, residual) = match Residual::take(&mut words, k.div_ceil(QUAD)) {
            Some(residual) => (QUAD, residual),
            None => {
                words = pack(PAIR);
                (PAIR, Residual::default())
            }
        };
        Self {
            words: words.into(),
            per_word,
            words_per_column: k.div_ceil(per_word),
            n,
            residual,
        }
    }

    /// The number of panels.
    pub(crate) fn count(&self) -> usize {
        self.n.div_ceil(COLUMNS)
    }

    /// Elements of an input row that the kernels read. Those beyond `k` may have any value, because their weights are zero.
    pub(crate) fn row(&self) -> usize {
        self.words_per_column * self.per_word
    }

    pub(crate) fn words_per_column(&self) -> usize {
        self.words_per_column
    }

    /// Weights per word.
    pub(crate) fn per_word(&self) -> usize {
        self.per_word
    }

    /// The residual weights of some panels.
    pub(crate) fn residual(&self, range: Range<usize>) -> Entries<'_> {
        self.residual.of(range)
    }

    /// Whether weights are multiplied as int8, and not as int16.
    pub(crate) fn are_bytes(&self) -> bool {
        self.per_word == QUAD
    }

    pub(crate) fn words(&self, range: Range<usize>) -> &[i32] {
        let size = (self.words_per_column + 1) * COLUMNS;
        &self.words[range.start * size..range.end * size]
    }
}
