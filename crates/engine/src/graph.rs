//! A loaded graph, and the check of a request against its signature.

use infer_model_card::RuntimeChoice;
use infer_tensor::{Signature, TensorInfo};

use crate::runtime::{LoadedModel, Runtime};
use crate::{Error, Tensor};

/// A graph: its signature, and the model that a runtime has made of it.
pub struct Graph {
    info: Signature,
    model: Box<dyn LoadedModel>,
}

impl Graph {
    /// Load an ONNX file's bytes.
    ///
    /// # Errors
    /// `InvalidEncoding` for bytes that cannot be read; `UnsupportedOperation` for an operator or a datatype that
    /// the runtime lacks, and for weights in other files.
    pub fn load(runtime: &dyn Runtime, bytes: Vec<u8>) -> Result<Self, Error> {
        let (bytes, info) = infer_onnx::read(bytes)?;
        let model = runtime.load(bytes, &info)?;
        Ok(Self { info, model })
    }

    /// The inputs and outputs that the file declares.
    #[must_use]
    pub fn info(&self) -> &Signature {
        &self.info
    }

    /// Run the graph `runs` times on zeros, with 1 for each dimension of any size. Returns the operator of each step
    /// and the seconds of its fastest run.
    ///
    /// # Errors
    /// `UnsupportedOperation` from a runtime that does not time its steps, and as [`Graph::compute`].
    pub fn profile(&self, runs: u32) -> Result<Vec<(String, f64)>, Error> {
        self.model.profile(zeros(&self.info)?, runs)
    }

    /// The runtime that runs the graph.
    #[must_use]
    pub fn runtime(&self) -> RuntimeChoice {
        self.model.runtime()
    }

    /// Whether another runtime may be faster, which only timing both can decide.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.model.is_plain()
    }

    /// Check the inputs, run the graph, name the outputs.
    ///
    /// # Errors
    /// `InvalidArgument` naming the tensor that does not fit; `UnsupportedOperation` for a datatype;
    /// `RuntimeError` if the library fails.
    pub fn compute(&self, inputs: Vec<(String, Tensor)>) -> Result<Vec<(String, Tensor)>, Error> {
        let inputs = self.info.check(inputs)?;
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

/// Zeros for each input of a graph, with 1 for each dimension of any size.
///
/// # Errors
/// `UnsupportedOperation` for a datatype, `InvalidArgument` for an input that is too large.
pub fn zeros(info: &Signature) -> Result<Vec<Tensor>, Error> {
    let of = |info: &TensorInfo| -> Result<Tensor, Error> {
        let datatype = info.wasi_nn_datatype()?;
        let sizes = info.sizes().unwrap_or_default();
        let shape: Vec<u32> = sizes
            .into_iter()
            .map(|size| u32::try_from(size).unwrap_or(1))
            .collect();
        let bytes = datatype
            .tensor_bytes(&shape)
            .ok_or_else(|| Error::invalid(format!("input `{}` is too large", info.name)))?;
        let mut data = Vec::new();
        data.try_reserve_exact(bytes)
            .map_err(|_| Error::invalid(format!("input `{}` is too large", info.name)))?;
        data.resize(bytes, 0);
        Ok(Tensor {
            datatype,
            shape,
            data,
        })
    };
    info.inputs.iter().map(of).collect()
}
