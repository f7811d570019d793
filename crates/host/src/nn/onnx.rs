//! ONNX Runtime, by the crate `ort`, from a shared library that is loaded when it is asked for.

use std::ffi::{CStr, CString};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use infer_model_card::Datatype;
use infer_nn::{Dim, ElementType, Error, ErrorKind, Signature, TensorInfo};
use ort::environment::Environment;
use ort::ep::{self, ExecutionProviderDispatch};
use ort::logging::LogLevel;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{RunOptions, Session};
use ort::value::{
    DynTensor, DynTensorValueType, DynValue, Outlet, TensorElementType, Value, ValueType,
};
use ort::{AsPointer, sys};

use super::backend::{Backend, Cancellation, Data, Graph, GraphSource, Tensor};
use super::library::{self, LibraryError};

/// What ONNX Runtime computes on: its execution providers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provider {
    /// The processor.
    #[default]
    Cpu,
    /// NVIDIA's graphics processors, by CUDA.
    Cuda,
    /// The same, by TensorRT.
    TensorRt,
}

impl FromStr for Provider {
    type Err = String;

    /// By name, whatever its case: `cpu`, `cuda`, `tensorrt`.
    fn from_str(name: &str) -> Result<Self, String> {
        match name.to_ascii_lowercase().as_str() {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda),
            "tensorrt" => Ok(Self::TensorRt),
            _ => Err(format!(
                "ONNX Runtime has no device `{name}` here, expected cpu, cuda or tensorrt"
            )),
        }
    }
}

impl Provider {
    const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Cuda => "CUDA",
            Self::TensorRt => "TensorRT",
        }
    }

    fn dispatch(self) -> Option<ExecutionProviderDispatch> {
        match self {
            Self::Cpu => None,
            // Whoever asks for a device wants it, and not the processor in its place without a word.
            Self::Cuda => Some(ep::CUDA::default().build().error_on_failure()),
            Self::TensorRt => Some(ep::TensorRT::default().build().error_on_failure()),
        }
    }
}

/// The loaded library.
pub struct OnnxRuntime {
    environment: Environment,
    provider: Provider,
    intra_threads: usize,
    version: String,
}

impl OnnxRuntime {
    /// Load the library from a file. A process keeps the first one that it loads.
    ///
    /// `intra_threads` is how many threads one inference may use.
    ///
    /// # Errors
    /// When the file is no library, is none of ONNX Runtime, or is too old.
    pub fn load(
        library: &Path,
        provider: Provider,
        intra_threads: usize,
    ) -> Result<Self, LibraryError> {
        let failed = |reason: String| LibraryError::Load {
            library: "ONNX Runtime",
            path: library.to_owned(),
            reason,
        };
        library::check_symbols(library, &["OrtGetApiBase"]).map_err(failed)?;
        let environment = environment(library).map_err(failed)?;
        Ok(Self {
            environment,
            provider,
            intra_threads,
            version: version(library).unwrap_or_else(|| "of unknown version".to_owned()),
        })
    }

    fn session(&self, path: &Path) -> Result<Session, Error> {
        let configured = || -> ort::Result<Session> {
            let mut builder = Session::builder(&self.environment)?
                .with_optimization_level(GraphOptimizationLevel::All)?
                .with_intra_threads(self.intra_threads)?;
            if let Some(provider) = self.provider.dispatch() {
                builder = builder.with_execution_providers([provider])?;
            }
            builder.commit_from_file(path)
        };
        configured().map_err(|error| {
            let kind = match error.code() {
                ort::ErrorCode::NotImplemented | ort::ErrorCode::ExecutionProviderFailure => {
                    ErrorKind::UnsupportedOperation
                }
                _ => ErrorKind::InvalidEncoding,
            };
            Error::new(
                kind,
                format!("ONNX Runtime cannot load it: {}", one_line(error.message())),
            )
        })
    }
}

/// One environment a process; `ort` refuses a second.
fn environment(library: &Path) -> Result<Environment, String> {
    static ENVIRONMENT: OnceLock<Result<Environment, String>> = OnceLock::new();
    let make = || {
        let builder = ort::init_from(library).map_err(|error| error.to_string())?;
        let environment = builder
            .with_name("infer")
            .with_telemetry(false)
            .build()
            .map_err(|error| error.to_string())?;
        // What fails is told by the errors; of what is merely noted nobody here could mend anything.
        environment.set_log_level(LogLevel::Fatal);
        Ok(environment)
    };
    match ENVIRONMENT.get() {
        Some(Ok(environment)) => Ok(environment.clone()),
        // A file that is no library has not used up the one environment that there can be.
        Some(Err(_)) | None => {
            let made = make();
            if made.is_ok() {
                _ = ENVIRONMENT.set(made.clone());
            }
            made
        }
    }
}

/// What the library calls its version, `1.32.0`.
fn version(library: &Path) -> Option<String> {
    // SAFETY: the library has been loaded from there before, so nothing of it runs now.
    let library = unsafe { libloading::Library::new(library) }.ok()?;
    // SAFETY: the function is declared so in onnxruntime_c_api.h; the crate calls it too.
    let base: libloading::Symbol<unsafe extern "system" fn() -> *const sys::OrtApiBase> =
        unsafe { library.get(b"OrtGetApiBase") }.ok()?;
    // SAFETY: it takes nothing and gives a constant of the library's, or null.
    let base = unsafe { base().as_ref() }?;
    // SAFETY: the text is a constant of the library's, which stays loaded.
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) };
    Some(version.to_string_lossy().into_owned())
}

