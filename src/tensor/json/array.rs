//! The text of a JSON array of any depth becomes the bytes of a tensor.
//!
//! The text has been parsed before, so it is well-formed. One pass without recursion finds its shape and its values.

use infer_tensor::{Datatype, convert};

use super::datatype::{self, NotInJson};
use super::float::leading_f32;
use crate::http::error::quoted;
use crate::tensor::MAX_RANK;

/// A tensor whose shape is that of the nesting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Array {
    /// The shape of the nested lists; empty for a lone value.
    pub(crate) shape: Vec<u64>,
    /// The elements, little-endian, in the datatype of the input.
    pub(crate) data: Vec<u8>,
}

/// An error in the array of a tensor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(super) enum ArrayError {
    /// JSON cannot represent the datatype.
    #[error(transparent)]
    Datatype(#[from] NotInJson),
    /// The array is deeper than any tensor.
    #[error("the array is nested more than {MAX_RANK} levels deep")]
    Depth,
    /// Rows have different lengths, or a value is at the place of a list.
    #[error("the array is ragged at value {index}: {problem}")]
    Ragged {
        /// The number of values before the error.
        index: usize,
        /// The difference.
        problem: &'static str,
    },
    /// A value is not a number.
    #[error("value {index} is {value}, expected {expected}")]
    Kind {
        /// The index of the value, from 0.
        index: usize,
        /// The text of the value.
        value: String,
        /// The kind of values of the datatype.
        expected: &'static str,
    },
    /// A number is out of the datatype's range.
    #[error("value {index} is {value}, which {datatype} does not hold")]
    Range {
        /// The index of the value, from 0.
        index: usize,
        /// The text of the value.
        value: String,
        /// The datatype that cannot represent the value: that of the request or that of the input.
        datatype: Datatype,
    },
}

/// Read an array with values of datatype `sent` as elements of datatype `stored`.
///
/// # Errors
/// The array is ragged or too deep, or a value does not fit.
pub(super) fn read(json: &str, sent: Datatype, stored: Datatype) -> Result<Array, ArrayError> {
    datatype::check(sent)?;
    let mut reader = Reader {
        // A number has at least two or three characters, so this seldom has to grow twice.
        data: Vec::with_capacity(json.len() / 4),
        sent,
        stored,
        index: 0,
        dims: Vec::new(),
        counts: Vec::new(),
        leaf_depth: None,
    };
    let text = json.as_bytes();
    let mut at = 0;
    while let Some(first) = text.get(at) {
        match first {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => at += 1,
            b'[' => {
                reader.open()?;
                at += 1;
            }
            b']' => {
                reader.close()?;
                at += 1;
            }
            _ => {
                let rest = json.get(at..).unwrap_or_default();
                at += reader.value(rest)?;
            }
        }
    }
    Ok(Array {
        shape: reader
            .dims
            .into_iter()
            .map(Option::unwrap_or_default)
            .collect(),
        data: reader.data,
    })
}

/// The length of a value. Strings and objects are errors, so their length does not matter.
fn token_end(rest: &str) -> usize {
    if rest.starts_with(['"', '{']) {
        return rest.len();
    }
    rest.bytes()
        .position(|byte| matches!(byte, b',' | b']' | b' ' | b'\t' | b'\n' | b'\r'))
        .unwrap_or(rest.len())
}

struct Reader {
    data: Vec<u8>,
    sent: Datatype,
    stored: Datatype,
    /// The number of values read.
    index: usize,
    /// The length of the lists of each level, once one of them is closed.
    dims: Vec<Option<u64>>,
    /// The number of items so far in the open list of each level.
    counts: Vec<u64>,
    /// The level of the values.
    leaf_depth: Option<usize>,
}

impl Reader {
    fn ragged(&self, problem: &'static str) -> ArrayError {
        ArrayError::Ragged {
            index: self.index,
            problem,
        }
    }

