//! The project's own executor, behind the engine's traits.

use infer_executor as executor;
use infer_executor::{Data, Graph};
use infer_model_card::RuntimeChoice;
use infer_tensor::{Datatype, Signature, TensorInfo};
use rten_onnx::onnx::ModelProto;

use crate::runtime::{LoadedModel, Runtime};
use crate::{Error, ErrorKind, Tensor};

/// Loads graphs with the executor, which rewrites them for its kernels and packs their weights at load time: before the
/// snapshot. It computes in all datatypes of wasi-nn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Executor;

impl Executor {
    /// Load a graph as its own type.
    ///
    /// # Errors
    /// As [`Runtime::load`].
    pub fn load_graph(onnx: &[u8], info: &Signature) -> Result<ExecutorModel, Error> {
        for tensor in info.tensors() {
            tensor.wasi_nn_datatype()?;
        }
        let model = ModelProto::parse_buf(onnx).map_err(|error| {
            Error::new(
                ErrorKind::InvalidEncoding,
                format!("the model cannot be loaded: {error}"),
            )
        })?;
        let graph = Graph::load(model).map_err(|error| {
            let kind = match error.kind() {
                executor::ErrorKind::Unsupported => ErrorKind::UnsupportedOperation,
                _ => ErrorKind::InvalidEncoding,
            };
            Error::new(kind, format!("the model cannot be loaded: {error}"))
        })?;
        // Constant folding leaves buffers in the pool, which would stay in the snapshot.
        executor::buffer_pool::clear();
        Ok(ExecutorModel {
            // A loop may not terminate on zeros, so a graph with a loop is not timed.
            is_plain: has_plain_operator(&graph) && graph.is_deterministic(),
            graph,
            info: info.clone(),
        })
    }
}

impl Runtime for Executor {
    fn load(&self, onnx: Vec<u8>, info: &Signature) -> Result<Box<dyn LoadedModel>, Error> {
        Ok(Box::new(Self::load_graph(&onnx, info)?))
    }
}

/// Whether rten may compute one of the graph's operators faster.
///
/// Called at load time only: code that runs inferences must not refer to the registry of operators, which would keep all
/// of them in every artifact.
fn has_plain_operator(graph: &Graph) -> bool {
    graph.operators().any(|name| {
        executor::ops::find("", name).is_some_and(|entry| entry.may_be_faster_elsewhere)
    })
}

/// A graph that the executor has loaded.
pub struct ExecutorModel {
    graph: Graph,
    info: Signature,
    is_plain: bool,
}

impl ExecutorModel {
    fn inputs(&self, inputs: Vec<Tensor>) -> Result<Vec<executor::Tensor>, Error> {
        inputs
            .into_iter()
            .zip(&self.info.inputs)
            .map(|(tensor, info)| to_executor(info, tensor))
            .collect()
    }
}

fn failure(error: executor::Error) -> Error {
    let kind = match error.kind() {
        executor::ErrorKind::Input => ErrorKind::InvalidArgument,
        executor::ErrorKind::Unsupported => ErrorKind::UnsupportedOperation,
        _ => ErrorKind::RuntimeError,
    };
    Error::new(kind, format!("the graph cannot be computed: {error}"))
}

impl LoadedModel for ExecutorModel {
    fn profile(&self, inputs: Vec<Tensor>, runs: u32) -> Result<Vec<(String, f64)>, Error> {
        let runs = usize::try_from(runs).unwrap_or(usize::MAX);
        self.graph
            .profile(self.inputs(inputs)?, runs)
            .map_err(failure)
    }

    fn runtime(&self) -> RuntimeChoice {
        RuntimeChoice::Executor
    }

    fn is_plain(&self) -> bool {
        self.is_plain
    }

    fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Error> {
        let outputs = self.graph.run(self.inputs(inputs)?).map_err(failure)?;
        self.info
            .outputs
            .iter()
            .zip(outputs)
            .map(|(info, tensor)| from_executor(info, tensor))
            .collect()
    }
}

/// An input, which has been checked against its declaration.
fn to_executor(info: &TensorInfo, tensor: Tensor) -> Result<executor::Tensor, Error> {
    let shape: Vec<usize> = tensor
        .shape
        .iter()
        .map(|size| usize::try_from(*size).unwrap_or(usize::MAX))
        .collect();
    let data = match tensor.datatype {
        Datatype::Uint8 => Data::U8(tensor.data),
        datatype => Data::from_le_bytes(datatype, &tensor.data)
            .ok_or_else(|| Error::unsupported(format!("input `{}` is {datatype}", info.name)))?,
    };
    executor::Tensor::new(shape, data)
        .map_err(|error| Error::invalid(format!("input `{}`: {error}", info.name)))
}

/// An output, if it has its declared datatype.
fn from_executor(info: &TensorInfo, tensor: executor::Tensor) -> Result<Tensor, Error> {
    let failed = |problem: String| Error::runtime(format!("output `{}` {problem}", info.name));
    let shape = tensor
        .shape()
        .iter()
        .map(|size| u32::try_from(*size))
        .collect::<Result<Vec<u32>, _>>()
        .map_err(|_| failed("has a dimension of more than 2^32".to_owned()))?;
    let datatype = tensor.datatype();
    if info.datatype != Some(datatype) {
        return Err(failed(format!(
            "was computed as {datatype}, but the graph declares {}",
            info.datatype_name()
        )));
    }
    let data = match tensor.into_data() {
        Data::U8(values) => values,
        other => other.to_le_bytes(),
    };
    Ok(Tensor {
        datatype,
        shape,
        data,
    })
}
