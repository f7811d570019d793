//! What a graph declares of its inputs and outputs, and the check of a guest's tensors against it.

use std::collections::BTreeMap;

use infer_model_card::{Datatype, GraphTensor};

use crate::{ElementType, Error, expected_bytes};

/// The largest number of dimensions: no model has more than 8 or so, NumPy stops at 64.
const MAX_RANK: usize = 64;

/// A graph's inputs and outputs, in its own order. Inputs that have a default in the file are not among
/// them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// What the graph needs.
    pub inputs: Vec<TensorInfo>,
    /// What it gives.
    pub outputs: Vec<TensorInfo>,
}

/// A declared input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// As in the graph.
    pub name: String,
    /// The datatype; `None` where the graph does not say, or says one that no protocol has.
    pub datatype: Option<Datatype>,
    /// The dimensions; `None` where the graph does not say.
    pub shape: Option<Vec<Dim>>,
}

/// One dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// Of one size.
    Fixed(u32),
    /// Of any size, the same wherever the name stands.
    Symbolic(String),
    /// Of any size.
    Any,
}

impl TensorInfo {
    /// The Open Inference Protocol's name of the datatype.
    #[must_use]
    pub fn datatype_name(&self) -> &'static str {
        self.datatype.map_or("unknown", Datatype::name)
    }

    /// What the tensor is in wasi-nn. BOOL is carried as U8, one byte 0 or 1 each, as ONNX stores it.
    ///
    /// # Errors
    /// `UnsupportedOperation` for what wasi-nn does not carry.
    pub fn element_type(&self) -> Result<ElementType, Error> {
        match self.datatype {
            Some(Datatype::Fp16) => Ok(ElementType::Fp16),
            Some(Datatype::Fp32) => Ok(ElementType::Fp32),
            Some(Datatype::Fp64) => Ok(ElementType::Fp64),
            Some(Datatype::Bf16) => Ok(ElementType::Bf16),
            Some(Datatype::Uint8 | Datatype::Bool) => Ok(ElementType::U8),
            Some(Datatype::Int32) => Ok(ElementType::I32),
            Some(Datatype::Int64) => Ok(ElementType::I64),
            _ => Err(Error::unsupported(format!(
                "tensor `{}` is {}, which wasi-nn does not carry; it carries FP16, FP32, FP64, BF16, \
                 UINT8, INT32, INT64 and BOOL",
                self.name,
                self.datatype_name()
            ))),
        }
    }

    /// Whether the graph says BOOL.
    #[must_use]
    pub fn is_bool(&self) -> bool {
        self.datatype == Some(Datatype::Bool)
    }

    /// Check what a datatype wants of its values: BOOL is one byte 0 or 1 each.
    ///
    /// # Errors
    /// `InvalidArgument` with the index and the value.
    pub fn check_values(&self, data: &[u8]) -> Result<(), Error> {
        if !self.is_bool() {
            return Ok(());
        }
        match data.iter().enumerate().find(|(_, byte)| **byte > 1) {
            Some((index, byte)) => Err(Error::invalid(format!(
                "input `{}` is BOOL, one byte 0 or 1 each, but the byte at index {index} is {byte}",
                self.name
            ))),
            None => Ok(()),
        }
    }

    /// The shape with -1 for any size; `None` where the graph does not say.
    #[must_use]
    pub fn sizes(&self) -> Option<Vec<i64>> {
        let dims = self.shape.as_deref()?;
        let size = |dim: &Dim| match dim {
            Dim::Fixed(size) => i64::from(*size),
            Dim::Symbolic(_) | Dim::Any => -1,
        };
        Some(dims.iter().map(size).collect())
    }

    /// Check one tensor; `symbols` remembers the sizes of symbolic dimensions across inputs.
    fn check<'a>(
        &'a self,
        (element_type, shape, bytes): (ElementType, &[u32], usize),
        symbols: &mut BTreeMap<&'a str, u32>,
    ) -> Result<(), Error> {
        let name = &self.name;
        // Before anything prints the shape: the guest decides how long it is.
        if shape.len() > MAX_RANK {
            return Err(Error::invalid(format!(
                "input `{name}` has {} dimensions, expected at most {MAX_RANK}",
                shape.len()
            )));
        }
        let expected = self.element_type()?;
        if element_type != expected {
            return Err(Error::invalid(format!(
                "input `{name}` has datatype {element_type}, expected {expected}"
            )));
        }
        let whole = expected_bytes(element_type, shape);
        if whole != Some(bytes) {
            let expected = whole.map_or_else(
                || "more than memory has".to_owned(),
                |bytes| bytes.to_string(),
            );
            return Err(Error::invalid(format!(
                "input `{name}` has {bytes} bytes of data, but {expected} of shape {shape:?} in \
                 {element_type}"
            )));
        }
        let Some(dims) = &self.shape else {
            return Ok(());
        };
        let mut fits = dims.len() == shape.len();
        if fits {
            for (dim, size) in dims.iter().zip(shape) {
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
            "input `{name}` has shape {shape:?}, expected [{}]",
            dims.join(", ")
        )))
    }
}

impl From<&TensorInfo> for GraphTensor {
    /// To hold a model card against.
    fn from(info: &TensorInfo) -> Self {
        Self {
            name: info.name.clone(),
            datatype: info.datatype_name().to_owned(),
            shape: info.sizes(),
        }
    }
}

impl Signature {
    /// The inputs and the outputs as a model card is held against them.
    #[must_use]
    pub fn graph_tensors(&self) -> (Vec<GraphTensor>, Vec<GraphTensor>) {
        let of = |tensors: &[TensorInfo]| tensors.iter().map(GraphTensor::from).collect();
        (of(&self.inputs), of(&self.outputs))
    }

    /// A guest's inputs in the order of the graph's, each there once and each as the graph declares it:
    /// datatype, shape and number of bytes, of which `describe` tells what came.
    ///
    /// # Errors
    /// `InvalidArgument` naming the tensor that does not fit, is missing, or that there is none such.
    pub fn check<T>(
        &self,
        inputs: Vec<(String, T)>,
        describe: impl Fn(&T) -> (ElementType, &[u32], usize),
    ) -> Result<Vec<T>, Error> {
        let inputs = self.in_order(inputs)?;
        let mut symbols = BTreeMap::new();
        for (info, tensor) in self.inputs.iter().zip(&inputs) {
            info.check(describe(tensor), &mut symbols)?;
        }
        Ok(inputs)
    }

    /// The inputs in the order of the graph's, each there once.
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
                return Err(Error::invalid(format!("input `{name}` came twice")));
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

/// A guest's name in a message: as much of it as helps.
fn shorten(name: &str) -> String {
    name.chars().take(80).collect()
}
