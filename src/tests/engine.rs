//! The engine as a backend, without WebAssembly. The fuzz targets include this file too (`fuzz/src/lib.rs`), so `crate` may
//! be theirs.

use std::rc::Rc;

use infer_engine::{Graph, Registry};
use infer_tensor::Error;

use crate::catalog::Model;
use crate::run::nn::{Backend, ExecutionContext};
use crate::tensor::Tensor;

/// The engine without WebAssembly.
pub struct Engine(pub Registry);

struct Context(Rc<Graph>);

impl Backend for Engine {
    fn load(&self, model: &Model) -> Result<Box<dyn ExecutionContext>, Error> {
        let graph = self.0.get(&model.id.to_string(), "/nowhere".as_ref())?;
        Ok(Box::new(Context(graph)))
    }
}

impl ExecutionContext for Context {
    fn compute(&self, inputs: Vec<(String, Tensor)>) -> Result<Vec<(String, Tensor)>, Error> {
        self.0.compute(inputs)
    }
}
