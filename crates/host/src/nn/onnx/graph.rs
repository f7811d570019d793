//! A session, and inferences in it from several threads at once.

use std::ffi::CString;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, PoisonError};

use infer_tensor::{Datatype, Error, ErrorKind, Signature, TensorInfo};
use ort::AsPointer;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{RunOptions, Session};
use ort::value::{DynTensor, DynValue};

use super::one_line;
use super::values::{Input, Output};
use crate::nn::backend::{Cancellation, Graph, Shared, Tensor};

pub(super) fn failed(error: &ort::Error) -> Error {
    let kind = match error.code() {
        ort::ErrorCode::InvalidArgument => ErrorKind::InvalidArgument,
        ort::ErrorCode::NotImplemented => ErrorKind::UnsupportedOperation,
        _ => ErrorKind::RuntimeError,
    };
    Error::new(
        kind,
        format!(
            "ONNX Runtime cannot compute it: {}",
            one_line(error.message())
        ),
    )
}

pub(super) struct OnnxGraph {
    session: Arc<Session>,
    signature: Signature,
    input_names: Vec<CString>,
    output_names: Vec<CString>,
    /// The kind of memory that holds a guest's tensors.
    memory: MemoryInfo<'static>,
    /// Held during an inference, for providers that run one inference of a session at a time.
    turn: Option<Mutex<()>>,
}

impl OnnxGraph {
    /// The graph of that session, which runs one inference at a time if `takes_turns`.
    pub(super) fn new(
        session: Session,
        signature: Signature,
        takes_turns: bool,
    ) -> Result<Self, Error> {
        let names = |tensors: &[TensorInfo]| -> Result<Vec<CString>, Error> {
            let name = |info: &TensorInfo| {
                CString::new(info.name.as_str())
                    .map_err(|_| Error::unsupported("a tensor's name has a zero byte"))
            };
            tensors.iter().map(name).collect()
        };
        let (device, allocator) = (AllocationDevice::CPU, AllocatorType::Device);
        Ok(Self {
            input_names: names(&signature.inputs)?,
            output_names: names(&signature.outputs)?,
            memory: MemoryInfo::new(device, 0, allocator, MemoryType::Default)
                .map_err(|error| failed(&error))?,
            session: Arc::new(session),
            signature,
            turn: takes_turns.then(Mutex::default),
        })
    }
}

impl Graph for OnnxGraph {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn compute(
        &self,
        inputs: &[Tensor],
        cancellation: &Cancellation,
    ) -> Result<Vec<Tensor>, Error> {
        let inputs: Vec<Input> = inputs
            .iter()
            .map(|tensor| Input::new(tensor, &self.memory, &self.session))
            .collect::<Result<_, _>>()?;
        let options = Arc::new(RunOptions::new().map_err(|error| failed(&error))?);
        cancellation.on_cancel({
            let options = Arc::clone(&options);
            move || {
                // It fails if the inference has ended.
                _ = options.terminate();
            }
        });
        let outputs = self.run(&inputs, &options)?;
        outputs
            .into_iter()
            .zip(&self.signature.outputs)
            .map(|(value, info)| self.output(value, info))
            .collect()
    }
}

impl OnnxGraph {
    /// Call the library's `Run`, as `ort::Session::run` does. That function needs exclusive access to the session,
    /// and here several threads share it.
    fn run(&self, inputs: &[Input], options: &RunOptions) -> Result<Vec<DynValue>, Error> {
        let _turn = self
            .turn
            .as_ref()
            .map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
        let input_names: Vec<_> = self.input_names.iter().map(|name| name.as_ptr()).collect();
        let output_names: Vec<_> = self.output_names.iter().map(|name| name.as_ptr()).collect();
        let values: Vec<_> = inputs.iter().map(|input| input.ptr()).collect();
        let mut outputs = vec![ptr::null_mut(); output_names.len()];
        // SAFETY: every pointer is to something that lives until the call returns, and the counts are those
        // of the arrays. The session is used from several threads at once, which the library allows of `Run`
        // ("Multiple threads can invoke the Run() method on the same inference session object",
        // inference_session.h) with the provider for processors; others have `turn`.
        let status = unsafe {
            (ort::api().Run)(
                self.session.ptr().cast_mut(),
                options.ptr(),
                input_names.as_ptr(),
                values.as_ptr(),
                values.len(),
                output_names.as_ptr(),
                output_names.len(),
                outputs.as_mut_ptr(),
            )
        };
        // Before the status is checked, so that the outputs are released on failure too.
        let outputs: Vec<Option<DynValue>> = outputs
            .into_iter()
            .map(|output| {
                // SAFETY: the library made these values for the caller, who releases them once.
                NonNull::new(output).map(|output| unsafe {
                    DynValue::from_ptr(output, Some(self.session.allocator()))
                })
            })
            .collect();
        // SAFETY: the status came from the library just now and is given up here.
        unsafe { ort::Error::result_from_status(status) }.map_err(|error| failed(&error))?;
        outputs
            .into_iter()
            .map(|output| output.ok_or_else(|| Error::runtime("ONNX Runtime left an output out")))
            .collect()
    }

    /// An output, in the library's memory.
    fn output(&self, value: DynValue, info: &TensorInfo) -> Result<Tensor, Error> {
        let unexpected = |what: &str| {
            Error::runtime(format!(
                "ONNX Runtime computed output `{}` {what}",
                info.name
            ))
        };
        let datatype = info.wasi_nn_datatype()?;
        let value: DynTensor = value
            .downcast()
            .map_err(|_| unexpected("as a value that is not a tensor"))?;
        if Datatype::try_from(*value.data_type()) != Ok(datatype) {
            return Err(unexpected("in another datatype than declared"));
        }
        let shape = value
            .shape()
            .iter()
            .map(|size| u32::try_from(*size))
            .collect::<Result<Vec<u32>, _>>()
            .map_err(|_| unexpected("with a dimension of more than 2^32"))?;
        let bytes = datatype
            .tensor_bytes(&shape)
            .ok_or_else(|| unexpected("larger than memory"))?;
        Ok(Tensor {
            datatype,
            shape,
            data: Shared::new(Output::new(value, bytes, Arc::clone(&self.session))),
        })
    }
}
