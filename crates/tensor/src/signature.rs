//! The inputs and outputs of a graph, and the check of a guest's tensors against them.

use crate::{Error, Tensor, TensorInfo};

/// A graph's inputs and outputs, in the graph's order. Inputs with a default in the file are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// The inputs that a request must have.
    pub inputs: Vec<TensorInfo>,
    /// The outputs that the graph computes.
    pub outputs: Vec<TensorInfo>,
}

impl Signature {
    /// Every declared tensor, inputs first.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorInfo> {
        self.inputs.iter().chain(&self.outputs)
    }

    /// Put a guest's inputs in the graph's order. Each must be there once and match its declaration in
    /// datatype, shape, number of bytes and, if it is BOOL, in its values. They get the declared datatypes: a
    /// guest's BOOL tensor comes as UINT8.
    ///
    /// # Errors
    /// `InvalidArgument` naming the tensor that does not fit, is missing or is not in the graph.
    pub fn check<D: AsRef<[u8]>>(
        &self,
        inputs: Vec<(String, Tensor<D>)>,
    ) -> Result<Vec<Tensor<D>>, Error> {
        let mut inputs = self.in_order(inputs)?;
        for (info, tensor) in self.inputs.iter().zip(&mut inputs) {
            info.check(tensor)?;
        }
        Ok(inputs)
    }

    /// The inputs in the graph's order, each there once.
    fn in_order<T>(&self, inputs: Vec<(String, T)>) -> Result<Vec<T>, Error> {
        let mut slots: Vec<Option<T>> = self.inputs.iter().map(|_| None).collect();
        for (name, tensor) in inputs {
            let position = self.inputs.iter().position(|info| info.name == name);
            let Some(slot) = position.and_then(|position| slots.get_mut(position)) else {
                return Err(Error::invalid(format!(
                    "there is no input `{}`; the graph has {}",
                    shorten(&name),
                    self.input_names()
                )));
            };
            if slot.replace(tensor).is_some() {
                return Err(Error::invalid(format!("input `{name}` is there twice")));
            }
        }
        let mut ordered = Vec::with_capacity(slots.len());
        for (slot, info) in slots.into_iter().zip(&self.inputs) {
            ordered.push(slot.ok_or_else(|| {
                Error::invalid(format!(
                    "input `{}` is missing; the graph needs {}",
                    info.name,
                    self.input_names()
                ))
            })?);
        }
        Ok(ordered)
    }

    fn input_names(&self) -> String {
        let names: Vec<String> = self
            .inputs
            .iter()
            .map(|info| format!("`{}`", info.name))
            .collect();
        names.join(", ")
    }
}

/// A guest's name, cut to a length that fits a message.
fn shorten(name: &str) -> String {
    name.chars().take(80).collect()
}
