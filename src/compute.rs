//! Running a model: its graph is found, computes, and gives what its card declares.

use infer_model_card::{Datatype, ModelCard};

use crate::error::ApiError;
use crate::models::Model;
use crate::nn::{Backend, OutputTensor};
use crate::tensor::Tensor;
use crate::timing::{Phase, Timing};

/// Compute once; `timing` gets the phases that ran. The outputs are those that the card declares, in
/// its order and with its datatypes.
///
/// # Errors
/// What the backend refuses; 500 when it gives something else than the card declares.
pub fn run(
    model: &Model,
    inputs: Vec<(String, Tensor)>,
    backend: &dyn Backend,
    timing: &mut Timing,
) -> Result<Vec<(String, Tensor)>, ApiError> {
    let context = timing.measure(Phase::Load, || backend.load(&model.name))?;
    let outputs = timing.measure(Phase::Compute, || context.compute(inputs))?;
    declared_outputs(&model.card, outputs)
}

fn declared_outputs(
    card: &ModelCard,
    mut outputs: Vec<(String, OutputTensor)>,
) -> Result<Vec<(String, Tensor)>, ApiError> {
    card.outputs
        .iter()
        .map(|spec| {
            let position = outputs.iter().position(|(name, _)| *name == spec.name);
            let (name, output) = position.map(|at| outputs.swap_remove(at)).ok_or_else(|| {
                ApiError::internal(format!("the backend gave no output `{}`", spec.name))
            })?;
            let tensor = Tensor {
                datatype: spec.datatype,
                shape: output.shape,
                data: output.data,
            };
            if !tensor.is_whole() || spec.datatype == Datatype::Bytes {
                return Err(ApiError::internal(format!(
                    "the backend's output `{name}` has {} bytes in shape {:?} of {}",
                    tensor.data.len(),
                    tensor.shape,
                    tensor.datatype
                )));
            }
            Ok((name, tensor))
        })
        .collect()
}
