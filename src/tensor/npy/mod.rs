//! NumPy's file format (NumPy Enhancement Proposal 1, and `numpy.lib.format`).
//!
//! No crate reads it safely: they parse the header recursively as an arbitrary Python literal, so a client controls the
//! recursion depth. This parser accepts only the form that NumPy writes: a dictionary of three keys.

mod header;

use std::borrow::Cow;

use infer_model_card::ModelCard;
use infer_tensor::{Datatype, convert};

use crate::http::error::{ApiError, ErrorKind, quoted};
use crate::http::negotiate::RAW_ADVICE;
use crate::tensor::inputs::{only_input, refused};
use crate::tensor::{Tensor, add_batch, check_shape, elements};
use header::Header;

/// The first bytes of a file.
pub const MAGIC: &[u8] = b"\x93NUMPY";

/// An error in a NumPy file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NpyError {
    /// The magic, the version or the length of the header is wrong.
    #[error("the body is not a NumPy file: {0}")]
    Format(&'static str),
    /// The header is not the dictionary that NumPy writes.
    #[error(
        "the NumPy header {header} cannot be read: {problem}; expected for example {{'descr': '<f4', \
         'fortran_order': False, 'shape': (1, 3)}}"
    )]
    Header {
        /// The header.
        header: String,
        /// The problem.
        problem: &'static str,
    },
    /// No datatype corresponds to the dtype, such as strings, structures and complex numbers.
    #[error(
        "the NumPy dtype {0} is unsupported, expected a boolean, an integer or a float of 8 to 64 \
         bits"
    )]
    Dtype(String),
    /// The length of the data differs from the header's shape and dtype.
    #[error(
        "the NumPy header says {expected} bytes of data ({dtype} of shape {shape:?}), got {actual}"
    )]
    Length {
        /// The bytes of shape and datatype.
        expected: u64,
        /// The datatype, as the protocol names it.
        dtype: Datatype,
        /// The shape of the header.
        shape: Vec<u64>,
        /// The bytes after the header.
        actual: usize,
    },
}