/// A library's words in one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Backend for OnnxRuntime {
    fn describe(&self) -> String {
        format!("ONNX Runtime {} on {}", self.version, self.provider.name())
    }

    fn load(&self, source: &GraphSource) -> Result<Box<dyn Graph>, Error> {
        let path = source.onnx.as_deref().ok_or_else(|| {
            Error::unsupported(
                "it is in OpenVINO's form alone, `model.xml`, which ONNX Runtime does not read",
            )
        })?;
        let session = self.session(path)?;
        let signature = Signature {
            inputs: outlets(session.inputs())?,
            outputs: outlets(session.outputs())?,
        };
        for info in signature.inputs.iter().chain(&signature.outputs) {
            info.element_type()?;
        }
        let names = |tensors: &[TensorInfo]| -> Result<Vec<CString>, Error> {
            let name = |info: &TensorInfo| {
                CString::new(info.name.as_str())
                    .map_err(|_| Error::unsupported("a tensor's name has a zero byte"))
            };
            tensors.iter().map(name).collect()
        };
        Ok(Box::new(OnnxGraph {
            input_names: names(&signature.inputs)?,
            output_names: names(&signature.outputs)?,
            memory: MemoryInfo::new(
                AllocationDevice::CPU,
                0,
                AllocatorType::Device,
                MemoryType::Default,
            )
            .map_err(|error| failed(&error))?,
            session: Arc::new(session),
            signature,
            // Their providers compute one inference of a session at a time.
            turn: (self.provider != Provider::Cpu).then(std::sync::Mutex::default),
        }))
    }
}

fn outlets(outlets: &[Outlet]) -> Result<Vec<TensorInfo>, Error> {
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

fn datatype(onnx: TensorElementType) -> Option<Datatype> {
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

fn failed(error: &ort::Error) -> Error {
    let kind = match error.code() {
        ort::ErrorCode::InvalidArgument => ErrorKind::InvalidArgument,
        ort::ErrorCode::NotImplemented => ErrorKind::UnsupportedOperation,
        _ => ErrorKind::Runtime,
    };
    Error::new(
        kind,
        format!(
            "ONNX Runtime cannot compute it: {}",
            one_line(error.message())
        ),
    )
}

struct OnnxGraph {
    session: Arc<Session>,
    signature: Signature,
    input_names: Vec<CString>,
    output_names: Vec<CString>,
    /// Describes where a guest's tensors are.
    memory: MemoryInfo<'static>,
    /// For providers that cannot compute two inferences of a session at once.
    turn: Option<std::sync::Mutex<()>>,
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
            .zip(&self.signature.inputs)
            .map(|(tensor, info)| Input::new(tensor, info, &self.memory, &self.session))
            .collect::<Result<_, _>>()?;
        let options = Arc::new(RunOptions::new().map_err(|error| failed(&error))?);
        cancellation.on_cancel({
            let options = Arc::clone(&options);
            move || {
                // It fails when there is nothing to end.
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
    /// The library's `Run`, as `ort::Session::run` calls it but for one thing: that one wants the session
    /// for itself, and here several threads compute with one.
    fn run(&self, inputs: &[Input], options: &RunOptions) -> Result<Vec<DynValue>, Error> {
        let _turn = self.turn.as_ref().map(|turn| {
            turn.lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        });
        let input_names: Vec<_> = self.input_names.iter().map(|name| name.as_ptr()).collect();
        let output_names: Vec<_> = self.output_names.iter().map(|name| name.as_ptr()).collect();
        let values: Vec<_> = inputs.iter().map(|input| input.value.ptr()).collect();
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
        // Taken before the status is looked at: what has been made is released either way.
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
            .map(|output| {
                output.ok_or_else(|| {
                    Error::new(ErrorKind::Runtime, "ONNX Runtime left an output out")
                })
            })
            .collect()
    }

    /// An output in the library's own memory.
    fn output(&self, value: DynValue, info: &TensorInfo) -> Result<Tensor, Error> {
        let unexpected = |what: &str| {
            Error::new(
                ErrorKind::Runtime,
                format!("ONNX Runtime gave output `{}` {what}", info.name),
            )
        };
        let element_type = info.element_type()?;
        let value: DynTensor = value
            .downcast()
            .map_err(|_| unexpected("as something else than a tensor"))?;
        if datatype(*value.data_type()) != info.datatype {
            return Err(unexpected("in another datatype than declared"));
        }
        let shape = value
            .shape()
            .iter()
            .map(|size| u32::try_from(*size))
            .collect::<Result<Vec<u32>, _>>()
            .map_err(|_| unexpected("with a dimension of more than 2^32"))?;
        let bytes = infer_nn::expected_bytes(element_type, &shape)
            .ok_or_else(|| unexpected("larger than memory"))?;
        Ok(Tensor {
            shape,
            element_type,
            data: Arc::new(Output {
                value,
                bytes,
                _session: Arc::clone(&self.session),
            }),
        })
    }
}

/// An input as the library sees it: the guest's bytes where they are.
struct Input {
    value: Value<DynTensorValueType>,
    /// What `value` points into.
    _data: Arc<dyn Data>,
    _aligned: Option<Vec<u64>>,
}

impl Input {
    fn new(
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
struct Output {
    value: DynTensor,
    bytes: usize,
    _session: Arc<Session>,
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
