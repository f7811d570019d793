//! The traits behind which a library runs graphs in the engine.

use infer_model_card::RuntimeChoice;
use infer_tensor::Signature;

use crate::{Error, Tensor};

/// Loads graphs.
pub trait Runtime {
    /// Load an ONNX file's bytes, whose signature is `info`.
    ///
    /// # Errors
    /// `InvalidEncoding` for a file that cannot be read, `UnsupportedOperation` naming an operator that the
    /// library lacks.
    fn load(&self, onnx: Vec<u8>, info: &Signature) -> Result<Box<dyn LoadedModel>, Error>;
}

/// A graph that is ready to run.
pub trait LoadedModel {
    /// Run the graph. `inputs` are in the graph's order and have passed [`Signature::check`]. The outputs are in
    /// the graph's order and have their declared datatypes.
    ///
    /// # Errors
    /// `InvalidArgument` for a value that the library cannot represent, `RuntimeError` if the library fails.
    fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Error>;

    /// Run the graph `runs` times. Returns the operator of each step and the seconds of its fastest run.
    ///
    /// # Errors
    /// As [`LoadedModel::run`], and `UnsupportedOperation` from a runtime that does not time its steps.
    fn profile(&self, inputs: Vec<Tensor>, runs: u32) -> Result<Vec<(String, f64)>, Error> {
        _ = (inputs, runs);
        Err(Error::unsupported(format!(
            "{} does not time its steps",
            self.runtime()
        )))
    }

    /// The runtime that has loaded the model.
    fn runtime(&self) -> RuntimeChoice;

    /// Whether another runtime may be faster, so that both should be timed.
    fn is_plain(&self) -> bool {
        false
    }
}
