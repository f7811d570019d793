//! The labels of a classifier.

use crate::error::{Error, Result};
use crate::operator::Build;

/// The labels of a classifier's classes.
#[derive(Debug)]
pub struct Labels {
    /// The labels; empty if they are strings, which nobody uses.
    numbers: Vec<i64>,
    count: usize,
}

impl Labels {
    /// Reads the labels from the attribute of integers of that name, or counts them in `classlabels_strings`. There are no
    /// tensors of strings, so that a classifier whose labels are strings computes its scores alone.
    ///
    /// # Errors
    /// `Graph` if there are no labels, or both integers and strings; `Unsupported` if the labels are strings and the
    /// node's first output is used.
    pub fn read(build: &Build<'_>, numbers: &str) -> Result<Self> {
        const STRINGS: &str = "classlabels_strings";
        let attributes = build.attributes();
        let strings = attributes.strings(STRINGS).unwrap_or_default();
        let given = attributes.ints(numbers).unwrap_or_default();
        match (given.len(), strings.len()) {
            (0, 0) => Err(Error::graph(format!(
                "the attributes `{numbers}` and `{STRINGS}` are missing, expected one of them"
            ))),
            (0, _) if build.has_output(0) => Err(Error::unsupported(format!(
                "the attribute `{STRINGS}` is not supported if the labels (output 0) are used, since tensors of strings \
                 are not supported; expected `{numbers}`, or a graph that uses the scores (output 1) alone"
            ))),
            (0, count) | (count, 0) => Ok(Self {
                numbers: given.to_vec(),
                count,
            }),
            _ => Err(Error::graph(format!(
                "there are both of the attributes `{numbers}` and `{STRINGS}`, expected one of them"
            ))),
        }
    }

    /// The number of classes.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The label of a class; the class itself if the labels are strings.
    #[must_use]
    pub fn of(&self, class: usize) -> i64 {
        let number = self.numbers.get(class).copied();
        number.unwrap_or_else(|| i64::try_from(class).unwrap_or(i64::MAX))
    }

    /// The label of a score of one class: the second label if it is positive, the first otherwise.
    #[must_use]
    pub fn binary(&self, is_positive: bool) -> i64 {
        match self.count {
            2 => self.of(is_positive.into()),
            _ => is_positive.into(),
        }
    }
}

/// The first of the largest scores.
pub fn largest<R: PartialOrd>(scores: &[R]) -> usize {
    let mut found = 0;
    for (at, score) in scores.iter().enumerate() {
        if *score > scores[found] {
            found = at;
        }
    }
    found
}
