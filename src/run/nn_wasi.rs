//! The one module that talks to wasi:nn.

use infer_model_card::Datatype;

use crate::bindings::wasi::nn::errors::{Error, ErrorCode};
use crate::bindings::wasi::nn::graph;
use crate::bindings::wasi::nn::inference::GraphExecutionContext;
use crate::bindings::wasi::nn::tensor::{Tensor as WasiTensor, TensorType};
use crate::catalog::Model;
use crate::run::nn::{
    Backend, ExecutionContext, NnError, NnErrorCode, OutputTensor, check_datatypes,
};
use crate::tensor::Tensor;

/// wasi:nn of whoever provides it: the composed engine, or the host.
pub(crate) struct WasiNn {
    /// The datatypes that it takes; all where nothing is known of it.
    pub(crate) datatypes: Option<Vec<Datatype>>,
}

impl Backend for WasiNn {
    fn load(&self, model: &Model) -> Result<Box<dyn ExecutionContext>, NnError> {
        if let Some(taken) = &self.datatypes {
            check_datatypes(&model.card, taken)?;
        }
        let graph = graph::load_by_name(&model.id.to_string()).map_err(error)?;
        let context = graph.init_execution_context().map_err(error)?;
        Ok(Box::new(WasiContext {
            context,
            _graph: graph,
        }))
    }
}

struct WasiContext {
    context: GraphExecutionContext,
    /// A host may tie the context's life to the graph's.
    _graph: graph::Graph,
}

impl ExecutionContext for WasiContext {
    fn compute(
        &self,
        inputs: Vec<(String, Tensor)>,
    ) -> Result<Vec<(String, OutputTensor)>, NnError> {
        let inputs = inputs
            .into_iter()
            .map(|(name, tensor)| {
                let kind = tensor_type(tensor.datatype)?;
                Ok((name, WasiTensor::new(&tensor.shape, kind, &tensor.data)))
            })
            .collect::<Result<Vec<_>, NnError>>()?;
        let outputs = self.context.compute(inputs).map_err(error)?;
        Ok(outputs
            .into_iter()
            .map(|(name, tensor)| {
                let output = OutputTensor {
                    shape: tensor.dimensions(),
                    data: tensor.data(),
                };
                (name, output)
            })
            .collect())
    }
}

fn tensor_type(datatype: Datatype) -> Result<TensorType, NnError> {
    Ok(match datatype {
        Datatype::Fp16 => TensorType::Fp16,
        Datatype::Fp32 => TensorType::Fp32,
        Datatype::Fp64 => TensorType::Fp64,
        Datatype::Bf16 => TensorType::Bf16,
        Datatype::Uint8 | Datatype::Bool => TensorType::U8,
        Datatype::Int32 => TensorType::I32,
        Datatype::Int64 => TensorType::I64,
        // A card with another datatype is refused when it is read.
        _ => {
            return Err(NnError {
                code: NnErrorCode::UnsupportedOperation,
                message: format!("wasi:nn has no datatype {datatype}"),
            });
        }
    })
}

fn error(error: Error) -> NnError {
    NnError {
        code: match error.code() {
            ErrorCode::InvalidArgument => NnErrorCode::InvalidArgument,
            ErrorCode::InvalidEncoding => NnErrorCode::InvalidEncoding,
            ErrorCode::Timeout => NnErrorCode::Timeout,
            ErrorCode::RuntimeError => NnErrorCode::RuntimeError,
            ErrorCode::UnsupportedOperation => NnErrorCode::UnsupportedOperation,
            ErrorCode::TooLarge => NnErrorCode::TooLarge,
            ErrorCode::NotFound => NnErrorCode::NotFound,
            ErrorCode::Security => NnErrorCode::Security,
            ErrorCode::Unknown => NnErrorCode::Unknown,
        },
        message: error.data(),
    }
}