impl From<NpyError> for ApiError {
    fn from(error: NpyError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// Read a NumPy file as the only input of a model. If the free first dimension is missing, the array is a batch of one.
///
/// # Errors
/// 400 if the body is not a NumPy file, or if its datatype or shape does not fit the input.
pub fn decode(body: &[u8], card: &ModelCard) -> Result<(String, Tensor), ApiError> {
    let spec = only_input(card, "a NumPy array")?;
    let mut array = Array::read(body)?;
    convert::check(array.datatype, spec.datatype).map_err(|error| {
        refused(
            spec,
            format!("{error}; convert the array with `astype` before saving it"),
        )
    })?;
    add_batch(spec, &mut array.shape);
    let shape = check_shape(spec, &array.shape).map_err(|error| refused(spec, error))?;
    let data = convert::convert(&array.row_major(), array.datatype, spec.datatype)
        .map_err(|error| refused(spec, error))?;
    let tensor = Tensor {
        datatype: spec.datatype,
        shape,
        data,
    };
    Ok((spec.name.clone(), tensor))
}

/// Write a tensor as a NumPy file of version 1.0 (NumPy Enhancement Proposal 1).
///
/// # Errors
/// 406 for BF16, which NumPy lacks.
pub fn encode(tensor: &Tensor) -> Result<Vec<u8>, ApiError> {
    /// The data start at a multiple of this, so that they are aligned in a memory-mapped file.
    const ALIGNMENT: usize = 64;
    let Some(kind) = tensor.datatype.npy_type() else {
        return Err(ApiError::new(
            ErrorKind::NotAcceptable,
            format!("NumPy has no {}; {RAW_ADVICE}", tensor.datatype),
        ));
    };
    let order = match tensor.datatype.element_bytes() {
        Some(1) => '|',
        _ => '<',
    };
    // Python writes a tuple of one with a comma: `(3,)`.
    let sizes: String = tensor.shape.iter().map(|size| format!("{size},")).collect();
    let mut header =
        format!("{{'descr': '{order}{kind}', 'fortran_order': False, 'shape': ({sizes}), }}");
    let unpadded = 10 + header.len() + 1;
    header.push_str(&" ".repeat(unpadded.next_multiple_of(ALIGNMENT) - unpadded));
    header.push('\n');
    // This never fails, because a shape has at most a few hundred characters.
    let length = u16::try_from(header.len())
        .map_err(|_| ApiError::internal("a NumPy header of more than 65535 bytes"))?;
    let mut body = Vec::with_capacity(10 + header.len() + tensor.data.len());
    body.extend(MAGIC);
    body.extend([1, 0]);
    body.extend(length.to_le_bytes());
    body.extend(header.as_bytes());
    body.extend(&tensor.data);
    Ok(body)
}

/// A parsed file.
#[derive(Debug, PartialEq, Eq)]
struct Array<'a> {
    datatype: Datatype,
    is_big_endian: bool,
    is_fortran_order: bool,
    shape: Vec<u64>,
    data: &'a [u8],
}

impl<'a> Array<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, NpyError> {
        let after_magic = bytes
            .strip_prefix(MAGIC)
            .ok_or(NpyError::Format("it does not begin with `\\x93NUMPY`"))?;
        let cut = NpyError::Format("it ends within the header");
        // The header's length has 16 bits in version 1, and 32 bits in versions 2 and 3. Version 3 adds UTF-8 for field
        // names, which tensors do not have.
        let (length, rest) = match after_magic {
            [1, _, low, high, rest @ ..] => (u32::from(u16::from_le_bytes([*low, *high])), rest),
            [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]), rest),
            [0..=3, ..] | [] => return Err(cut),
            _ => return Err(NpyError::Format("its format is newer than 3")),
        };
        let (header, data) = usize::try_from(length)
            .ok()
            .and_then(|length| rest.split_at_checked(length))
            .ok_or(cut)?;
        let header =
            std::str::from_utf8(header).map_err(|_| NpyError::Format("its header is not UTF-8"))?;
        let Header {
            descr,
            is_fortran_order,
            shape,
        } = Header::read(header).map_err(|problem| NpyError::Header {
            header: quoted(header.trim_end()),
            problem,
        })?;
        let (datatype, is_big_endian) =
            dtype(descr).ok_or_else(|| NpyError::Dtype(quoted(descr)))?;
        let expected = elements(&shape)
            .and_then(|count| count.checked_mul(datatype.element_bytes()? as u64))
            .unwrap_or(u64::MAX);
        if expected != data.len() as u64 {
            return Err(NpyError::Length {
                expected,
                dtype: datatype,
                shape,
                actual: data.len(),
            });
        }
        Ok(Self {
            datatype,
            is_big_endian,
            is_fortran_order,
            shape,
            data,
        })
    }

    /// The elements in row-major order, little-endian.
    fn row_major(&self) -> Cow<'a, [u8]> {
        let width = self.datatype.element_bytes().unwrap_or(1);
        let mut data = if self.is_fortran_order && self.shape.len() > 1 {
            Cow::Owned(transposed(self.data, &self.shape, width))
        } else {
            Cow::Borrowed(self.data)
        };
        if self.is_big_endian && width > 1 {
            for element in data.to_mut().chunks_exact_mut(width) {
                element.reverse();
            }
        }
        data
    }
}

/// Transpose from column-major to row-major; `data` has as many elements as the shape.
fn transposed(data: &[u8], shape: &[u64], width: usize) -> Vec<u8> {
    let sizes: Vec<usize> = shape.iter().map(|size| *size as usize).collect();
    let mut stride = width;
    let strides: Vec<usize> = sizes
        .iter()
        .map(|size| {
            let next = stride.saturating_mul(*size);
            std::mem::replace(&mut stride, next)
        })
        .collect();
    let mut index = vec![0; sizes.len()];
    let mut at = 0;
    let mut row_major = Vec::with_capacity(data.len());
    while row_major.len() < data.len() {
        row_major.extend(data.get(at..at + width).unwrap_or_default());
        // Increment the index, the last dimension fastest.
        for ((index, size), stride) in index.iter_mut().zip(&sizes).zip(&strides).rev() {
            *index += 1;
            at += stride;
            if *index < *size {
                break;
            }
            at -= stride * size;
            *index = 0;
        }
    }
    row_major
}

/// The datatype of a NumPy dtype, and whether its elements are big-endian.
fn dtype(descr: &str) -> Option<(Datatype, bool)> {
    let (order, kind) = descr.split_at_checked(1)?;
    let datatype = Datatype::from_npy_type(kind)?;
    match order {
        "<" | "|" | "=" => Some((datatype, false)),
        ">" => Some((datatype, true)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
