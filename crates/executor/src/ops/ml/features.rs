//! The input of a model: rows of features.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::real::{Real, each};
use crate::tensor::{Data, Tensor, element_count};

/// The rows and columns of a matrix; a vector is one row.
///
/// # Errors
/// `Input` for any other number of axes.
pub fn rows(tensor: &Tensor) -> Result<[usize; 2]> {
    match *tensor.shape() {
        [columns] => Ok([1, columns]),
        [rows, columns] => Ok([rows, columns]),
        _ => Err(Error::input(format!(
            "expected rows of features, [N, C] or [C], got the shape {:?}",
            tensor.shape()
        ))),
    }
}

/// As [`rows`], for a model of a certain number of features.
///
/// # Errors
/// As [`rows`], and `Input` if the rows have another number of features.
pub fn rows_of(tensor: &Tensor, features: usize) -> Result<usize> {
    let [rows, columns] = rows(tensor)?;
    if columns == features {
        return Ok(rows);
    }
    Err(Error::input(format!(
        "the input has {columns} features, expected {features}, got the shape {:?}",
        tensor.shape()
    )))
}

/// The elements in the type that they are computed in.
///
/// # Errors
/// `Unsupported` for other datatypes than FP32, FP64, FP16, BF16, INT64 and INT32; `Memory`.
pub fn numbers<R: Real>(tensor: &Tensor) -> Result<Cow<'_, [R]>> {
    if let Some(values) = R::view(tensor.data())? {
        return Ok(values);
    }
    Ok(Cow::Owned(match tensor.data() {
        Data::I64(values) => each(values, |value| R::from(value).unwrap_or_default())?,
        Data::I32(values) => each(values, |value| R::from(value).unwrap_or_default())?,
        other => {
            return Err(Error::unsupported(format!(
                "expected FP32, FP64, INT64 or INT32, got {}",
                other.datatype()
            )));
        }
    }))
}

/// The number of elements of a result of that many rows and columns.
///
/// # Errors
/// `Memory` if it does not fit into memory.
pub fn size(rows: usize, columns: usize) -> Result<usize> {
    element_count(&[rows, columns])
}
