//! OpenVINO, by the crate `openvino`, from a shared library that is loaded on demand.
//!
//! This module loads the library and its models, [`graph`] runs inferences with the requests of a [`pool`], and
//! [`tensor`] holds the tensors.

mod graph;
mod pool;
mod tensor;

use std::panic::catch_unwind;
use std::path::Path;

use infer_tensor::{Datatype, Dim, Error, ErrorKind, Signature, TensorInfo};
use openvino::{
    CompiledModel, Core, DeviceType, InferenceError, InferenceErrorKind, Model, Node, RwPropertyKey,
};

use super::backend::{Backend, Graph, GraphSource, Precision, Share, Shared};
use super::library::{self, LibraryError};
use graph::OpenVinoGraph;
use tensor::OpenVinoTensor;

/// The loaded library.
pub struct OpenVino {
    device: String,
    threads: usize,
    version: String,
}

impl OpenVino {
    /// Load the library from the file `libopenvino_c`; its plugins are found beside it. A process keeps the
    /// first one that it loads.
    ///
    /// `device` is one of the library's names: `CPU`, `GPU`, `NPU`, `GPU.1`, `AUTO`. On a processor, an inference
    /// that runs alone uses `threads` threads.
    ///
    /// # Errors
    /// If the file is no shared library, is not OpenVINO, is too old, or has no such device.
    pub fn load(library: &Path, device: &str, threads: usize) -> Result<Self, LibraryError> {
        let failed = |reason: String| LibraryError::Load {
            library: "OpenVINO",
            path: library.to_owned(),
            reason,
        };
        // The crate panics when it calls a function that the library lacks.
        library::check_symbols(library, &SYMBOLS).map_err(failed)?;
        // It also panics on a version that is not numeric.
        let loaded = catch_unwind(|| openvino_sys::library::load_from(library));
        loaded
            .unwrap_or_else(|_| Err("its version is unknown".to_owned()))
            .map_err(failed)?;
        let core = Core::new().map_err(|error| failed(error.to_string()))?;
        let devices = devices(&core);
        if let Some(kind) = device_kind(device)
            && !devices.iter().any(|found| found.starts_with(kind))
        {
            return Err(failed(format!(
                "it has no device `{device}`, only {}",
                devices.join(", ")
            )));
        }
        Ok(Self {
            device: device.to_owned(),
            threads,
            version: openvino::version().build_number,
        })
    }

    /// A core with the settings of one graph: they hold for everything that the core compiles.
    fn core(&self, precision: Precision, share: Share) -> Result<Core, Error> {
        let mut core = Core::new().map_err(|error| Error::runtime(error.to_string()))?;
        let device = DeviceType::from(self.device.as_str());
        if self.device == "CPU" {
            let threads = self.threads.to_string();
            let streams = match share {
                Share::Whole => "1",
                Share::OneThread => &threads,
            };
            core.set_property(&device, &RwPropertyKey::InferenceNumThreads, &threads)
                .map_err(|error| unreadable(&error))?;
            core.set_property(&device, &RwPropertyKey::NumStreams, streams)
                .map_err(|error| unreadable(&error))?;
        }
        let precision = match precision {
            Precision::Fp32 => "f32",
            Precision::Fp16 => "f16",
            Precision::Bf16 => "bf16",
            Precision::Fastest => return Ok(core),
        };
        // `AUTO` and the like delegate to a device, which is the one that has this setting.
        let device = match device_kind(&self.device) {
            Some(kind) => DeviceType::from(kind),
            None => DeviceType::CPU,
        };
        core.set_property(&device, &RwPropertyKey::HintInferencePrecision, precision)
            .map_err(|error| unreadable(&error))?;
        Ok(core)
    }
}

/// The library's functions that this module needs, by way of the crate.
const SYMBOLS: [&str; 40] = [
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
    "ov_tensor_get_element_type",
    "ov_tensor_get_shape",
    "ov_tensor_free",
    "ov_shape_create",
    "ov_shape_free",
    "ov_compiled_model_inputs_size",
    "ov_compiled_model_outputs_size",
    "ov_infer_request_get_input_tensor_by_index",
];

/// The kind of device that a name stands for; `None` for `AUTO`, `HETERO:…` and the like, which select devices.
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
        _ => ErrorKind::RuntimeError,
    };
    Error::new(
        kind,
        format!("OpenVINO cannot compute it: {}", one_line(error)),
    )
}

/// The library's message in one line.
fn one_line(error: &InferenceError) -> String {
    let text = error.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Backend for OpenVino {
    fn describe(&self) -> String {
        format!("OpenVINO {} on {}", self.version, self.device)
    }

    fn has_shares(&self) -> bool {
        self.device == "CPU"
    }

    fn load(&self, source: &GraphSource, share: Share) -> Result<Box<dyn Graph>, Error> {
        let (path, weights) = match (&source.openvino_ir, &source.onnx) {
            (Some(xml), _) => (xml, xml.with_extension("bin")),
            (None, Some(onnx)) => (onnx, Default::default()),
            (None, None) => return Err(Error::unsupported("the model has no file")),
        };
        let (Some(path), Some(weights)) = (path.to_str(), weights.to_str()) else {
            return Err(Error::unsupported("the path of its file is not UTF-8"));
        };
        let mut core = self.core(source.precision, share)?;
        let model = core
            .read_model_from_file(path, weights)
            .map_err(|error| unreadable(&error))?;
        let mut signature = signature(&model).map_err(|error| unreadable(&error))?;
        for info in signature.tensors() {
            info.wasi_nn_datatype()?;
        }
        let compiled = core
            .compile_model(&model, DeviceType::from(self.device.as_str()))
            .map_err(|error| unreadable(&error))?;
        use_names(&compiled, &mut signature, &source.tensor_names);
        // The processor's plugin silently computes INT64 and FP64 in 32 bits. Of the other plugins, only the one for
        // graphics processors is known to use 64 bits.
        let is_narrow = !self.device.starts_with("GPU");
        let graph = OpenVinoGraph::new(compiled, signature, is_narrow);
        Ok(Box::new(graph.map_err(|error| unreadable(&error))?))
    }

    fn adopt(&self, datatype: Datatype, shape: &[u32], bytes: &[u8]) -> Shared {
        match OpenVinoTensor::copy(datatype, shape, bytes) {
            Ok(tensor) => Shared::new(tensor),
            // No graph takes it either, and the inference says why.
            Err(_) => Shared::new(bytes::Bytes::copy_from_slice(bytes)),
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
        datatype: Datatype::try_from(port.get_element_type()?).ok(),
        shape: (rank.get_min() == rank.get_max()).then(|| dims.collect()),
    })
}

/// Rename tensors to the names that guests use. A tensor of the library can have several names, of which a port
/// returns one.
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
