//! A loaded graph, and the check of a request against its signature.

use infer_tensor::Signature;

use crate::model::Model;
use crate::{Error, Tensor};

/// A graph, ready to compute.
pub struct Graph(Model);

impl Graph {
    /// Load an ONNX file's bytes.
    ///
    /// # Errors
    /// `InvalidEncoding` for bytes that cannot be read; `UnsupportedOperation` for an operator or a datatype that
    /// the executor lacks, and for weights in other files.
    pub fn load(bytes: Vec<u8>) -> Result<Self, Error> {
        let (bytes, info) = infer_onnx::read(bytes)?;
        Model::load(&bytes, info).map(Self)
    }

    /// The inputs and outputs that the file declares.
    #[must_use]
    pub fn info(&self) -> &Signature {
        self.0.info()
    }

    /// Check the inputs, and run the graph `runs` times. Returns the operator of each step and the seconds of its fastest
    /// run.
    ///
    /// # Errors
    /// As [`Graph::compute`].
    pub fn profile(
        &self,
        inputs: Vec<(String, Tensor)>,
        runs: u32,
    ) -> Result<Vec<(String, f64)>, Error> {
        self.0.profile(self.info().check(inputs)?, runs)
    }

    /// Check the inputs, run the graph, name the outputs.
    ///
    /// # Errors
    /// `InvalidArgument` naming the tensor that does not fit; `UnsupportedOperation` for a datatype;
    /// `RuntimeError` if the computation fails.
    pub fn compute(&self, inputs: Vec<(String, Tensor)>) -> Result<Vec<(String, Tensor)>, Error> {
        let inputs = self.info().check(inputs)?;
        let outputs = self.0.run(inputs)?;
        Ok(self
            .info()
            .outputs
            .iter()
            .map(|info| info.name.clone())
            .zip(outputs)
            .collect())
    }
}
