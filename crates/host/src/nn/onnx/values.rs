//! Tensors as ONNX Runtime has them.

use std::ptr::{self, NonNull};
use std::sync::Arc;

use infer_model_card::Datatype;
use infer_tensor::{Dim, ElementType, Error, ErrorKind, TensorInfo};
use ort::memory::MemoryInfo;
use ort::session::Session;
use ort::value::{DynTensor, DynTensorValueType, Outlet, TensorElementType, Value, ValueType};
use ort::{AsPointer, sys};

use super::graph::failed;
use crate::nn::backend::{Data, Tensor};

/// What a session declares.
///
/// # Errors
/// `UnsupportedOperation` for what is not a tensor.
pub(super) fn tensor_infos(outlets: &[Outlet]) -> Result<Vec<TensorInfo>, Error> {
    outlets
        .iter()
        .map(|outlet| {
            let ValueType::Tensor {
                ty,
                shape,
                dimension_symbols,
            } = outlet.dtype()
            else {
                return Err(Error::unsupported(format!(
                    "`{}` is not a tensor (a sequence, an optional or a map), which wasi-nn does not carry",
                    outlet.name()
                )));
            };
            let dims = shape
                .iter()
                .zip(dimension_symbols.iter())
                .map(|(size, symbol)| match u32::try_from(*size) {
                    Ok(size) => Dim::Fixed(size),
                    Err(_) if symbol.is_empty() => Dim::Any,
                    Err(_) => Dim::Symbolic(symbol.clone()),
                })
                .collect();
            Ok(TensorInfo {
                name: outlet.name().to_owned(),
                datatype: datatype(*ty),
                shape: Some(dims),
            })
        })
        .collect()
}

/// By the protocols' names; `None` for what they have not.
pub(super) fn datatype(onnx: TensorElementType) -> Option<Datatype> {
    Some(match onnx {
        TensorElementType::Float32 => Datatype::Fp32,
        TensorElementType::Uint8 => Datatype::Uint8,
        TensorElementType::Int8 => Datatype::Int8,
        TensorElementType::Uint16 => Datatype::Uint16,
        TensorElementType::Int16 => Datatype::Int16,
        TensorElementType::Int32 => Datatype::Int32,
        TensorElementType::Int64 => Datatype::Int64,
        TensorElementType::String => Datatype::Bytes,
        TensorElementType::Bool => Datatype::Bool,
        TensorElementType::Float16 => Datatype::Fp16,
        TensorElementType::Float64 => Datatype::Fp64,
        TensorElementType::Uint32 => Datatype::Uint32,
        TensorElementType::Uint64 => Datatype::Uint64,
        TensorElementType::Bfloat16 => Datatype::Bf16,
        _ => return None,
    })
}

/// The library's number for what a declared tensor holds.
fn onnx_type(info: &TensorInfo, element_type: ElementType) -> sys::ONNXTensorElementDataType {
    use sys::ONNXTensorElementDataType as Onnx;
    match element_type {
        ElementType::U8 if info.is_bool() => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL,
        ElementType::U8 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
        ElementType::I32 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
        ElementType::I64 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
        ElementType::Fp16 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,
        ElementType::Bf16 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16,
        ElementType::Fp32 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
        ElementType::Fp64 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
    }
}

/// An input as the library sees it: the guest's bytes where they are.
pub(super) struct Input {
    value: Value<DynTensorValueType>,
    /// What `value` points into.
    _data: Arc<dyn Data>,
    _aligned: Option<Vec<u64>>,
}

impl Input {
    /// Nothing is copied, unless where it is will not do for its elements.
    pub(super) fn new(
        tensor: &Tensor,
        info: &TensorInfo,
        memory: &MemoryInfo,
        session: &Session,
    ) -> Result<Self, Error> {
        let bytes = tensor.bytes();
        info.check_values(bytes)?;
        // Large allocations are aligned for any element; a small one might not be.
        let is_aligned = (bytes.as_ptr() as usize).is_multiple_of(tensor.element_type.bytes());
        let aligned = (!is_aligned).then(|| aligned(bytes));
        let data = match &aligned {
            Some(aligned) => aligned.as_ptr().cast::<u8>(),
            None => bytes.as_ptr(),
        };
        let shape: Vec<i64> = tensor.shape.iter().map(|size| i64::from(*size)).collect();
        let mut value = ptr::null_mut();
        // SAFETY: `data` points to `bytes.len()` bytes, aligned for the elements, that are kept beside the
        // value and are not written to: the library reads a graph's inputs. It checks the count against the
        // shape. The other pointers are to locals.
        let status = unsafe {
            (ort::api().CreateTensorWithDataAsOrtValue)(
                memory.ptr(),
                data.cast_mut().cast(),
                bytes.len(),
                shape.as_ptr(),
                shape.len(),
                onnx_type(info, tensor.element_type),
                &raw mut value,
            )
        };
        // SAFETY: the status came from the library just now and is given up here.
        unsafe { ort::Error::result_from_status(status) }.map_err(|error| failed(&error))?;
        let value = NonNull::new(value)
            .ok_or_else(|| Error::new(ErrorKind::Runtime, "ONNX Runtime made no tensor"))?;
        Ok(Self {
            // SAFETY: the value was made just now, is a tensor, and is owned by nobody else. The allocator is
            // for copies of it, of which there are none.
            value: unsafe { Value::from_ptr(value, Some(session.allocator())) },
            _data: Arc::clone(&tensor.data),
            _aligned: aligned,
        })
    }
}

impl Input {
    /// The library's own pointer to it, which lives as long as this.
    pub(super) fn ptr(&self) -> *const sys::OrtValue {
        self.value.ptr()
    }
}

/// A copy whose address any element may have.
fn aligned(bytes: &[u8]) -> Vec<u64> {
    let mut copy = vec![0_u64; bytes.len().div_ceil(8)];
    for (word, bytes) in copy.iter_mut().zip(bytes.chunks(8)) {
        let mut whole = [0; 8];
        for (to, from) in whole.iter_mut().zip(bytes) {
            *to = *from;
        }
        *word = u64::from_ne_bytes(whole);
    }
    copy
}

/// An output in the library's memory, which is the session's.
pub(super) struct Output {
    value: DynTensor,
    bytes: usize,
    _session: Arc<Session>,
}

impl Output {
    /// `value` is a tensor of that many bytes in the processor's memory, made by the session.
    pub(super) fn new(value: DynTensor, bytes: usize, session: Arc<Session>) -> Self {
        Self {
            value,
            bytes,
            _session: session,
        }
    }
}

impl Data for Output {
    fn bytes(&self) -> &[u8] {
        if self.bytes == 0 {
            return &[];
        }
        // SAFETY: the value is a tensor in the processor's memory of as many elements as its shape has, of
        // which `bytes` was computed; it lives as long as `self`, and nobody writes to it.
        unsafe { std::slice::from_raw_parts(self.value.data_ptr().cast(), self.bytes) }
    }
}
