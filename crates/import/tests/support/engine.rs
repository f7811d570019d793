//! The engine, compiled natively: what is imported does not depend on where it runs.

use infer_engine::Graph;
use infer_import::graph::{Engine, LoadedGraph};
use infer_tensor::{Error, Tensor};

pub struct Native;

struct Loaded(Graph);

impl Engine for Native {
    fn load<'a>(&'a self, onnx: Vec<u8>) -> Result<Box<dyn LoadedGraph + 'a>, Error> {
        Ok(Box::new(Loaded(Graph::load(onnx)?)))
    }
}

impl LoadedGraph for Loaded {
    fn compute(&mut self, inputs: &[(String, Tensor)]) -> Result<Vec<(String, Tensor)>, Error> {
        self.0.compute(inputs.to_vec())
    }
}
