//! Tensors in a request and a response: their shapes, and the forms that they come and go in.

pub mod array;
pub mod byte_strings;
pub mod inputs;
pub mod json;
pub mod npy;
pub mod raw;

use infer_model_card::{TensorSpec, TensorSpecError};
use infer_tensor::NotFloats;
pub use infer_tensor::Tensor;

use crate::http::error::ApiError;

/// The largest number of dimensions: no model has more than 8 or so, NumPy stops at 64.
pub const MAX_RANK: usize = 32;

/// Why an input cannot have a shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// There are more dimensions than any model has.
    #[error("{rank} dimensions, expected at most {MAX_RANK}")]
    Rank {
        /// The number of dimensions in the request.
        rank: usize,
    },
    /// A dimension does not fit into 32 bits, as wasi-nn has them.
    #[error("a dimension of {size}, expected at most {}", u32::MAX)]
    Dimension {
        /// The dimension in the request.
        size: u64,
    },
    /// The model card declares another shape.
    #[error(transparent)]
    Spec(#[from] TensorSpecError),
}

/// Check a shape from a request against the model card.
///
/// # Errors
/// If it does not match the card, or no tensor can have that shape.
pub fn check_shape(spec: &TensorSpec, shape: &[u64]) -> Result<Vec<u32>, ShapeError> {
    // First, since the errors below print the shape, and the client decides how long it is.
    if shape.len() > MAX_RANK {
        return Err(ShapeError::Rank { rank: shape.len() });
    }
    spec.check_shape(shape)?;
    shape
        .iter()
        .map(|size| u32::try_from(*size).map_err(|_| ShapeError::Dimension { size: *size }))
        .collect()
}

/// Add a missing batch dimension: if the input has one dimension more than the shape, and its first is free or 1, the
/// request is a batch of one. For an empty list, see [`complete_empty`].
pub fn add_batch(spec: &TensorSpec, shape: &mut Vec<u64>) {
    complete_empty(spec, shape);
    // An empty list is no item: its size would be unknown.
    if shape.as_slice() == [0] {
        return;
    }
    if matches!(spec.shape.first(), Some(-1 | 1)) && shape.len() + 1 == spec.shape.len() {
        shape.insert(0, 1);
    }
}

/// Complete the shape of an empty list: it is a batch of no items, if the batch is free and the size of an item is known.
pub fn complete_empty(spec: &TensorSpec, shape: &mut Vec<u64>) {
    let Some((-1, item)) = spec.shape.split_first() else {
        return;
    };
    let item: Result<Vec<u64>, _> = item.iter().map(|size| u64::try_from(*size)).collect();
    if let Ok(item) = item
        && shape.as_slice() == [0]
    {
        shape.extend(item);
    }
}

/// A shape for an error message, cut to its rank if it is long: the client decides how long it is.
#[must_use]
pub fn shown(shape: &[u64]) -> String {
    if shape.len() <= MAX_RANK {
        format!("{shape:?}")
    } else {
        format!("{} dimensions", shape.len())
    }
}

/// The number of elements of a shape; `None` if 64 bits do not hold it.
pub fn elements<T: Copy + Into<u64>>(shape: &[T]) -> Option<u64> {
    shape
        .iter()
        .try_fold(1_u64, |count, size| count.checked_mul((*size).into()))
}

impl From<NotFloats> for ApiError {
    /// 500: a card whose scores or vectors have another datatype is refused when it is read.
    fn from(error: NotFloats) -> Self {
        Self::internal(error.to_string())
    }
}
