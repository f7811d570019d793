//! OpenVINO, by the crate `openvino`, from a shared library that is loaded when it is asked for.

use std::any::Any;
use std::ops::{Deref, DerefMut};
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use infer_model_card::Datatype;
use infer_nn::{Dim, ElementType, Error, ErrorKind, Signature, TensorInfo, expected_bytes};
use openvino::{
    CompiledModel, Core, DeviceType, InferRequest, InferenceError, InferenceErrorKind, Model, Node,
    RwPropertyKey, Shape,
};

use super::backend::{Backend, Cancellation, Data, Graph, GraphSource, Precision, Tensor};
use super::library::{self, LibraryError};

/// How long a thread waits for an inference before it looks whether it was cancelled.
const POLL_MS: i64 = 20;

/// The loaded library.
pub struct OpenVino {
    device: String,
    threads: usize,
    streams: usize,
    version: String,
}

impl OpenVino {
    /// Load the library from the file `libopenvino_c`; its plugins are found beside it. A process keeps the
    /// first one that it loads.
    ///
    /// `device` is a name of the library's own: `CPU`, `GPU`, `NPU`, `GPU.1`, `AUTO`. On a processor,
    /// `threads` are used by `streams` inferences at a time.
    ///
    /// # Errors
    /// When the file is no library, is none of OpenVINO's, is too old, or has no such device.
    pub fn load(
        library: &Path,
        device: &str,
        threads: usize,
        streams: usize,
    ) -> Result<Self, LibraryError> {
        let failed = |reason: String| LibraryError::Load {
            library: "OpenVINO",
            path: library.to_owned(),
            reason,
        };
        // The crate panics when it calls what a library has not.
        library::check_symbols(library, &SYMBOLS).map_err(failed)?;
        // It also does when the library's version is not one of numbers.
        let loaded = catch_unwind(|| openvino_sys::library::load_from(library));
        loaded
            .unwrap_or_else(|_| Err("its version is none that is known".to_owned()))
            .map_err(failed)?;
        let core = Core::new().map_err(|error| failed(error.to_string()))?;
        let devices = devices(&core);
        if let Some(kind) = device_kind(device)
            && !devices.iter().any(|found| found.starts_with(kind))
        {
            return Err(failed(format!(
                "it finds no device `{device}` here, only {}",
                devices.join(", ")
            )));
        }
        Ok(Self {
            device: device.to_owned(),
            threads,
            streams,
            version: openvino::version().build_number,
        })
    }

    /// A core that compiles for that precision. Its settings hold for all that it compiles, so each graph
    /// has one of its own.
    fn core(&self, precision: Precision) -> Result<Core, Error> {
        let mut core =
            Core::new().map_err(|error| Error::new(ErrorKind::Runtime, error.to_string()))?;
        let device = DeviceType::from(self.device.as_str());
        if self.device == "CPU" {
            let threads = self.threads.to_string();
            let streams = self.streams.to_string();
            core.set_property(&device, &RwPropertyKey::InferenceNumThreads, &threads)
                .map_err(|error| unreadable(&error))?;
            core.set_property(&device, &RwPropertyKey::NumStreams, &streams)
                .map_err(|error| unreadable(&error))?;
        }
        let precision = match precision {
            Precision::Fp32 => "f32",
            Precision::Fp16 => "f16",
            Precision::Bf16 => "bf16",
            Precision::Fastest => return Ok(core),
        };
        // `AUTO` and the like hand the graph on to devices, which the setting has to be made for.
        let device = match device_kind(&self.device) {
            Some(kind) => DeviceType::from(kind),
            None => DeviceType::CPU,
        };
        core.set_property(&device, &RwPropertyKey::HintInferencePrecision, precision)
            .map_err(|error| unreadable(&error))?;
        Ok(core)
    }
}

