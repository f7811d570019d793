//! The project's own executor behind the engine's trait.

use half::{bf16, f16};
use infer_executor as executor;
use infer_executor::{Data, Graph};
use infer_model_card::RuntimeChoice;
use infer_tensor::{Signature, TensorInfo};
use rten_onnx::onnx::ModelProto;

use crate::runtime::{LoadedModel, Runtime};
use crate::{ElementType, Error, ErrorKind, Tensor};

/// Loads graphs with the executor: convolutions and products are rewritten for its kernels and their weights packed at
/// load time, which is before the snapshot. It computes in all of wasi-nn's datatypes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Executor;

impl Executor {
    /// Load a graph as its own type.
    ///
    /// # Errors
    /// As [`Runtime::load`].
    pub fn load_graph(onnx: &[u8], info: &Signature) -> Result<ExecutorModel, Error> {
        for tensor in info.inputs.iter().chain(&info.outputs) {
            tensor.element_type()?;
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
        // What folding constants left.
        executor::buffer_pool::clear();
        Ok(ExecutorModel {
            // A loop may have no end on zeros, so that such a graph is not measured.
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
/// Asked while the graph is loaded: code that runs inferences must not refer to the registry of operators, which would
/// keep all of them in every artifact.
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
        _ => ErrorKind::Runtime,
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

fn to_executor(info: &TensorInfo, tensor: Tensor) -> Result<executor::Tensor, Error> {
    let shape: Vec<usize> = tensor
        .shape
        .iter()
        .map(|size| usize::try_from(*size).unwrap_or(usize::MAX))
        .collect();
    let bytes = tensor.data.as_slice();
    let data = match tensor.element_type {
        ElementType::Fp32 => Data::F32(read(bytes, f32::from_le_bytes)),
        ElementType::Fp64 => Data::F64(read(bytes, f64::from_le_bytes)),
        ElementType::Fp16 => Data::F16(read(bytes, f16::from_le_bytes)),
        ElementType::Bf16 => Data::Bf16(read(bytes, bf16::from_le_bytes)),
        ElementType::I32 => Data::I32(read(bytes, i32::from_le_bytes)),
        ElementType::I64 => Data::I64(read(bytes, i64::from_le_bytes)),
        ElementType::U8 if info.is_bool() => {
            info.check_values(bytes)?;
            Data::Bool(bytes.iter().map(|&byte| byte != 0).collect())
        }
        ElementType::U8 => Data::U8(tensor.data),
    };
    executor::Tensor::new(shape, data)
        .map_err(|error| Error::invalid(format!("input `{}`: {error}", info.name)))
}

fn from_executor(info: &TensorInfo, tensor: executor::Tensor) -> Result<Tensor, Error> {
    let element_type = info.element_type()?;
    let failed = |problem: String| {
        Error::new(
            ErrorKind::Runtime,
            format!("output `{}` {problem}", info.name),
        )
    };
    let shape = tensor
        .shape()
        .iter()
        .map(|size| u32::try_from(*size))
        .collect::<Result<Vec<u32>, _>>()
        .map_err(|_| failed("has a dimension of more than 2^32".to_owned()))?;
    let computed = tensor.datatype();
    let data = match (tensor.into_data(), element_type) {
        (Data::F32(values), ElementType::Fp32) => write(&values, f32::to_le_bytes),
        (Data::F64(values), ElementType::Fp64) => write(&values, f64::to_le_bytes),
        (Data::F16(values), ElementType::Fp16) => write(&values, f16::to_le_bytes),
        (Data::Bf16(values), ElementType::Bf16) => write(&values, bf16::to_le_bytes),
        (Data::I32(values), ElementType::I32) => write(&values, i32::to_le_bytes),
        (Data::I64(values), ElementType::I64) => write(&values, i64::to_le_bytes),
        (Data::Bool(values), ElementType::U8) if info.is_bool() => {
            values.into_iter().map(u8::from).collect()
        }
        (Data::U8(values), ElementType::U8) if !info.is_bool() => values,
        _ => {
            return Err(failed(format!(
                "came as {computed}, but the graph declares {}",
                info.datatype_name()
            )));
        }
    };
    Ok(Tensor {
        shape,
        element_type,
        data,
    })
}

/// Little-endian elements. A rest that is no whole element cannot be there: byte counts are checked.
fn read<T, const N: usize>(data: &[u8], from_bytes: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (elements, _) = data.as_chunks::<N>();
    elements.iter().map(|bytes| from_bytes(*bytes)).collect()
}

/// Little-endian bytes, which a compiler copies as a whole, as it does what `read` does.
fn write<T: Copy, const N: usize>(values: &[T], to_bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    let mut data = vec![0; values.len() * N];
    let (elements, _) = data.as_chunks_mut::<N>();
    for (bytes, value) in elements.iter_mut().zip(values) {
        *bytes = to_bytes(*value);
    }
    data
}
