//! The one module that talks to wasi:nn.

use infer_tensor::{Datatype, Error};

use crate::bindings::wasi::nn::errors::{Error as WasiError, ErrorCode};
use crate::bindings::wasi::nn::graph;
use crate::bindings::wasi::nn::inference::GraphExecutionContext;
use crate::bindings::wasi::nn::tensor::{Tensor as WasiTensor, TensorType};
use crate::catalog::Model;
use crate::run::nn::{Backend, ExecutionContext, check_datatypes};
use crate::tensor::Tensor;

infer_tensor::wit_tensor_type!(TensorType);
infer_tensor::wit_error_code!(ErrorCode);

/// wasi:nn, as the composed engine or the host implements it.
pub(crate) struct WasiNn {
    /// The datatypes that the host supports; `None` if the operator has set none.
    pub(crate) datatypes: Option<Vec<Datatype>>,
}

impl Backend for WasiNn {
    fn load(&self, model: &Model) -> Result<Box<dyn ExecutionContext>, Error> {
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
    fn compute(&self, inputs: Vec<(String, Tensor)>) -> Result<Vec<(String, Tensor)>, Error> {
        let inputs = inputs
            .into_iter()
            .map(|(name, tensor)| {
                let ty = TensorType::try_from(tensor.datatype)?;
                Ok((name, WasiTensor::new(&tensor.shape, ty, &tensor.data)))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let outputs = self.context.compute(inputs).map_err(error)?;
        Ok(outputs
            .into_iter()
            .map(|(name, tensor)| {
                let output = Tensor {
                    datatype: tensor.ty().into(),
                    shape: tensor.dimensions(),
                    data: tensor.data(),
                };
                (name, output)
            })
            .collect())
    }
}

fn error(error: WasiError) -> Error {
    Error::new(error.code().into(), error.data())
}