/// The functions of the library that the crate may call for this module.
const SYMBOLS: [&str; 32] = [
    "ov_get_openvino_version",
    "ov_version_free",
    "ov_get_last_err_msg",
    "ov_core_create",
    "ov_core_free",
    "ov_core_get_available_devices",
    "ov_available_devices_free",
    "ov_core_set_property",
    "ov_core_read_model",
    "ov_core_compile_model",
    "ov_model_free",
    "ov_model_inputs_size",
    "ov_model_outputs_size",
    "ov_model_const_input_by_index",
    "ov_model_const_output_by_index",
    "ov_port_get_any_name",
    "ov_port_get_element_type",
    "ov_port_get_partial_shape",
    "ov_partial_shape_free",
    "ov_compiled_model_free",
    "ov_compiled_model_create_infer_request",
    "ov_compiled_model_input_by_name",
    "ov_compiled_model_output_by_name",
    "ov_infer_request_free",
    "ov_infer_request_set_input_tensor_by_index",
    "ov_infer_request_get_output_tensor_by_index",
    "ov_infer_request_start_async",
    "ov_infer_request_wait_for",
    "ov_infer_request_cancel",
    "ov_tensor_create",
    "ov_tensor_data",
    "ov_tensor_get_byte_size",
];

/// What kind of device a name names; `AUTO`, `HETERO:…` and the like are none, but choose among devices.
fn device_kind(name: &str) -> Option<&str> {
    let kind = name.split('.').next().unwrap_or_default();
    ["CPU", "GPU", "NPU"].contains(&kind).then_some(kind)
}

fn devices(core: &Core) -> Vec<String> {
    core.available_devices()
        .unwrap_or_default()
        .iter()
        .map(|device| device.as_ref().to_owned())
        .collect()
}

fn unreadable(error: &InferenceError) -> Error {
    Error::new(
        ErrorKind::InvalidEncoding,
        format!("OpenVINO cannot load it: {}", one_line(error)),
    )
}

fn failed(error: &InferenceError) -> Error {
    let kind = match error.kind {
        InferenceErrorKind::ParameterMismatch => ErrorKind::InvalidArgument,
        InferenceErrorKind::NotImplemented => ErrorKind::UnsupportedOperation,
        _ => ErrorKind::Runtime,
    };
    Error::new(
        kind,
        format!("OpenVINO cannot compute it: {}", one_line(error)),
    )
}

