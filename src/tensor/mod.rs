//! Tensors on their way to and from wasi-nn.

pub mod byte_strings;
pub mod convert;
pub mod json;
pub mod npy;
pub mod raw;

use infer_model_card::{Datatype, TensorSpec, TensorSpecError};

use crate::http::error::ApiError;

/// A tensor: row-major, little-endian, no padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// What `data` holds. `BOOL` is one byte each, 0 or 1.
    pub datatype: Datatype,
    /// The size of each dimension; empty for a scalar.
    pub shape: Vec<u32>,
    /// As many bytes as shape and datatype ask for.
    pub data: Vec<u8>,
}

/// The largest number of dimensions: no model has more than 8 or so, NumPy stops at 64.
pub const MAX_RANK: usize = 32;

/// Why a shape from a request cannot be an input's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// More dimensions than any model has.
    #[error("{rank} dimensions, expected at most {MAX_RANK}")]
    Rank {
        /// How many came.
        rank: usize,
    },
    /// There is nothing in such a tensor.
    #[error("shape {shape:?} has no elements")]
    Empty {
        /// As it came.
        shape: Vec<u64>,
    },
    /// wasi-nn counts in 32 bits.
    #[error("a dimension of {size}, expected at most {}", u32::MAX)]
    Dimension {
        /// As it came.
        size: u64,
    },
    /// Not what the model card says.
    #[error(transparent)]
    Spec(#[from] TensorSpecError),
}

/// Check a shape from a request against the model card.
///
/// # Errors
/// When it does not fit the card, or no tensor of that shape could be.
pub fn check_shape(spec: &TensorSpec, shape: &[u64]) -> Result<Vec<u32>, ShapeError> {
    // Before anything prints the shape: the client decides how long it is.
    if shape.len() > MAX_RANK {
        return Err(ShapeError::Rank { rank: shape.len() });
    }
    if shape.contains(&0) {
        return Err(ShapeError::Empty {
            shape: shape.to_vec(),
        });
    }
    spec.check_shape(shape)?;
    shape
        .iter()
        .map(|size| u32::try_from(*size).map_err(|_| ShapeError::Dimension { size: *size }))
        .collect()
}

/// Give a shape the first dimension that it lacks: where the input has one more, and that one is free
/// or 1, what came is a batch of one.
pub fn add_batch(spec: &TensorSpec, shape: &mut Vec<u64>) {
    if matches!(spec.shape.first(), Some(-1 | 1)) && shape.len() + 1 == spec.shape.len() {
        shape.insert(0, 1);
    }
}

/// A shape from a request as it may stand in a message: the client decides how long it is.
#[must_use]
pub fn shown(shape: &[u64]) -> String {
    if shape.len() <= MAX_RANK {
        format!("{shape:?}")
    } else {
        format!("{} dimensions", shape.len())
    }
}

/// How many elements a shape has; `None` when that is more than 64 bits hold.
pub fn elements<T: Copy + Into<u64>>(shape: &[T]) -> Option<u64> {
    shape
        .iter()
        .try_fold(1_u64, |count, size| count.checked_mul((*size).into()))
}

impl Tensor {
    /// Whether `data` has as many bytes as shape and datatype ask for.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let expected = elements(&self.shape).and_then(|count| {
            let bytes = u64::try_from(self.datatype.element_bytes()?).ok()?;
            count.checked_mul(bytes)
        });
        expected.is_some() && expected == u64::try_from(self.data.len()).ok()
    }

    /// The elements of an output of which scores or vectors are made.
    ///
    /// # Errors
    /// 500 for any datatype but FP32 and FP16: a card that has such an output there is refused.
    pub fn floats(&self) -> Result<Vec<f32>, ApiError> {
        match self.datatype {
            Datatype::Fp32 => {
                let (values, _) = self.data.as_chunks::<4>();
                Ok(values
                    .iter()
                    .map(|bytes| f32::from_le_bytes(*bytes))
                    .collect())
            }
            Datatype::Fp16 => {
                let (values, _) = self.data.as_chunks::<2>();
                Ok(values
                    .iter()
                    .map(|bytes| half::f16::from_le_bytes(*bytes).to_f32())
                    .collect())
            }
            other => Err(ApiError::internal(format!(
                "scores or vectors are to be made of {other}"
            ))),
        }
    }
}
