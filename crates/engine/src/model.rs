//! The executor behind the engine: loads an ONNX file, and carries tensors to it and back.

use infer_executor as executor;
use infer_executor::Data;
use infer_tensor::{Datatype, Signature, TensorInfo};
use rten_onnx::onnx::ModelProto;

use crate::{Error, ErrorKind, Tensor};

/// A graph that the executor has loaded. It rewrites graphs for its kernels and packs their weights at load time: before the
/// snapshot.
pub(crate) struct Model {
    graph: executor::Graph,
    info: Signature,
}

impl Model {
    /// Load an ONNX file's bytes, whose signature is `info`.
    ///
    /// # Errors
    /// `InvalidEncoding` for a file that cannot be read, `UnsupportedOperation` naming the operators that the executor lacks.
    pub(crate) fn load(onnx: &[u8], info: Signature) -> Result<Self, Error> {
        for tensor in info.tensors() {
            tensor.wasi_nn_datatype()?;
        }
        let model = ModelProto::parse_buf(onnx).map_err(|error| {
            Error::new(
                ErrorKind::InvalidEncoding,
                format!("the model cannot be loaded: {error}"),
            )
        })?;
        let graph = executor::Graph::load(model).map_err(|error| {
            let kind = match error.kind() {
                executor::ErrorKind::Unsupported => ErrorKind::UnsupportedOperation,
                _ => ErrorKind::InvalidEncoding,
            };
            Error::new(kind, format!("the model cannot be loaded: {error}"))
        })?;
        // Constant folding leaves buffers in the pool, which would stay in the snapshot.
        executor::buffer_pool::clear();
        Ok(Self { graph, info })
    }

    /// The inputs and outputs that the file declares.
    pub(crate) fn info(&self) -> &Signature {
        &self.info
    }

    /// Run the graph. `inputs` are in the graph's order and have passed [`Signature::check`]. The outputs are in the graph's
    /// order and have their declared datatypes.
    ///
    /// # Errors
    /// `InvalidArgument` for values that do not fit the graph or each other, `UnsupportedOperation` for a datatype,
    /// `RuntimeError` otherwise.
    pub(crate) fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Error> {
        let outputs = self.graph.run(self.inputs(inputs)?).map_err(failure)?;
        self.info
            .outputs
            .iter()
            .zip(outputs)
            .map(|(info, tensor)| from_executor(info, tensor))
            .collect()
    }

    /// Run the graph `runs` times. Returns the operator of each step and the seconds of its fastest run.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub(crate) fn profile(
        &self,
        inputs: Vec<Tensor>,
        runs: u32,
    ) -> Result<Vec<(String, f64)>, Error> {
        let runs = usize::try_from(runs).unwrap_or(usize::MAX);
        self.graph
            .profile(self.inputs(inputs)?, runs)
            .map_err(failure)
    }

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
