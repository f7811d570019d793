//! A tensor: a datatype, a shape and bytes.

use half::f16;

use crate::Datatype;

/// A tensor, with its elements row-major, little-endian and without padding.
///
/// `D` holds the bytes: a `Vec`, or memory that a library computes from. Nothing ensures that there are as many
/// bytes as shape and datatype need: see [`Tensor::is_whole`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor<D = Vec<u8>> {
    /// The datatype of the elements. BOOL is one byte of 0 or 1 per element.
    pub datatype: Datatype,
    /// The size of each dimension; empty for a scalar.
    pub shape: Vec<u32>,
    /// The elements.
    pub data: D,
}

impl<D: AsRef<[u8]>> Tensor<D> {
    /// The elements, as bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.data.as_ref()
    }

    /// Whether there are as many bytes as shape and datatype need. No BYTES tensor is whole: its elements have
    /// no fixed size.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.datatype.tensor_bytes(&self.shape) == Some(self.bytes().len())
    }

    /// The elements of an FP32 or FP16 tensor.
    ///
    /// # Errors
    /// For every other datatype.
    pub fn floats(&self) -> Result<Vec<f32>, NotFloats> {
        match self.datatype {
            Datatype::Fp32 => {
                let (values, _) = self.bytes().as_chunks::<4>();
                Ok(values
                    .iter()
                    .map(|bytes| f32::from_le_bytes(*bytes))
                    .collect())
            }
            Datatype::Fp16 => {
                let (values, _) = self.bytes().as_chunks::<2>();
                Ok(values
                    .iter()
                    .map(|bytes| f16::from_le_bytes(*bytes).to_f32())
                    .collect())
            }
            other => Err(NotFloats(other)),
        }
    }
}

/// A tensor that is read as floats and has another datatype.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tensor of {0} is read as floats, expected FP32 or FP16")]
pub struct NotFloats(Datatype);

impl Datatype {
    /// The bytes of a tensor of that shape; `None` for BYTES, and if they are more than an address counts.
    #[must_use]
    pub fn tensor_bytes(self, shape: &[u32]) -> Option<usize> {
        shape.iter().try_fold(self.element_bytes()?, |bytes, size| {
            bytes.checked_mul(usize::try_from(*size).ok()?)
        })
    }
}
