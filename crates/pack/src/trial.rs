//! Trials: runs a graph in the engine that will serve it, before it becomes part of an artifact.
//!
//! The graph's file is read, loaded and run inside the component, so a file that is damaged or hostile can do no more than
//! trap. Each call has a time limit, and the component's memory ends at 4 GiB.

use std::time::Duration;

use infer_tensor::{Error, ErrorKind, Tensor};
use wasmtime::Trap;
use wasmtime::component::{Component, ComponentType, Lift, Lower, ResourceAny};

use crate::build::{BuildError, BuildOptions};
use crate::compile::Component as Part;
use crate::components::Code;
use crate::machine::{self, Machine};
use crate::progress::Progress;
use crate::setup::{Seed, Setup};
use crate::snapshot::{self, ENGINE_SETUP, ModelInfo, SnapshotError};
use crate::trim::Linked;

/// The longest time of one call: loading a graph, or one inference.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// The name of a graph on trial.
const NAME: &str = "trial";

const GRAPH: &str = "wasi:nn/graph@0.2.0-rc-2024-10-28";
const INFERENCE: &str = "wasi:nn/inference@0.2.0-rc-2024-10-28";
const TENSOR: &str = "wasi:nn/tensor@0.2.0-rc-2024-10-28";
const ERRORS: &str = "wasi:nn/errors@0.2.0-rc-2024-10-28";

/// The engine, ready to try graphs.
pub struct TrialEngine {
    machine: Machine,
    component: Component,
}

/// A graph that the engine has loaded.
pub struct TrialGraph<'a> {
    engine: &'a TrialEngine,
    onnx: Vec<u8>,
    /// `None` after a trap, which leaves the instance in no state to be called.
    loaded: Option<Loaded>,
    memory: TrialMemory,
}

/// The memory of a graph on trial, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialMemory {
    /// The loaded graph: its operators and weights, in the form in which the engine keeps them.
    pub loaded: u64,
    /// The most that an inference has taken besides, its inputs and outputs included; 0 before the first.
    pub inference: u64,
}

struct Loaded {
    setup: Setup,
    context: ResourceAny,
    /// Memory in use with the loaded graph, and without it.
    in_use: [u64; 2],
}

infer_tensor::wit_tensor_type!(TensorType);
infer_tensor::wit_error_code!(ErrorCode);

/// wasi:nn's `tensor-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
enum TensorType {
    #[component(name = "FP16")]
    Fp16,
    #[component(name = "FP32")]
    Fp32,
    #[component(name = "FP64")]
    Fp64,
    #[component(name = "BF16")]
    Bf16,
    #[component(name = "U8")]
    U8,
    #[component(name = "I32")]
    I32,
    #[component(name = "I64")]
    I64,
}

/// wasi:nn's `error-code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
enum ErrorCode {
    #[component(name = "invalid-argument")]
    InvalidArgument,
    #[component(name = "invalid-encoding")]
    InvalidEncoding,
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "runtime-error")]
    RuntimeError,
    #[component(name = "unsupported-operation")]
    UnsupportedOperation,
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "not-found")]
    NotFound,
    #[component(name = "security")]
    Security,
    #[component(name = "unknown")]
    Unknown,
}

impl TrialEngine {
    /// The engine of a build. In a checkout, cargo compiles it if its sources changed.
    ///
    /// # Errors
    /// If it cannot be compiled or instantiated.
    pub fn new(options: &BuildOptions, progress: &dyn Progress) -> Result<Self, BuildError> {
        options.components.prepare(progress)?;
        let code = options.code(Part::Engine, progress)?;
        let machine = Machine::new(&options.cache, machine::Code::Fast).map_err(failed)?;
        let component = machine
            .component(code.digest(), || instrumented(&code))
            .map_err(failed)?;
        Ok(Self { machine, component })
    }

    /// Load a graph.
    ///
    /// # Errors
    /// `InvalidEncoding` if the engine rejects the file, or traps on it; `Timeout` if it does not end.
    pub fn load(&self, onnx: Vec<u8>) -> Result<TrialGraph<'_>, Error> {
        let loaded = self.instance(&onnx)?;
        let [with, without] = loaded.in_use;
        Ok(TrialGraph {
            memory: TrialMemory {
                loaded: with.saturating_sub(without),
                inference: 0,
            },
            engine: self,
            onnx,
            loaded: Some(loaded),
        })
    }

    fn instance(&self, onnx: &[u8]) -> Result<Loaded, Error> {
        let mut setup =
            Setup::new(&self.machine, &self.component, Seed::random()).map_err(internal)?;
        setup.limit(TIME_LIMIT);
        let (without, _) = setup.memory(ENGINE_SETUP).map_err(internal)?;
        let arguments = (NAME, onnx);
        let added =
            setup.call::<_, (Result<ModelInfo, String>,)>(ENGINE_SETUP, "add-model", arguments);
        match added {
            Ok((info,)) => info
                .map(drop)
                .map_err(|reason| Error::new(ErrorKind::InvalidEncoding, reason))?,
            Err(error) => {
                return Err(ended(
                    &setup,
                    error,
                    "loading the graph",
                    ErrorKind::InvalidEncoding,
                ));
            }
        };
        let context = context(&mut setup)?;
        let (with, _) = setup.memory(ENGINE_SETUP).map_err(internal)?;
        Ok(Loaded {
            setup,
            context,
            in_use: [with, without],
        })
    }
}

