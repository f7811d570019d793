//! The WIT glue: resources, error codes, and the setup that a build calls before the snapshot.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use infer_kernels::peak;
use infer_snapshot_alloc::ClearingAllocator;
use infer_tensor::TensorInfo;

use crate::{Error, ErrorKind, Graph, Registry, Tensor};

mod bindings {
    wit_bindgen::generate!({ world: "engine", path: "wit", generate_all });
}

use bindings::exports::infer::engine::setup;
use bindings::exports::wasi::nn::{errors, graph, inference, tensor};

infer_tensor::wit_tensor_type!(tensor::TensorType);
infer_tensor::wit_error_code!(errors::ErrorCode);

#[global_allocator]
static ALLOCATOR: ClearingAllocator<std::alloc::System> =
    ClearingAllocator::new(std::alloc::System);

/// The folder of mounted models, unless `INFER_MODELS_DIR` names another.
const MODELS_DIR: &str = "/models";

thread_local! {
    static REGISTRY: RefCell<Registry> = const { RefCell::new(Registry::new()) };
}

struct Engine;
bindings::export!(Engine with_types_in bindings);

impl setup::Guest for Engine {
    fn add_model(name: String, onnx: Vec<u8>) -> Result<setup::ModelInfo, String> {
        REGISTRY
            .with_borrow_mut(|registry| registry.add(&name, onnx))
            .map(|info| setup::ModelInfo {
                inputs: info.inputs.iter().map(describe).collect(),
                outputs: info.outputs.iter().map(describe).collect(),
            })
            .map_err(|error| error.to_string())
    }

    fn mount_model(name: String) -> Result<(), String> {
        REGISTRY
            .with_borrow_mut(|registry| registry.mount(&name))
            .map_err(|error| error.to_string())
    }

    fn profile(
        name: String,
        inputs: Vec<setup::Input>,
        runs: u32,
    ) -> Result<Vec<(String, f64)>, String> {
        let inputs = inputs.into_iter().map(|input| {
            let tensor = Tensor {
                datatype: input.datatype.parse().map_err(|_| {
                    Error::invalid(format!("`{}` is not a datatype", input.datatype))
                })?,
                shape: input.shape,
                data: input.data,
            };
            Ok((input.name, tensor))
        });
        let inputs = inputs.collect::<Result<_, Error>>();
        REGISTRY
            .with_borrow(|registry| registry.get(&name, Path::new(MODELS_DIR)))
            .and_then(|graph| graph.profile(inputs?, runs))
            .map_err(|error| error.to_string())
    }

    fn peak() -> f64 {
        const TURNS: u32 = 6_250;
        let least = (0..20)
            .map(|_| {
                let start = Instant::now();
                std::hint::black_box(peak::multiply_adds(TURNS));
                start.elapsed().as_secs_f64()
            })
            .fold(f64::MAX, f64::min);
        (u64::from(TURNS) * peak::FLOPS_PER_ITERATION) as f64 / least
    }

    fn memory() -> (u64, u64) {
        let usage = ALLOCATOR.usage();
        (usage.now as u64, usage.most as u64)
    }

    fn seal() -> u64 {
        ALLOCATOR.seal(0) as u64
    }
}

fn describe(info: &TensorInfo) -> setup::TensorInfo {
    setup::TensorInfo {
        name: info.name.clone(),
        datatype: info.datatype_name().to_owned(),
        shape: info.sizes(),
    }
}

impl tensor::Guest for Engine {
    type Tensor = TensorResource;
}

/// A guest's tensor. The constructor cannot fail, so `compute` checks the tensor.
struct TensorResource(Tensor);

impl tensor::GuestTensor for TensorResource {
    fn new(shape: Vec<u32>, ty: tensor::TensorType, data: Vec<u8>) -> Self {
        Self(Tensor {
            datatype: ty.into(),
            shape,
            data,
        })
    }

    fn dimensions(&self) -> Vec<u32> {
        self.0.shape.clone()
    }

    fn ty(&self) -> tensor::TensorType {
        // A graph with another datatype is not loaded.
        tensor::TensorType::try_from(self.0.datatype).unwrap_or(tensor::TensorType::U8)
    }

    fn data(&self) -> Vec<u8> {
        self.0.data.clone()
    }
}

impl errors::Guest for Engine {
    type Error = ErrorResource;
}

struct ErrorResource(Error);

impl errors::GuestError for ErrorResource {
    fn code(&self) -> errors::ErrorCode {
        self.0.kind().into()
    }

    fn data(&self) -> String {
        self.0.message().to_owned()
    }
}

fn raise(error: Error) -> errors::Error {
    errors::Error::new(ErrorResource(error))
}

impl graph::Guest for Engine {
    type Graph = GraphResource;

    fn load(
        builder: Vec<graph::GraphBuilder>,
        encoding: graph::GraphEncoding,
        target: graph::ExecutionTarget,
    ) -> Result<graph::Graph, errors::Error> {
        load(builder, encoding, target).map_err(raise)
    }

    fn load_by_name(name: String) -> Result<graph::Graph, errors::Error> {
        // Read from the host on each call: std would keep the environment that it saw before the snapshot.
        let models_dir = wasi::cli::environment::get_environment()
            .into_iter()
            .find_map(|(key, value)| (key == "INFER_MODELS_DIR").then_some(value))
            .unwrap_or_else(|| MODELS_DIR.to_owned());
        REGISTRY
            .with_borrow(|registry| registry.get(&name, Path::new(&models_dir)))
            .map(|found| graph::Graph::new(GraphResource(found)))
            .map_err(raise)
    }
}

fn load(
    mut builder: Vec<graph::GraphBuilder>,
    encoding: graph::GraphEncoding,
    target: graph::ExecutionTarget,
) -> Result<graph::Graph, Error> {
    if !matches!(
        encoding,
        graph::GraphEncoding::Onnx | graph::GraphEncoding::Autodetect
    ) {
        return Err(Error::new(
            ErrorKind::InvalidEncoding,
            format!("this engine reads ONNX, not {encoding:?}"),
        ));
    }
    if target != graph::ExecutionTarget::Cpu {
        return Err(Error::unsupported(format!(
            "this engine computes on the CPU, not on {target:?}"
        )));
    }
    let parts = builder.len();
    match builder.pop() {
        Some(onnx) if parts == 1 => {
            let loaded = Graph::load(onnx)?;
            Ok(graph::Graph::new(GraphResource(Rc::new(loaded))))
        }
        _ => Err(Error::invalid(format!(
            "an ONNX graph has one part, got {parts}"
        ))),
    }
}

struct GraphResource(Rc<Graph>);

impl graph::GuestGraph for GraphResource {
    fn init_execution_context(&self) -> Result<inference::GraphExecutionContext, errors::Error> {
        Ok(inference::GraphExecutionContext::new(ContextResource(
            Rc::clone(&self.0),
        )))
    }
}

impl inference::Guest for Engine {
    type GraphExecutionContext = ContextResource;
}

struct ContextResource(Rc<Graph>);

impl inference::GuestGraphExecutionContext for ContextResource {
    fn compute(
        &self,
        inputs: Vec<inference::NamedTensor>,
    ) -> Result<Vec<inference::NamedTensor>, errors::Error> {
        let inputs = inputs
            .into_iter()
            .map(|(name, tensor)| (name, tensor.into_inner::<TensorResource>().0))
            .collect();
        let outputs = self.0.compute(inputs).map_err(raise)?;
        Ok(outputs
            .into_iter()
            .map(|(name, output)| (name, tensor::Tensor::new(TensorResource(output))))
            .collect())
    }
}
