//! A loaded graph and the checks at its boundary.

use std::collections::BTreeMap;

use crate::onnx::{self, Dim, GraphInfo, TensorInfo};
use crate::runtime::{LoadedModel, Runtime};
use crate::{Error, Tensor};

/// A graph: what its file declares, and the library's form of it.
pub struct Graph {
    info: GraphInfo,
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
    pub fn info(&self) -> &GraphInfo {
        &self.info
    }

    /// Check the inputs, run the graph, name the outputs.
    ///
    /// # Errors
    /// `InvalidArgument` naming the tensor that does not fit; `UnsupportedOperation` for a datatype;
    /// `Runtime` when the library fails.
    pub fn compute(&self, inputs: Vec<(String, Tensor)>) -> Result<Vec<(String, Tensor)>, Error> {
        let inputs = self.in_order(inputs)?;
        let mut symbols = BTreeMap::new();
        for (info, tensor) in self.info.inputs.iter().zip(&inputs) {
            check(info, tensor, &mut symbols)?;
        }
        let outputs = self.model.run(inputs)?;
        Ok(self
            .info
            .outputs
            .iter()
            .map(|info| info.name.clone())
            .zip(outputs)
            .collect())
    }

    /// The inputs in the order of the graph's, each there once.
    fn in_order(&self, inputs: Vec<(String, Tensor)>) -> Result<Vec<Tensor>, Error> {
        let mut slots: Vec<Option<Tensor>> = self.info.inputs.iter().map(|_| None).collect();
        for (name, tensor) in inputs {
            let position = self.info.inputs.iter().position(|info| info.name == name);
            let Some(slot) = position.and_then(|position| slots.get_mut(position)) else {
                return Err(Error::invalid(format!(
                    "there is no input `{}`; the graph has {}",
                    shorten(&name),
                    self.input_names()
                )));
            };
            if slot.replace(tensor).is_some() {
                return Err(Error::invalid(format!("input `{name}` came twice")));
            }
        }
        let mut ordered = Vec::with_capacity(slots.len());
        for (slot, info) in slots.into_iter().zip(&self.info.inputs) {
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
            .info
            .inputs
            .iter()
            .map(|info| format!("`{}`", info.name))
            .collect();
        names.join(", ")
    }
}

/// A guest's name in a message: as much of it as helps.
fn shorten(name: &str) -> String {
    name.chars().take(80).collect()
}

/// Check one tensor; `symbols` remembers the sizes of symbolic dimensions across inputs.
fn check<'a>(
    info: &'a TensorInfo,
    tensor: &Tensor,
    symbols: &mut BTreeMap<&'a str, u32>,
) -> Result<(), Error> {
    let name = &info.name;
    let expected = info.element_type()?;
    if tensor.element_type != expected {
        return Err(Error::invalid(format!(
            "input `{name}` has datatype {}, expected {expected}",
            tensor.element_type
        )));
    }
    if tensor.expected_bytes() != Some(tensor.data.len()) {
        let expected = tensor.expected_bytes().map_or_else(
            || "more than memory has".to_owned(),
            |bytes| bytes.to_string(),
        );
        return Err(Error::invalid(format!(
            "input `{name}` has {} bytes of data, but {expected} of shape {:?} in {}",
            tensor.data.len(),
            tensor.shape,
            tensor.element_type
        )));
    }
    let Some(dims) = &info.shape else {
        return Ok(());
    };
    let mut fits = dims.len() == tensor.shape.len();
    if fits {
        for (dim, size) in dims.iter().zip(&tensor.shape) {
            fits &= match dim {
                Dim::Fixed(expected) => expected == size,
                Dim::Symbolic(symbol) => symbols.entry(symbol).or_insert(*size) == size,
                Dim::Any => true,
            };
        }
    }
    if fits {
        return Ok(());
    }
    let dims: Vec<String> = dims
        .iter()
        .map(|dim| match dim {
            Dim::Fixed(size) => size.to_string(),
            Dim::Symbolic(symbol) => match symbols.get(symbol.as_str()) {
                Some(size) => format!("{symbol}={size}"),
                None => symbol.clone(),
            },
            Dim::Any => "any".to_owned(),
        })
        .collect();
    Err(Error::invalid(format!(
        "input `{name}` has shape {:?}, expected [{}]",
        tensor.shape,
        dims.join(", ")
    )))
}
