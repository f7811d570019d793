//! What a graph declares of one tensor.

use crate::{Datatype, Error, Tensor};

/// The largest number of dimensions: no model has more than 8 or so, and NumPy stops at 64.
const MAX_RANK: usize = 64;

/// An input or output as its graph declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// The name in the graph.
    pub name: String,
    /// The datatype; `None` if the graph declares none, or one that the Open Inference Protocol lacks.
    pub datatype: Option<Datatype>,
    /// The dimensions; `None` if the graph declares none.
    pub shape: Option<Vec<Dim>>,
}

/// One dimension of a declared shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// A fixed size.
    Fixed(u32),
    /// Any size, under a name. Exporters give one name to sizes that differ, so nothing requires them to be the same; an
    /// operator whose inputs do not fit together says so.
    Symbolic(String),
    /// Any size.
    Any,
}

impl Dim {
    /// The dimension that a number stands for: a negative one is any size.
    #[must_use]
    pub fn from_size(size: i64) -> Self {
        u32::try_from(size).map_or(Self::Any, Self::Fixed)
    }

    /// The size, with -1 for any size.
    #[must_use]
    pub fn size(&self) -> i64 {
        match self {
            Self::Fixed(size) => i64::from(*size),
            Self::Symbolic(_) | Self::Any => -1,
        }
    }
}

impl TensorInfo {
    /// The Open Inference Protocol's name of the datatype, or `unknown`.
    #[must_use]
    pub fn datatype_name(&self) -> &'static str {
        self.datatype.map_or("unknown", Datatype::name)
    }

    /// The declared datatype, if a wasi-nn tensor can hold it.
    ///
    /// # Errors
    /// `UnsupportedOperation` for a datatype that wasi-nn lacks, or that is unknown.
    pub fn wasi_nn_datatype(&self) -> Result<Datatype, Error> {
        self.datatype
            .filter(|datatype| datatype.is_wasi_nn())
            .ok_or_else(|| {
                Error::unsupported(format!(
                    "tensor `{}` is {}, which wasi-nn does not support; it supports FP16, FP32, FP64, BF16, \
                     UINT8, INT32, INT64 and BOOL",
                    self.name,
                    self.datatype_name()
                ))
            })
    }

    /// Check the values of an input: each byte of a BOOL tensor is 0 or 1.
    fn check_values(&self, tensor: &[u8]) -> Result<(), Error> {
        if self.datatype != Some(Datatype::Bool) {
            return Ok(());
        }
        match tensor.iter().enumerate().find(|(_, byte)| **byte > 1) {
            Some((index, byte)) => Err(Error::invalid(format!(
                "input `{}` is BOOL, one byte 0 or 1 each, but the byte at index {index} is {byte}",
                self.name
            ))),
            None => Ok(()),
        }
    }

    /// The declared shape, with -1 for any size; `None` if the graph declares none.
    #[must_use]
    pub fn sizes(&self) -> Option<Vec<i64>> {
        let dims = self.shape.as_deref()?;
        Some(dims.iter().map(Dim::size).collect())
    }

    /// Check one tensor, which gets the declared datatype: a guest's BOOL tensor comes as UINT8.
    pub(crate) fn check<D: AsRef<[u8]>>(&self, tensor: &mut Tensor<D>) -> Result<(), Error> {
        let name = &self.name;
        let shape = tensor.shape.as_slice();
        // Before anything prints the shape: the guest decides how long it is.
        if shape.len() > MAX_RANK {
            return Err(Error::invalid(format!(
                "input `{name}` has {} dimensions, expected at most {MAX_RANK}",
                shape.len()
            )));
        }
        let expected = self.wasi_nn_datatype()?;
        if tensor.datatype.wasi_nn() != expected.wasi_nn() {
            return Err(Error::invalid(format!(
                "input `{name}` has datatype {}, expected {expected}",
                tensor.datatype
            )));
        }
        tensor.datatype = expected;
        let bytes = tensor.data.as_ref();
        let whole = expected.tensor_bytes(shape);
        if whole != Some(bytes.len()) {
            let whole = whole.map_or_else(
                || "more than memory has".to_owned(),
                |bytes| bytes.to_string(),
            );
            return Err(Error::invalid(format!(
                "input `{name}` has {} bytes of data, expected {whole} for shape {shape:?} in {expected}",
                bytes.len()
            )));
        }
        let Some(dims) = &self.shape else {
            return self.check_values(bytes);
        };
        let mut pairs = dims.iter().zip(shape);
        let fits = dims.len() == shape.len()
            && pairs.all(|(dim, size)| !matches!(dim, Dim::Fixed(expected) if expected != size));
        if fits {
            return self.check_values(bytes);
        }
        let dims: Vec<String> = dims
            .iter()
            .map(|dim| match dim {
                Dim::Fixed(size) => size.to_string(),
                Dim::Symbolic(symbol) => symbol.clone(),
                Dim::Any => "any".to_owned(),
            })
            .collect();
        Err(Error::invalid(format!(
            "input `{name}` has shape {shape:?}, expected [{}]",
            dims.join(", ")
        )))
    }
}
