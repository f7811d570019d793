//! The engine as a backend, without WebAssembly around it. The fuzz targets have this file too
//! (`fuzz/src/lib.rs`), so `crate` may be theirs.

use std::rc::Rc;

use infer_engine::{ErrorKind, Graph, Registry};

use crate::catalog::Model;
use crate::run::nn::{Backend, ExecutionContext, NnError, NnErrorCode, OutputTensor};
use crate::tensor::Tensor;

/// The engine without WebAssembly around it.
pub struct Engine(pub Registry);

struct Context(Rc<Graph>);

fn nn_error(error: infer_engine::Error) -> NnError {
    let code = match error.kind() {
        ErrorKind::InvalidArgument => NnErrorCode::InvalidArgument,
        ErrorKind::UnsupportedOperation => NnErrorCode::UnsupportedOperation,
        ErrorKind::NotFound => NnErrorCode::NotFound,
        _ => NnErrorCode::RuntimeError,
    };
    NnError {
        code,
        message: error.message().to_owned(),
    }
}

impl Backend for Engine {
    fn load(&self, model: &Model) -> Result<Box<dyn ExecutionContext>, NnError> {
        let graph = self
            .0
            .get(&model.id.to_string(), "/nowhere".as_ref())
            .map_err(nn_error)?;
        Ok(Box::new(Context(graph)))
    }
}

impl ExecutionContext for Context {
    fn compute(
        &self,
        inputs: Vec<(String, Tensor)>,
    ) -> Result<Vec<(String, OutputTensor)>, NnError> {
        let inputs = inputs
            .into_iter()
            .map(|(name, tensor)| {
                let tensor = infer_engine::Tensor {
                    datatype: tensor.datatype,
                    shape: tensor.shape,
                    data: tensor.data,
                };
                (name, tensor)
            })
            .collect();
        let outputs = self.0.compute(inputs).map_err(nn_error)?;
        Ok(outputs
            .into_iter()
            .map(|(name, tensor)| {
                let output = OutputTensor {
                    shape: tensor.shape,
                    data: tensor.data,
                };
                (name, output)
            })
            .collect())
    }
}
