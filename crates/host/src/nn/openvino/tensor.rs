//! Tensors in OpenVINO's memory.

use std::sync::Arc;

use infer_tensor::{Datatype, Error};
use openvino::Shape;

use super::failed;
use super::pool::Lease;
use crate::nn::backend::Data;

/// The largest number of dimensions that a guest's tensor may have.
const MAX_RANK: usize = 64;

/// A tensor in the library's memory.
pub(super) struct OpenVinoTensor {
    tensor: openvino::Tensor,
    datatype: Datatype,
    bytes: usize,
    /// The request that an output belongs to.
    _request: Option<Arc<Lease>>,
}

// SAFETY: neither the shape nor the elements of a tensor change once it is made, and all functions that take a shared
// reference (`ov_tensor_data`, and an inference that reads its input) only read.
unsafe impl Sync for OpenVinoTensor {}

impl OpenVinoTensor {
    /// An output, in the memory of its request.
    pub(super) fn of_request(
        tensor: openvino::Tensor,
        datatype: Datatype,
        bytes: usize,
        request: &Arc<Lease>,
    ) -> Self {
        Self {
            tensor,
            datatype,
            bytes,
            _request: Some(Arc::clone(request)),
        }
    }

    /// The library's tensor.
    pub(super) fn tensor(&self) -> &openvino::Tensor {
        &self.tensor
    }

    /// The datatype of the elements.
    pub(super) fn datatype(&self) -> Datatype {
        self.datatype
    }

    /// A tensor with these elements.
    pub(super) fn copy(datatype: Datatype, shape: &[u32], bytes: &[u8]) -> Result<Self, Error> {
        let mut tensor = None;
        // Checked here, since the library would allocate whatever the shape needs.
        if shape.len() <= MAX_RANK && datatype.tensor_bytes(shape) == Some(bytes.len()) {
            let dims: Vec<i64> = shape.iter().map(|size| i64::from(*size)).collect();
            let shape = Shape::new(&dims).map_err(|error| failed(&error))?;
            tensor = openvino::Tensor::new(datatype.into(), &shape).ok();
        }
        let mut tensor = tensor.ok_or_else(|| {
            Error::invalid(format!(
                "OpenVINO cannot make a tensor of {} bytes in shape {shape:?}",
                bytes.len()
            ))
        })?;
        if !bytes.is_empty() {
            let target = tensor.get_raw_data_mut().map_err(|error| failed(&error))?;
            if target.len() != bytes.len() {
                return Err(Error::invalid(format!(
                    "OpenVINO made a tensor of {} bytes for {}",
                    target.len(),
                    bytes.len()
                )));
            }
            target.copy_from_slice(bytes);
        }
        Ok(Self {
            tensor,
            datatype,
            bytes: bytes.len(),
            _request: None,
        })
    }
}

impl Data for OpenVinoTensor {
    fn bytes(&self) -> &[u8] {
        if self.bytes == 0 {
            return &[];
        }
        // It does not fail for a tensor whose size could be read.
        self.tensor.get_raw_data().unwrap_or_default()
    }
}
