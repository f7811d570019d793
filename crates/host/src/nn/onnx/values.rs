//! Tensors in ONNX Runtime.

use std::ptr::{self, NonNull};
use std::sync::Arc;

use infer_tensor::{Datatype, Dim, Error, TensorInfo};
use ort::memory::MemoryInfo;
use ort::session::Session;
use ort::value::{DynTensor, DynTensorValueType, Outlet, TensorElementType, Value, ValueType};
use ort::{AsPointer, sys};

use super::graph::failed;
use crate::nn::backend::{Data, Shared, Tensor};

/// The declared inputs or outputs of a session.
///
/// # Errors
/// `UnsupportedOperation` for a value that is not a tensor.
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
                    "`{}` is not a tensor (a sequence, an optional or a map), which wasi-nn does not support",
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
                datatype: Datatype::try_from(*ty).ok(),
                shape: Some(dims),
            })
        })
        .collect()
}

/// The declared outputs of a session that wasi-nn can carry. The library computes the others only on demand, so a classifier
/// whose labels are texts serves its scores.
///
/// # Errors
/// `UnsupportedOperation` if there is none, naming the first.
pub(super) fn served_outputs(outlets: &[Outlet]) -> Result<Vec<TensorInfo>, Error> {
    let mut served = Vec::new();
    let mut first_error = None;
    for outlet in outlets {
        let info = tensor_infos(std::slice::from_ref(outlet)).and_then(|infos| {
            infos
                .iter()
                .try_for_each(|info| info.wasi_nn_datatype().map(drop))?;
            Ok(infos)
        });
        match info {
            Ok(info) => served.extend(info),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    match first_error {
        Some(error) if served.is_empty() => Err(error),
        _ => Ok(served),
    }
}

/// An input for the library, which points to the guest's bytes.
pub(super) struct Input {
    value: Value<DynTensorValueType>,
    /// The memory that `value` points into.
    _data: Shared,
    _aligned: Option<Vec<u64>>,
}

impl Input {
    /// Make an input without a copy, unless the tensor's address is not aligned for its elements.
    pub(super) fn new(
        tensor: &Tensor,
        memory: &MemoryInfo,
        session: &Session,
    ) -> Result<Self, Error> {
        let bytes = tensor.bytes();
        // A small allocation may not be aligned for its elements.
        let is_aligned = tensor
            .datatype
            .element_bytes()
            .is_none_or(|size| (bytes.as_ptr() as usize).is_multiple_of(size));
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
                TensorElementType::from(tensor.datatype).into(),
                &raw mut value,
            )
        };
        // SAFETY: the status came from the library just now and is given up here.
        unsafe { ort::Error::result_from_status(status) }.map_err(|error| failed(&error))?;
        let value =
            NonNull::new(value).ok_or_else(|| Error::runtime("ONNX Runtime made no tensor"))?;
        Ok(Self {
            // SAFETY: the value was made just now, is a tensor, and is owned by nobody else. The allocator is
            // for copies of it, of which there are none.
            value: unsafe { Value::from_ptr(value, Some(session.allocator())) },
            _data: tensor.data.clone(),
            _aligned: aligned,
        })
    }
}

impl Input {
    /// The library's pointer, which is valid as long as `self`.
    pub(super) fn ptr(&self) -> *const sys::OrtValue {
        self.value.ptr()
    }
}

/// A copy that is aligned for any element.
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
