//! The check of a model card against its graph.

use infer_tensor::{Signature, TensorInfo};

use crate::{ModelCard, TensorSpec};

/// A contradiction between a model card and its graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GraphMismatch(String);

impl ModelCard {
    /// Check the card against its graph: both have the same tensors, with the same datatypes and with shapes
    /// that agree. The card may fix a dimension that the graph leaves open, and may leave out outputs, which are
    /// then in no response.
    ///
    /// # Errors
    /// At the first tensor that one of them lacks, or that differs.
    pub fn check_graph(&self, graph: &Signature) -> Result<(), GraphMismatch> {
        let inputs = &graph.inputs;
        if let Some(missing) = inputs
            .iter()
            .find(|tensor| !self.inputs.iter().any(|spec| spec.name == tensor.name))
        {
            return Err(GraphMismatch(format!(
                "the graph's input `{}` is not in the card",
                missing.name
            )));
        }
        check("input", &self.inputs, inputs)?;
        check("output", &self.outputs, &graph.outputs)
    }
}

fn check(kind: &str, specs: &[TensorSpec], graph: &[TensorInfo]) -> Result<(), GraphMismatch> {
    for spec in specs {
        let Some(tensor) = graph.iter().find(|tensor| tensor.name == spec.name) else {
            let names: Vec<&str> = graph.iter().map(|tensor| tensor.name.as_str()).collect();
            return Err(GraphMismatch(format!(
                "the card's {kind} `{}` is not in the graph, which has {}",
                spec.name,
                names.join(", ")
            )));
        };
        if tensor.datatype != Some(spec.datatype) {
            return Err(GraphMismatch(format!(
                "{kind} `{}` is {} in the card and {} in the graph",
                spec.name,
                spec.datatype,
                tensor.datatype_name()
            )));
        }
        let Some(shape) = tensor.sizes() else {
            continue;
        };
        let agrees = shape.len() == spec.shape.len()
            && shape
                .iter()
                .zip(&spec.shape)
                .all(|(graph, card)| *graph == -1 || *card == -1 || graph == card);
        if !agrees {
            return Err(GraphMismatch(format!(
                "{kind} `{}` has shape {:?} in the card and {shape:?} in the graph",
                spec.name, spec.shape
            )));
        }
    }
    Ok(())
}
