//! ONNX Runtime, by the crate `ort`, from a shared library that is loaded on demand.
//!
//! This module loads the library and its sessions, [`graph`] runs inferences, and [`values`] holds the tensors.

mod graph;
mod values;

use std::ffi::CStr;
use std::path::Path;
use std::str::FromStr;
use std::sync::OnceLock;

use infer_tensor::{Error, ErrorKind, Signature};
use ort::environment::Environment;
use ort::ep::{self, ExecutionProviderDispatch};
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::sys;

use super::backend::{Backend, Graph, GraphSource, Share};
use super::library::{self, LibraryError};
use graph::OnnxGraph;
use values::{served_outputs, tensor_infos};

/// An execution provider of ONNX Runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provider {
    /// The processor.
    #[default]
    Cpu,
    /// NVIDIA's graphics processors, by CUDA.
    Cuda,
    /// NVIDIA's graphics processors, by TensorRT.
    TensorRt,
}

impl FromStr for Provider {
    type Err = String;

    /// The provider of that name, in any case: `cpu`, `cuda` or `tensorrt`.
    fn from_str(name: &str) -> Result<Self, String> {
        match name.to_ascii_lowercase().as_str() {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda),
            "tensorrt" => Ok(Self::TensorRt),
            _ => Err(format!(
                "ONNX Runtime has no device `{name}`, expected `cpu`, `cuda` or `tensorrt`"
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
            // Without this, ONNX Runtime silently falls back to the processor.
            Self::Cuda => Some(ep::CUDA::default().build().error_on_failure()),
            Self::TensorRt => Some(ep::TensorRT::default().build().error_on_failure()),
        }
    }
}

/// The loaded library.
pub struct OnnxRuntime {
    environment: Environment,
    provider: Provider,
    threads: usize,
    version: String,
}

impl OnnxRuntime {
    /// Load the library from a file. A process keeps the first one that it loads. An inference that runs alone uses
    /// `threads` threads.
    ///
    /// # Errors
    /// If the file is no shared library, is not ONNX Runtime, or is too old.
    pub fn load(library: &Path, provider: Provider, threads: usize) -> Result<Self, LibraryError> {
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
            threads,
            version: version(library).unwrap_or_else(|| "of unknown version".to_owned()),
        })
    }

    fn session(&self, path: &Path, share: Share) -> Result<Session, Error> {
        let configured = || -> ort::Result<Session> {
            let mut builder = Session::builder(&self.environment)?
                .with_optimization_level(GraphOptimizationLevel::All)?
                .with_intra_threads(match share {
                    Share::Whole => self.threads,
                    Share::OneThread => 1,
                })?
                // ONNX Runtime's threads spin while they wait for the next operator. After an inference they would
                // spin for another millisecond, on cores that write one response and read the next request.
                .with_config_entry("session.force_spinning_stop", "1")?;
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

/// The environment, of which `ort` allows one per process.
fn environment(library: &Path) -> Result<Environment, String> {
    static ENVIRONMENT: OnceLock<Result<Environment, String>> = OnceLock::new();
    let make = || {
        let builder = ort::init_from(library).map_err(|error| error.to_string())?;
        let environment = builder
            .with_name("infer")
            .with_telemetry(false)
            .build()
            .map_err(|error| error.to_string())?;
        // Failures are returned as errors, and an operator cannot act on the library's other messages.
        environment.set_log_level(LogLevel::Fatal);
        Ok(environment)
    };
    match ENVIRONMENT.get() {
        Some(Ok(environment)) => Ok(environment.clone()),
        // A failure leaves the one environment unused, so that another file may still provide it.
        Some(Err(_)) | None => {
            let made = make();
            if made.is_ok() {
                _ = ENVIRONMENT.set(made.clone());
            }
            made
        }
    }
}

/// The library's version, for example `1.32.0`.
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

/// A library's message in one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Backend for OnnxRuntime {
    fn describe(&self) -> String {
        format!("ONNX Runtime {} on {}", self.version, self.provider.name())
    }

    fn has_shares(&self) -> bool {
        self.provider == Provider::Cpu
    }

    fn load(&self, source: &GraphSource, share: Share) -> Result<Box<dyn Graph>, Error> {
        let path = source.onnx.as_deref().ok_or_else(|| {
            Error::unsupported(
                "there is only OpenVINO's form of the model, `model.xml`, which ONNX Runtime does not read",
            )
        })?;
        let session = self.session(path, share)?;
        let signature = Signature {
            inputs: tensor_infos(session.inputs())?,
            outputs: served_outputs(session.outputs())?,
        };
        for info in signature.tensors() {
            info.wasi_nn_datatype()?;
        }
        // Providers for other devices run one inference of a session at a time.
        let takes_turns = self.provider != Provider::Cpu;
        Ok(Box::new(OnnxGraph::new(session, signature, takes_turns)?))
    }
}