/// The execution context of the graph on trial.
fn context(setup: &mut Setup) -> Result<ResourceAny, Error> {
    let (graph,): (Result<ResourceAny, ResourceAny>,) = setup
        .call(GRAPH, "load-by-name", (NAME,))
        .map_err(internal)?;
    let graph = graph.map_err(|error| guest_error(setup, error))?;
    let (context,): (Result<ResourceAny, ResourceAny>,) = setup
        .call(GRAPH, "[method]graph.init-execution-context", (graph,))
        .map_err(internal)?;
    context.map_err(|error| guest_error(setup, error))
}

impl TrialGraph<'_> {
    /// The memory that the graph and its inferences have taken so far.
    #[must_use]
    pub fn memory(&self) -> TrialMemory {
        self.memory
    }

    /// Run the graph.
    ///
    /// # Errors
    /// The engine's; `RuntimeError` if it traps; `Timeout` if it does not end.
    pub fn compute(&mut self, inputs: &[(String, Tensor)]) -> Result<Vec<(String, Tensor)>, Error> {
        let mut loaded = match self.loaded.take() {
            Some(loaded) => loaded,
            None => self.engine.instance(&self.onnx)?,
        };
        loaded.setup.limit(TIME_LIMIT);
        let outputs = loaded.compute(inputs);
        match outputs {
            Ok(outputs) => {
                let (_, most) = loaded.setup.memory(ENGINE_SETUP).map_err(internal)?;
                let more = most.saturating_sub(loaded.in_use[0]);
                self.memory.inference = self.memory.inference.max(more);
                self.loaded = Some(loaded);
                outputs
            }
            Err(error) => Err(ended(
                &loaded.setup,
                error,
                "running the graph",
                ErrorKind::RuntimeError,
            )),
        }
    }
}

type Outputs = Vec<(String, Tensor)>;

impl Loaded {
    /// The outer error is a trap, after which the instance cannot be called.
    fn compute(&mut self, inputs: &[(String, Tensor)]) -> wasmtime::Result<Result<Outputs, Error>> {
        let mut named = Vec::with_capacity(inputs.len());
        for (name, tensor) in inputs {
            let datatype = match TensorType::try_from(tensor.datatype) {
                Ok(datatype) => datatype,
                Err(error) => return Ok(Err(error.into())),
            };
            let arguments = (tensor.shape.as_slice(), datatype, tensor.data.as_slice());
            let (resource,): (ResourceAny,) =
                self.setup.call(TENSOR, "[constructor]tensor", arguments)?;
            named.push((name.as_str(), resource));
        }
        let (outputs,): (Result<Vec<(String, ResourceAny)>, ResourceAny>,) = self.setup.call(
            INFERENCE,
            "[method]graph-execution-context.compute",
            (self.context, named.as_slice()),
        )?;
        let outputs = match outputs {
            Ok(outputs) => outputs,
            Err(error) => return Ok(Err(guest_error(&mut self.setup, error))),
        };
        let mut tensors = Vec::with_capacity(outputs.len());
        for (name, output) in outputs {
            let (shape,): (Vec<u32>,) =
                self.setup
                    .call(TENSOR, "[method]tensor.dimensions", (output,))?;
            let (datatype,): (TensorType,) =
                self.setup.call(TENSOR, "[method]tensor.ty", (output,))?;
            let (data,): (Vec<u8>,) = self.setup.call(TENSOR, "[method]tensor.data", (output,))?;
            output.resource_drop(&mut self.setup.store)?;
            let tensor = Tensor {
                datatype: datatype.into(),
                shape,
                data,
            };
            tensors.push((name, tensor));
        }
        Ok(Ok(tensors))
    }
}

/// The engine's code, as a snapshot's setup runs it.
fn instrumented(code: &Code) -> wasmtime::Result<Vec<u8>> {
    let bytes = code.read()?;
    let linked = Linked::read(code.name(), &bytes)?;
    snapshot::instrumented(linked.component())
}

/// Read an error resource of the engine.
fn guest_error(setup: &mut Setup, error: ResourceAny) -> Error {
    let mut read = || -> wasmtime::Result<Error> {
        let (code,): (ErrorCode,) = setup.call(ERRORS, "[method]error.code", (error,))?;
        let (data,): (String,) = setup.call(ERRORS, "[method]error.data", (error,))?;
        Ok(Error::new(code.into(), data))
    };
    read().unwrap_or_else(internal)
}

/// The error of a call that did not return.
fn ended(setup: &Setup, error: wasmtime::Error, doing: &str, kind: ErrorKind) -> Error {
    if matches!(error.downcast_ref::<Trap>(), Some(Trap::Interrupt)) {
        return Error::new(
            ErrorKind::Timeout,
            format!(
                "{doing} did not end within {} seconds",
                TIME_LIMIT.as_secs()
            ),
        );
    }
    match setup.trap(error, doing) {
        Ok(reason) => Error::new(kind, reason),
        Err(error) => internal(error),
    }
}

fn internal(error: wasmtime::Error) -> Error {
    Error::new(
        ErrorKind::Unknown,
        format!("the engine cannot be called: {error:#}"),
    )
}

fn failed(source: wasmtime::Error) -> BuildError {
    SnapshotError::Component {
        component: "engine",
        source,
    }
    .into()
}