/// The library's words in one line.
fn one_line(error: &InferenceError) -> String {
    let text = error.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Backend for OpenVino {
    fn describe(&self) -> String {
        format!("OpenVINO {} on {}", self.version, self.device)
    }

    fn load(&self, source: &GraphSource) -> Result<Box<dyn Graph>, Error> {
        let (path, weights) = match (&source.openvino_ir, &source.onnx) {
            (Some(xml), _) => (xml, xml.with_extension("bin")),
            (None, Some(onnx)) => (onnx, Default::default()),
            (None, None) => return Err(Error::unsupported("there is no file of it")),
        };
        let (Some(path), Some(weights)) = (path.to_str(), weights.to_str()) else {
            return Err(Error::unsupported("its path is no text"));
        };
        let mut core = self.core(source.precision)?;
        let model = core
            .read_model_from_file(path, weights)
            .map_err(|error| unreadable(&error))?;
        let mut signature = signature(&model).map_err(|error| unreadable(&error))?;
        for info in signature.inputs.iter().chain(&signature.outputs) {
            info.element_type()?;
        }
        let compiled = core
            .compile_model(&model, DeviceType::from(self.device.as_str()))
            .map_err(|error| unreadable(&error))?;
        use_names(&compiled, &mut signature, &source.tensor_names);
        let graph = OpenVinoGraph {
            pool: Arc::new(Pool {
                compiled: Mutex::new(compiled),
                idle: Mutex::default(),
            }),
            is_narrow: !self.device.starts_with("GPU"),
            signature,
        };
        // What cannot make a request cannot compute; better known now.
        drop(graph.pool.lease().map_err(|error| unreadable(&error))?);
        Ok(Box::new(graph))
    }

    fn adopt(&self, element_type: ElementType, shape: &[u32], bytes: &[u8]) -> Arc<dyn Data> {
        match OpenVinoTensor::copy(openvino_type(element_type), shape, bytes) {
            Ok(tensor) => Arc::new(tensor),
            // It does not fit a graph either, as whoever computes with it is told.
            Err(_) => Arc::new(bytes::Bytes::copy_from_slice(bytes)),
        }
    }
}

fn signature(model: &Model) -> Result<Signature, InferenceError> {
    let ports = |count: usize, port: &dyn Fn(usize) -> Result<Node, InferenceError>| {
        (0..count)
            .map(|index| tensor_info(&port(index)?))
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(Signature {
        inputs: ports(model.get_inputs_len()?, &|index| {
            model.get_input_by_index(index)
        })?,
        outputs: ports(model.get_outputs_len()?, &|index| {
            model.get_output_by_index(index)
        })?,
    })
}

fn tensor_info(port: &Node) -> Result<TensorInfo, InferenceError> {
    let partial = port.get_partial_shape()?;
    let rank = partial.get_rank();
    let dims = partial.get_dimensions().iter().map(|dim| {
        let size = u32::try_from(dim.get_min()).ok();
        match size.filter(|_| dim.get_min() == dim.get_max()) {
            Some(size) => Dim::Fixed(size),
            None => Dim::Any,
        }
    });
    Ok(TensorInfo {
        name: port.get_name()?,
        datatype: datatype(port.get_element_type()?),
        shape: (rank.get_min() == rank.get_max()).then(|| dims.collect()),
    })
}

/// A tensor of the library's can have several names, of which a port tells one. Call it by the one that
/// guests know.
fn use_names(compiled: &CompiledModel, signature: &mut Signature, names: &[String]) {
    let rename = |tensors: &mut [TensorInfo], known: &dyn Fn(&str) -> Option<String>| {
        for name in names {
            if tensors.iter().any(|info| info.name == *name) {
                continue;
            }
            let Some(other) = known(name) else { continue };
            if let Some(info) = tensors.iter_mut().find(|info| info.name == other) {
                info.name.clone_from(name);
            }
        }
    };
    rename(&mut signature.inputs, &|name| {
        compiled.get_input_by_name(name).ok()?.get_name().ok()
    });
    rename(&mut signature.outputs, &|name| {
        compiled.get_output_by_name(name).ok()?.get_name().ok()
    });
}

fn datatype(openvino: openvino::ElementType) -> Option<Datatype> {
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

fn openvino_type(element_type: ElementType) -> openvino::ElementType {
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

/// A graph compiled for the device.
struct OpenVinoGraph {
    pool: Arc<Pool>,
    signature: Signature,
    /// Whether the device's plugin computes INT64 and FP64 in 32 bits, which OpenVINO's processor plugin does
    /// without a word.
    is_narrow: bool,
}

impl Graph for OpenVinoGraph {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn compute(
        &self,
        inputs: &[Tensor],
        cancellation: &Cancellation,
    ) -> Result<Vec<Tensor>, Error> {
        let mut request = self.pool.lease().map_err(|error| failed(&error))?;
        for (index, (tensor, info)) in inputs.iter().zip(&self.signature.inputs).enumerate() {
            self.check_values(tensor, info)?;
            let element_type = if info.is_bool() {
                openvino::ElementType::Boolean
            } else {
                openvino_type(tensor.element_type)
            };
            let any: &dyn Any = &*tensor.data;
            let copy;
            let adopted = match any.downcast_ref::<OpenVinoTensor>() {
                Some(adopted) if adopted.element_type == element_type => adopted,
                _ => {
                    copy = OpenVinoTensor::copy(element_type, &tensor.shape, tensor.bytes())?;
                    &copy
                }
            };
            request
                .set_input_tensor_by_index(index, &adopted.tensor)
                .map_err(|error| failed(&error))?;
        }
        request.infer_async().map_err(|error| failed(&error))?;
        while let Err(error) = request.wait(POLL_MS) {
            if error.kind != InferenceErrorKind::ResultNotReady {
                // What a failure leaves of a request is not for the next inference.
                request.discard();
                return Err(failed(&error));
            }
            if cancellation.is_cancelled() {
                // The next wait ends with an error, when the request has stopped.
                _ = request.cancel();
            }
        }
        let request = Arc::new(request);
        self.signature
            .outputs
            .iter()
            .enumerate()
            .map(|(index, info)| output(&request, index, info))
            .collect()
    }
}

impl OpenVinoGraph {
    fn check_values(&self, tensor: &Tensor, info: &TensorInfo) -> Result<(), Error> {
        info.check_values(tensor.bytes())?;
        if !self.is_narrow {
            return Ok(());
        }
        let (elements, _) = tensor.bytes().as_chunks::<8>();
        let unfit = match tensor.element_type {
            ElementType::I64 => first(elements, i64::from_le_bytes, |value| {
                i32::try_from(value).is_err()
            })
            .map(|(index, value)| (index, value.to_string(), "INT64")),
            ElementType::Fp64 => first(elements, f64::from_le_bytes, |value| {
                value.is_finite() && value.abs() > f64::from(f32::MAX)
            })
            .map(|(index, value)| (index, format!("{value:e}"), "FP64")),
            _ => None,
        };
        match unfit {
            None => Ok(()),
            Some((index, value, datatype)) => Err(Error::invalid(format!(
                "input `{}` has the {datatype} value {value} at index {index}; OpenVINO computes {datatype} in \
                 32 bits on this device, where that does not fit",
                info.name
            ))),
        }
    }
}

/// The first element of that kind, with its place.
fn first<T: Copy>(
    elements: &[[u8; 8]],
    from_bytes: fn([u8; 8]) -> T,
    is_wanted: fn(T) -> bool,
) -> Option<(usize, T)> {
    let mut values = elements.iter().map(|bytes| from_bytes(*bytes)).enumerate();
    values.find(|(_, value)| is_wanted(*value))
}

/// An output in the request's memory, which nobody computes into before the output is gone.
fn output(request: &Arc<Lease>, index: usize, info: &TensorInfo) -> Result<Tensor, Error> {
    let unexpected = |what: &str| {
        Error::new(
            ErrorKind::Runtime,
            format!("OpenVINO gave output `{}` {what}", info.name),
        )
    };
    let element_type = info.element_type()?;
    let tensor = request
        .get_output_tensor_by_index(index)
        .map_err(|error| failed(&error))?;
    let came = tensor.get_element_type().map_err(|error| failed(&error))?;
    if datatype(came) != info.datatype {
        return Err(unexpected("in another datatype than declared"));
    }
    let shape = tensor.get_shape().map_err(|error| failed(&error))?;
    let shape = shape
        .get_dimensions()
        .iter()
        .map(|size| u32::try_from(*size))
        .collect::<Result<Vec<u32>, _>>()
        .map_err(|_| unexpected("with a dimension of more than 2^32"))?;
    let bytes = tensor.get_byte_size().map_err(|error| failed(&error))?;
    if expected_bytes(element_type, &shape) != Some(bytes) {
        return Err(unexpected(
            "with another number of bytes than its shape has",
        ));
    }
    Ok(Tensor {
        shape,
        element_type,
        data: Arc::new(OpenVinoTensor {
            element_type: came,
            bytes,
            tensor,
            _request: Some(Arc::clone(request)),
        }),
    })
}

/// A tensor in the library's memory.
struct OpenVinoTensor {
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
    /// A tensor with these elements.
    fn copy(
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

/// The requests of a graph: each computes one inference at a time, and keeps its memory for the next.
struct Pool {
    compiled: Mutex<CompiledModel>,
    idle: Mutex<Vec<InferRequest>>,
}

impl Pool {
    fn lease(self: &Arc<Self>) -> Result<Lease, InferenceError> {
        let idle = locked(&self.idle).pop();
        let request = match idle {
            Some(request) => request,
            None => locked(&self.compiled).create_infer_request()?,
        };
        Ok(Lease {
            request: Some(request),
            pool: Arc::clone(self),
        })
    }
}

/// A request of the pool, which goes back when this is dropped.
struct Lease {
    request: Option<InferRequest>,
    pool: Arc<Pool>,
}

impl Lease {
    /// Let the request not go back.
    fn discard(mut self) {
        self.request = None;
    }
}

impl Deref for Lease {
    type Target = InferRequest;

    fn deref(&self) -> &InferRequest {
        self.request
            .as_ref()
            .expect("taken by `drop` and `discard` alone")
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut InferRequest {
        self.request
            .as_mut()
            .expect("taken by `drop` and `discard` alone")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(request) = self.request.take() {
            locked(&self.pool.idle).push(request);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
