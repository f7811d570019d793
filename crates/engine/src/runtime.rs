//! What runs graphs in the engine, seen through one small trait.

use infer_model_card::RuntimeChoice;
use infer_tensor::Signature;

use crate::{Error, Tensor};

/// Loads graphs.
pub trait Runtime {
    /// Load an ONNX file's bytes; `info` is what the file declares.
    ///
    /// # Errors
    /// `InvalidEncoding` when it cannot be read, `UnsupportedOperation` naming an operator that the
    /// library lacks.
    fn load(&self, onnx: Vec<u8>, info: &Signature) -> Result<Box<dyn LoadedModel>, Error>;
}

/// A graph that is ready to run.
pub trait LoadedModel {
    /// Run the graph. `inputs` are in the order of the graph's inputs and fit their declarations
    /// (datatype, shape, byte count); the outputs come in the order of the graph's outputs, in their
    /// declared datatypes.
    ///
    /// # Errors
    /// `InvalidArgument` for a value that the library cannot hold, `Runtime` when it fails.
    fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Error>;

    /// Run the graph that often; for each step its operator and the least seconds that it took.
    ///
    /// # Errors
    /// As [`LoadedModel::run`], and `UnsupportedOperation` from a runtime that cannot tell.
    fn profile(&self, inputs: Vec<Tensor>, runs: u32) -> Result<Vec<(String, f64)>, Error> {
        _ = (inputs, runs);
        Err(Error::unsupported(format!(
            "{} does not tell its steps' times",
            self.runtime()
        )))
    }

    /// Which of the runtimes this is.
    fn runtime(&self) -> RuntimeChoice;

    /// Whether another runtime could be faster, so that both are to be measured.
    fn is_plain(&self) -> bool {
        false
    }
}
