//! A body that is one raw tensor: row-major little-endian elements and nothing else.

use infer_model_card::{ModelCard, TensorSpec};
use infer_tensor::Datatype;

use crate::http::error::ApiError;
use crate::tensor::{Tensor, elements};

/// An error in a raw tensor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RawError {
    /// A raw tensor cannot name its input.
    #[error("a raw tensor needs a model with one input, this one has {inputs}; send JSON")]
    Inputs {
        /// The number of inputs of the model.
        inputs: usize,
    },
    /// The input has several free dimensions, but the length of the body determines only one.
    #[error(
        "a raw tensor needs an input with at most one free dimension, `{name}` has shape \
         {shape:?}; send JSON"
    )]
    Dimensions {
        /// The name of the input.
        name: String,
        /// The shape of the card.
        shape: Vec<i64>,
    },
    /// The length is not a whole number of items.
    #[error("input `{name}` takes {multiple}{item} bytes ({datatype} of shape {shape:?}), got {actual}",
        multiple = if *is_multiple { "a multiple of " } else { "" })]
    Length {
        /// The name of the input.
        name: String,
        /// The bytes of all fixed dimensions.
        item: u64,
        /// Whether a dimension is free.
        is_multiple: bool,
        /// The datatype of the input.
        datatype: Datatype,
        /// The shape of the card.
        shape: Vec<i64>,
        /// The length of the body in bytes.
        actual: u64,
    },
    /// A byte of a BOOL input is neither 0 nor 1.
    #[error("input `{name}` is BOOL, bytes of 0 or 1, but byte {index} is {value}")]
    Bool {
        /// The name of the input.
        name: String,
        /// The index in the body.
        index: usize,
        /// The byte.
        value: u8,
    },
}

impl From<RawError> for ApiError {
    fn from(error: RawError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// Whether a raw tensor can be a complete request to a model.
#[must_use]
pub fn is_possible(card: &ModelCard) -> bool {
    sole_input(card).is_ok()
}

/// Read a body as the only input of a model; its length determines the free dimension.
///
/// # Errors
/// If the model takes no raw tensors, or the length does not fit the input.
pub fn decode(body: Vec<u8>, card: &ModelCard) -> Result<(String, Tensor), RawError> {
    let spec = sole_input(card)?;
    let actual = body.len() as u64;
    let fixed: Vec<u64> = spec
        .shape
        .iter()
        .filter_map(|size| u64::try_from(*size).ok())
        .collect();
    let is_multiple = fixed.len() < spec.shape.len();
    let item = spec
        .datatype
        .element_bytes()
        .and_then(|bytes| elements(&fixed)?.checked_mul(bytes as u64))
        .unwrap_or(u64::MAX);
    let wrong_length = || RawError::Length {
        name: spec.name.clone(),
        item,
        is_multiple,
        datatype: spec.datatype,
        shape: spec.shape.clone(),
        actual,
    };
    let count = actual
        .checked_div(item)
        .filter(|count| *count > 0 && actual.is_multiple_of(item) && (is_multiple || *count == 1))
        .ok_or_else(wrong_length)?;
    let shape = spec
        .shape
        .iter()
        .map(|size| u32::try_from(u64::try_from(*size).unwrap_or(count)))
        .collect::<Result<Vec<u32>, _>>()
        .map_err(|_| wrong_length())?;
    if spec.datatype == Datatype::Bool
        && let Some((index, value)) = body.iter().enumerate().find(|(_, value)| **value > 1)
    {
        return Err(RawError::Bool {
            name: spec.name.clone(),
            index,
            value: *value,
        });
    }
    let tensor = Tensor {
        datatype: spec.datatype,
        shape,
        data: body,
    };
    Ok((spec.name.clone(), tensor))
}

fn sole_input(card: &ModelCard) -> Result<&TensorSpec, RawError> {
    let [spec] = card.inputs.as_slice() else {
        return Err(RawError::Inputs {
            inputs: card.inputs.len(),
        });
    };
    let unknown = spec.shape.iter().filter(|size| **size < 0).count();
    if unknown > 1 {
        return Err(RawError::Dimensions {
            name: spec.name.clone(),
            shape: spec.shape.clone(),
        });
    }
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::support::card;

    #[test]
    fn lengths() {
        struct Case {
            inputs: &'static [(&'static str, &'static str, &'static [i64])],
            body: Vec<u8>,
            expected: Result<&'static [u32], &'static str>,
        }
        let cases = [
            Case {
                inputs: &[("x", "FP32", &[-1, 2, 2])],
                body: vec![0; 32],
                expected: Ok(&[2, 2, 2]),
            },
            Case {
                inputs: &[("x", "FP16", &[3])],
                body: vec![0; 6],
                expected: Ok(&[3]),
            },
            Case {
                inputs: &[("x", "INT64", &[])],
                body: vec![0; 8],
                expected: Ok(&[]),
            },
            Case {
                inputs: &[("x", "BOOL", &[-1])],
                body: vec![0, 1, 1],
                expected: Ok(&[3]),
            },
            Case {
                inputs: &[("x", "BOOL", &[-1])],
                body: vec![0, 1, 2],
                expected: Err("input `x` is BOOL, bytes of 0 or 1, but byte 2 is 2"),
            },
            Case {
                inputs: &[("x", "FP32", &[-1, 1, 8, 8])],
                body: vec![0; 255],
                expected: Err(
                    "input `x` takes a multiple of 256 bytes (FP32 of shape [-1, 1, 8, 8]), got 255",
                ),
            },
            Case {
                inputs: &[("x", "FP32", &[2])],
                body: vec![0; 16],
                expected: Err("input `x` takes 8 bytes (FP32 of shape [2]), got 16"),
            },
            Case {
                inputs: &[("x", "FP32", &[-1])],
                body: vec![],
                expected: Err("input `x` takes a multiple of 4 bytes (FP32 of shape [-1]), got 0"),
            },
            Case {
                inputs: &[("x", "UINT8", &[i64::MAX, i64::MAX])],
                body: vec![0],
                expected: Err(
                    "input `x` takes 18446744073709551615 bytes (UINT8 of shape \
                               [9223372036854775807, 9223372036854775807]), got 1",
                ),
            },
            Case {
                inputs: &[("x", "FP32", &[-1, -1])],
                body: vec![0; 4],
                expected: Err(
                    "a raw tensor needs an input with at most one free dimension, `x` \
                               has shape [-1, -1]; send JSON",
                ),
            },
            Case {
                inputs: &[("x", "FP32", &[1]), ("y", "FP32", &[1])],
                body: vec![0; 4],
                expected: Err(
                    "a raw tensor needs a model with one input, this one has 2; send JSON",
                ),
            },
        ];
        let mut wrong = Vec::new();
        for case in cases {
            let actual = decode(case.body, &card(case.inputs))
                .map(|(_, tensor)| tensor.shape)
                .map_err(|error| error.to_string());
            if actual.as_deref().map_err(String::as_str) != case.expected {
                wrong.push((actual, case.expected));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
