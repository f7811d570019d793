//! rten, behind the engine's traits.

use infer_model_card::RuntimeChoice;
use infer_tensor::{Signature, TensorInfo};
use rten::{LoadErrorKind, Model, ModelOptions, NodeId, RunErrorKind, Value, ValueOrView};

use crate::runtime::{LoadedModel, Runtime};
use crate::{Error, ErrorKind, Tensor, convert};

/// Loads graphs with rten, which optimizes them and packs their weights for its kernels at load time: before the
/// snapshot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rten;

impl Runtime for Rten {
    fn load(&self, onnx: Vec<u8>, info: &Signature) -> Result<Box<dyn LoadedModel>, Error> {
        for tensor in info.tensors() {
            convert::rten_datatype(tensor)?;
        }
        let model = ModelOptions::with_all_ops()
            .enable_optimization(true)
            .prepack_weights(true)
            .load(onnx)
            .map_err(|error| {
                let kind = match error.kind() {
                    LoadErrorKind::OperatorInvalid => ErrorKind::UnsupportedOperation,
                    _ => ErrorKind::InvalidEncoding,
                };
                Error::new(kind, format!("the model cannot be loaded: {error}"))
            })?;
        let ids = |tensors: &[TensorInfo]| -> Result<Vec<NodeId>, Error> {
            tensors
                .iter()
                .map(|tensor| {
                    model.find_node(&tensor.name).ok_or_else(|| {
                        Error::new(
                            ErrorKind::InvalidEncoding,
                            format!(
                                "the graph declares `{}`, but nothing in it has that name",
                                tensor.name
                            ),
                        )
                    })
                })
                .collect()
        };
        Ok(Box::new(RtenModel {
            inputs: ids(&info.inputs)?,
            outputs: ids(&info.outputs)?,
            info: info.clone(),
            model,
        }))
    }
}

struct RtenModel {
    model: Model,
    info: Signature,
    inputs: Vec<NodeId>,
    outputs: Vec<NodeId>,
}

impl LoadedModel for RtenModel {
    fn runtime(&self) -> RuntimeChoice {
        RuntimeChoice::Rten
    }

    fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Error> {
        let mut values: Vec<(NodeId, ValueOrView)> = Vec::with_capacity(inputs.len());
        for ((tensor, info), id) in inputs.into_iter().zip(&self.info.inputs).zip(&self.inputs) {
            values.push((*id, convert::to_rten(info, &tensor)?.into()));
        }
        let outputs: Vec<Value> = self
            .model
            .run(values, &self.outputs, None)
            .map_err(|error| {
                let kind = match error.kind() {
                    RunErrorKind::InvalidInput => ErrorKind::InvalidArgument,
                    _ => ErrorKind::RuntimeError,
                };
                Error::new(kind, format!("the graph cannot be computed: {error}"))
            })?;
        self.info
            .outputs
            .iter()
            .zip(&outputs)
            .map(|(info, value)| convert::from_rten(info, value))
            .collect()
    }
}