    fn open(&mut self) -> Result<(), ArrayError> {
        let depth = self.counts.len();
        if self.leaf_depth.is_some_and(|leaf| depth >= leaf) {
            return Err(self.ragged("a list where others have a value"));
        }
        if depth == MAX_RANK {
            return Err(ArrayError::Depth);
        }
        if let Some(count) = self.counts.last_mut() {
            *count += 1;
        }
        self.counts.push(0);
        if self.dims.len() == depth {
            self.dims.push(None);
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), ArrayError> {
        let Some(count) = self.counts.pop() else {
            return Ok(());
        };
        let depth = self.counts.len();
        match self.dims.get_mut(depth) {
            Some(Some(known)) if *known != count => {
                Err(self.ragged("lists of one level have different lengths"))
            }
            Some(dim) => {
                *dim = Some(count);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Read the value at the beginning of `rest`, and return its length.
    fn value(&mut self, rest: &str) -> Result<usize, ArrayError> {
        let depth = self.counts.len();
        if self.dims.len() > depth || self.leaf_depth.is_some_and(|leaf| leaf != depth) {
            return Err(self.ragged("a value where others have a list"));
        }
        self.leaf_depth = Some(depth);
        if let Some(count) = self.counts.last_mut() {
            *count += 1;
        }
        // The fast path for nearly all values of requests.
        let length = match (self.sent, leading_f32(rest.as_bytes())) {
            (Datatype::Fp32, Some((value, length))) => {
                self.data.extend(value.to_le_bytes());
                length
            }
            _ => {
                let token = rest.get(..token_end(rest)).unwrap_or(rest);
                self.push(token)?;
                token.len()
            }
        };
        self.index += 1;
        Ok(length)
    }

    fn push(&mut self, token: &str) -> Result<(), ArrayError> {
        let range = |datatype| ArrayError::Range {
            index: self.index,
            value: quoted(token),
            datatype,
        };
        let kind = |expected| ArrayError::Kind {
            index: self.index,
            value: quoted(token),
            expected,
        };
        let is_number = token.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        let integer = match (token, self.sent) {
            ("true", Datatype::Bool) => 1,
            ("false", Datatype::Bool) => 0,
            _ if !is_number => {
                return Err(kind(if self.sent == Datatype::Bool {
                    "true or false"
                } else {
                    "a number"
                }));
            }
            (_, Datatype::Fp32) => {
                let value: f32 = token.parse().map_err(|_| kind("a number"))?;
                if value.is_infinite() {
                    return Err(range(Datatype::Fp32));
                }
                self.data.extend(value.to_le_bytes());
                return Ok(());
            }
            (_, Datatype::Fp64) => {
                let value: f64 = token.parse().map_err(|_| kind("a number"))?;
                if value.is_infinite() {
                    return Err(range(Datatype::Fp64));
                }
                self.data.extend(value.to_le_bytes());
                return Ok(());
            }
            _ => integer(token).ok_or_else(|| kind("a whole number"))?,
        };
        // Check the range of the request's datatype first, then that of the input's.
        let (low, high) = convert::integer_range(self.sent).unwrap_or((i128::MIN, i128::MAX));
        if integer < low || integer > high {
            return Err(range(self.sent));
        }
        convert::push_integer(integer, self.stored, &mut self.data).ok_or_else(|| {
            ArrayError::Range {
                index: self.index,
                value: quoted(token),
                datatype: self.stored,
            }
        })
    }
}

/// Parse an integer, also as `3.0` or `3e2` if a float represents it exactly.
fn integer(token: &str) -> Option<i128> {
    if let Ok(value) = token.parse::<i64>() {
        return Some(value.into());
    }
    if let Ok(value) = token.parse::<u64>() {
        return Some(value.into());
    }
    /// Beyond 2^53 a float represents several integers.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let value: f64 = token.parse().ok()?;
    (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i128)
}
