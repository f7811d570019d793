//! Tensors in OpenVINO's memory, and its datatypes.

use std::sync::Arc;

use infer_model_card::Datatype;
use infer_tensor::{ElementType, Error};
use openvino::Shape;

use super::failed;
use super::pool::Lease;
use crate::nn::backend::Data;

/// By the protocols' names; `None` for what they have not.
pub(super) fn datatype(openvino: openvino::ElementType) -> Option<Datatype> {
    use openvino::ElementType as Ov;
    Some(match openvino {
        Ov::F32 => Datatype::Fp32,
        Ov::U8 => Datatype::Uint8,
        Ov::I8 => Datatype::Int8,
        Ov::U16 => Datatype::Uint16,
        Ov::I16 => Datatype::Int16,
        Ov::I32 => Datatype::Int32,
        Ov::I64 => Datatype::Int64,
        Ov::String => Datatype::Bytes,
        Ov::Boolean => Datatype::Bool,
        Ov::F16 => Datatype::Fp16,
        Ov::F64 => Datatype::Fp64,
        Ov::U32 => Datatype::Uint32,
        Ov::U64 => Datatype::Uint64,
        Ov::Bf16 => Datatype::Bf16,
        _ => return None,
    })
}

/// What a guest's tensor is to the library.
pub(super) fn openvino_type(element_type: ElementType) -> openvino::ElementType {
    use openvino::ElementType as Ov;
    match element_type {
        ElementType::Fp16 => Ov::F16,
        ElementType::Fp32 => Ov::F32,
        ElementType::Fp64 => Ov::F64,
        ElementType::Bf16 => Ov::Bf16,
        ElementType::U8 => Ov::U8,
        ElementType::I32 => Ov::I32,
        ElementType::I64 => Ov::I64,
    }
}

/// A tensor in the library's memory.
pub(super) struct OpenVinoTensor {
    tensor: openvino::Tensor,
    element_type: openvino::ElementType,
    bytes: usize,
    /// Of an output, the request that it belongs to.
    _request: Option<Arc<Lease>>,
}

// SAFETY: nobody changes the tensor once it is made, neither its shape nor its elements, and what is called of
// a shared reference (`ov_tensor_data`, and an inference that reads its input) only reads.
unsafe impl Sync for OpenVinoTensor {}

impl OpenVinoTensor {
    /// An output, which lives in its request.
    pub(super) fn of_request(
        tensor: openvino::Tensor,
        element_type: openvino::ElementType,
        bytes: usize,
        request: &Arc<Lease>,
    ) -> Self {
        Self {
            tensor,
            element_type,
            bytes,
            _request: Some(Arc::clone(request)),
        }
    }

    /// The library's own.
    pub(super) fn tensor(&self) -> &openvino::Tensor {
        &self.tensor
    }

    /// What it holds.
    pub(super) fn element_type(&self) -> openvino::ElementType {
        self.element_type
    }

    /// A tensor with these elements.
    pub(super) fn copy(
        element_type: openvino::ElementType,
        shape: &[u32],
        bytes: &[u8],
    ) -> Result<Self, Error> {
        let mut tensor = None;
        // The library would be asked for memory that there is not.
        let fits = |size: &dyn Fn(&[u32]) -> Option<usize>| size(shape) == Some(bytes.len());
        if shape.len() <= 64
            && fits(&|shape| {
                let width = element_bytes(element_type)?;
                shape.iter().try_fold(width, |bytes, size| {
                    bytes.checked_mul(usize::try_from(*size).ok()?)
                })
            })
        {
            let dims: Vec<i64> = shape.iter().map(|size| i64::from(*size)).collect();
            let shape = Shape::new(&dims).map_err(|error| failed(&error))?;
            tensor = openvino::Tensor::new(element_type, &shape).ok();
        }
        let mut tensor = tensor.ok_or_else(|| {
            Error::invalid(format!(
                "OpenVINO makes no tensor of {} bytes in shape {shape:?}",
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
            element_type,
            bytes: bytes.len(),
            _request: None,
        })
    }
}

fn element_bytes(element_type: openvino::ElementType) -> Option<usize> {
    datatype(element_type)?.element_bytes()
}

impl Data for OpenVinoTensor {
    fn bytes(&self) -> &[u8] {
        if self.bytes == 0 {
            return &[];
        }
        // It cannot fail for a tensor that has told its size before.
        self.tensor.get_raw_data().unwrap_or_default()
    }
}
