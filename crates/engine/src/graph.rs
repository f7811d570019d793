//! A loaded graph and the checks at its boundary.

use infer_model_card::RuntimeChoice;
use infer_nn::Signature;

use crate::onnx;
use crate::runtime::{LoadedModel, Runtime};
use crate::{Error, Tensor};

/// A graph: what its file declares, and the library's form of it.
pub struct Graph {
    info: Signature,
    model: Box<dyn LoadedModel>,
}

impl Graph {
    /// Load an ONNX file's bytes.
    ///
    /// # Errors
    /// `InvalidEncoding` when they cannot be read; `UnsupportedOperation` for an operator, a datatype
    /// or weights in other files.
    pub fn load(runtime: &dyn Runtime, bytes: Vec<u8>) -> Result<Self, Error> {
        let info = onnx::read(&bytes)?;
        let model = runtime.load(bytes, &info)?;
        Ok(Self { info, model })
    }

    /// What the file declares.
    #[must_use]
    pub fn info(&self) -> &Signature {
        &self.info
    }

    /// Which runtime runs it.
    #[must_use]
    pub fn runtime(&self) -> RuntimeChoice {
        self.model.runtime()
    }

    /// Check the inputs, run the graph, name the outputs.
    ///
    /// # Errors
    /// `InvalidArgument` naming the tensor that does not fit; `UnsupportedOperation` for a datatype;
    /// `Runtime` when the library fails.
    pub fn compute(&self, inputs: Vec<(String, Tensor)>) -> Result<Vec<(String, Tensor)>, Error> {
        let inputs = self.info.check(inputs, |tensor| {
            (tensor.element_type, &tensor.shape, tensor.data.len())
        })?;
        let outputs = self.model.run(inputs)?;
        Ok(self
            .info
            .outputs
            .iter()
            .map(|info| info.name.clone())
            .zip(outputs)
            .collect())
    }
}
