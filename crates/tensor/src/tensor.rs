//! Tensors as wasi-nn has them.

use std::fmt;

/// wasi-nn's `tensor-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the interface's own name")]
pub enum ElementType {
    Fp16,
    Fp32,
    Fp64,
    Bf16,
    U8,
    I32,
    I64,
}

impl ElementType {
    /// Bytes an element.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::Fp16 | Self::Bf16 => 2,
            Self::Fp32 | Self::I32 => 4,
            Self::Fp64 | Self::I64 => 8,
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fp16 => "FP16",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
            Self::Bf16 => "BF16",
            Self::U8 => "U8",
            Self::I32 => "I32",
            Self::I64 => "I64",
        })
    }
}

/// A tensor as a guest gives it: nothing about it has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// The size of each dimension.
    pub shape: Vec<u32>,
    /// What `data` holds.
    pub element_type: ElementType,
    /// Row-major, little-endian.
    pub data: Vec<u8>,
}

/// How many bytes a tensor of that shape and datatype has; `None` when that is more than memory has.
#[must_use]
pub fn expected_bytes(element_type: ElementType, shape: &[u32]) -> Option<usize> {
    shape.iter().try_fold(element_type.bytes(), |bytes, size| {
        bytes.checked_mul(usize::try_from(*size).ok()?)
    })
}
