//! TfIdfVectorizer: counts n-grams in rows of integers.

use std::collections::BTreeMap;

use super::entry::{OperatorEntry, boxed, onnx};
use crate::error::{Error, Result};
use crate::operator::{Build, Inputs, Operator};
use crate::tensor::{Tensor, element_count, filled};

pub(super) const OPERATORS: &[OperatorEntry] = &[onnx("TfIdfVectorizer", tf_idf_vectorizer)];

fn tf_idf_vectorizer(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    if attributes
        .strings("pool_strings")
        .is_some_and(|pool| !pool.is_empty())
    {
        return Err(Error::unsupported(
            "the attribute `pool_strings` is not supported, since tensors of strings are not; expected `pool_int64s`",
        ));
    }
    let positive = |name: &str, least: i64| -> Result<usize> {
        let given = attributes.required_int(name)?;
        usize::try_from(given)
            .ok()
            .filter(|_| given >= least)
            .ok_or_else(|| {
                Error::graph(format!(
                    "the attribute `{name}` is {given}, expected at least {least}"
                ))
            })
    };
    let lengths = [
        positive("min_gram_length", 1)?,
        positive("max_gram_length", 1)?,
    ];
    if lengths[0] > lengths[1] {
        return Err(Error::graph(format!(
            "the attribute `min_gram_length` is {}, which is more than `max_gram_length`, {}",
            lengths[0], lengths[1]
        )));
    }
    let columns = attributes.sizes("ngram_indexes")?.unwrap_or_default();
    let Some(width) = columns.iter().max().and_then(|most| most.checked_add(1)) else {
        return Err(Error::graph("the attribute `ngram_indexes` is missing"));
    };
    let weights = attributes.floats("weights").unwrap_or_default();
    if !weights.is_empty() && weights.len() != columns.len() {
        return Err(Error::graph(format!(
            "the attribute `weights` has {} numbers, expected {}, one for each n-gram",
            weights.len(),
            columns.len()
        )));
    }
    let pool = attributes.ints("pool_int64s").unwrap_or_default();
    let starts = attributes.sizes("ngram_counts")?.unwrap_or_default();
    let is_right = starts.is_sorted() && starts.last().is_none_or(|&last| last <= pool.len());
    if !is_right {
        return Err(Error::graph(format!(
            "the attribute `ngram_counts` is {starts:?}, expected ascending positions in a pool of {}",
            pool.len()
        )));
    }
    let ends = starts.iter().skip(1).copied().chain([pool.len()]);
    let mut grams = BTreeMap::new();
    let mut all = columns.iter().enumerate();
    for (length, (&start, end)) in (1..).zip(starts.iter().zip(ends)) {
        for gram in pool[start..end].chunks_exact(length) {
            let Some((at, &column)) = all.next() else {
                return Err(Error::graph(format!(
                    "the attribute `ngram_indexes` has {} columns, expected one for each n-gram",
                    columns.len()
                )));
            };
            if (lengths[0]..=lengths[1]).contains(&length) {
                let weight = weights.get(at).copied().unwrap_or(1.0);
                grams.insert(gram.to_vec(), Column { column, weight });
            }
        }
    }
    boxed(TfIdfVectorizer {
        mode: match attributes.string("mode", "") {
            "TF" => Mode::Frequency,
            "IDF" => Mode::Presence,
            "TFIDF" => Mode::Both,
            other => {
                return Err(Error::graph(format!(
                    "the attribute `mode` is `{other}`, expected TF, IDF or TFIDF"
                )));
            }
        },
        longest: grams.keys().map(Vec::len).max().unwrap_or(0),
        shortest: lengths[0],
        max_skip: positive("max_skip_count", 0)?,
        grams,
        width,
    })
}

/// The value of a column.
#[derive(Clone, Copy)]
enum Mode {
    /// The number of occurrences (`TF`).
    Frequency,
    /// The weight if the n-gram occurs (`IDF`).
    Presence,
    /// The weight times the number of occurrences (`TFIDF`).
    Both,
}

/// The output column of an n-gram, and its weight.
struct Column {
    column: usize,
    weight: f32,
}

/// TfIdfVectorizer of integers.
struct TfIdfVectorizer {
    mode: Mode,
    grams: BTreeMap<Vec<i64>, Column>,
    shortest: usize,
    longest: usize,
    /// The largest number of values that may be skipped between two of an n-gram.
    max_skip: usize,
    /// The number of columns.
    width: usize,
}

impl TfIdfVectorizer {
    /// Counts the n-grams of a row.
    fn count(&self, row: &[i64], counts: &mut [f32]) {
        let mut shortest = self.shortest;
        let mut gram = Vec::with_capacity(self.longest);
        // A larger distance than the row's length cannot occur.
        for step in 1..=self.max_skip.saturating_add(1).min(row.len()) {
            if shortest > self.longest {
                return;
            }
            for start in 0..row.len() {
                gram.clear();
                for &number in row[start..].iter().step_by(step).take(self.longest) {
                    gram.push(number);
                    if gram.len() >= shortest
                        && let Some(&Column { column, weight }) = self.grams.get(&gram)
                    {
                        match self.mode {
                            Mode::Frequency => counts[column] += 1.0,
                            Mode::Presence => counts[column] = weight,
                            Mode::Both => counts[column] += weight,
                        }
                    }
                }
            }
            // A 1-gram has no gaps: count it once, not for each skip.
            shortest = shortest.max(2);
        }
    }
}

impl Operator for TfIdfVectorizer {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let (rows, shape) = match *input.shape() {
            [] | [_] => (1, vec![self.width]),
            [rows, _] => (rows, vec![rows, self.width]),
            ref other => {
                return Err(Error::input(format!(
                    "expected a vector or a matrix, got the shape {other:?}"
                )));
            }
        };
        let numbers = input.to_i64()?;
        let mut output = filled(element_count(&shape)?, 0.0f32)?;
        if !numbers.is_empty() {
            let lines = numbers.chunks_exact(numbers.len() / rows);
            for (row, counts) in lines.zip(output.chunks_exact_mut(self.width)) {
                self.count(row, counts);
            }
        }
        Ok(vec![Tensor::of(&shape, output)?])
    }
}
