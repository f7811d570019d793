//! A card held against the graph that it is of.

use crate::{ModelCard, TensorSpec};

/// An input or output as the graph's own file declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphTensor {
    /// Its name.
    pub name: String,
    /// Its datatype, by the Open Inference Protocol's name.
    pub datatype: String,
    /// -1 is any size; `None` where the file says nothing of the shape.
    pub shape: Option<Vec<i64>>,
}

/// Where a card contradicts its graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GraphMismatch(String);

impl ModelCard {
    /// Hold the card against the graph: the same tensors, of the same datatypes, and shapes that can
    /// agree (the card may fix what the graph leaves open). Outputs that the card leaves out are never
    /// answered.
    ///
    /// # Errors
    /// At the first tensor that is not in both, or differs.
    pub fn check_graph(
        &self,
        inputs: &[GraphTensor],
        outputs: &[GraphTensor],
    ) -> Result<(), GraphMismatch> {
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
        check("output", &self.outputs, outputs)
    }
}

fn check(kind: &str, specs: &[TensorSpec], graph: &[GraphTensor]) -> Result<(), GraphMismatch> {
    for spec in specs {
        let Some(tensor) = graph.iter().find(|tensor| tensor.name == spec.name) else {
            let names: Vec<&str> = graph.iter().map(|tensor| tensor.name.as_str()).collect();
            return Err(GraphMismatch(format!(
                "the card's {kind} `{}` is not in the graph, which has {}",
                spec.name,
                names.join(", ")
            )));
        };
        if tensor.datatype != spec.datatype.name() {
            return Err(GraphMismatch(format!(
                "{kind} `{}` is {} in the card and {} in the graph",
                spec.name, spec.datatype, tensor.datatype
            )));
        }
        let Some(shape) = &tensor.shape else {
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
