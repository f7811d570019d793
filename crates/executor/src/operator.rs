//! The trait that all operators implement, their inputs, and what they are built from.

use infer_tensor::Datatype;

use crate::attributes::Attributes;
use crate::buffer_pool;
use crate::error::{Error, Result};
use crate::tensor::{Element, Tensor};

/// A node's operator, ready to run.
pub trait Operator {
    /// Computes the outputs: at least as many as the node has. The caller drops the rest.
    ///
    /// # Errors
    /// `Input` for values that do not fit together, `Unsupported` for a datatype, `Memory`.
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>>;

    /// Whether equal inputs always give equal outputs in bounded time, so that the operator may run at load time,
    /// before the snapshot.
    fn is_deterministic(&self) -> bool {
        true
    }
}

/// An input of an operator: borrowed, or owned if this is its last use.
pub enum Input<'a> {
    /// Other nodes need the tensor.
    Borrowed(&'a Tensor),
    /// No other node needs the tensor, so that its memory can become the output's.
    Owned(Tensor),
}

/// The inputs of one run of an operator, by position; an omitted input is `None`. Dropping them returns owned tensors to
/// the buffer pool.
pub struct Inputs<'a> {
    values: Vec<Option<Input<'a>>>,
}

impl<'a> Inputs<'a> {
    /// Creates the inputs from their values, by position.
    #[must_use]
    pub fn new(values: Vec<Option<Input<'a>>>) -> Self {
        Self { values }
    }

    /// The number of positions, omitted inputs included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no position at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// An optional input.
    #[must_use]
    pub fn get(&self, position: usize) -> Option<&Tensor> {
        match self.values.get(position)? {
            Some(Input::Borrowed(tensor)) => Some(tensor),
            Some(Input::Owned(tensor)) => Some(tensor),
            None => None,
        }
    }

    /// A required input.
    ///
    /// # Errors
    /// `Graph` if it is omitted.
    pub fn required(&self, position: usize) -> Result<&Tensor> {
        self.get(position).ok_or_else(|| missing(position))
    }

    /// The elements of a required input of type `T`.
    ///
    /// # Errors
    /// `Graph` if it is omitted, `Unsupported` if it has another datatype.
    pub fn elements<T: Element>(&self, position: usize) -> Result<&[T]> {
        self.required(position)?
            .elements()
            .map_err(|error| Error::unsupported(format!("input {position}: {error}")))
    }

    /// Takes a required input: its own memory if the input is owned, a copy otherwise.
    ///
    /// # Errors
    /// `Graph` if it is omitted.
    pub fn take(&mut self, position: usize) -> Result<Tensor> {
        match self.values.get_mut(position).and_then(Option::take) {
            Some(Input::Owned(tensor)) => Ok(tensor),
            Some(Input::Borrowed(tensor)) => Ok(tensor.clone()),
            None => Err(missing(position)),
        }
    }

    /// Whether [`Inputs::take`] would return the input without a copy.
    #[must_use]
    pub fn is_owned(&self, position: usize) -> bool {
        matches!(self.values.get(position), Some(Some(Input::Owned(_))))
    }
}

impl Drop for Inputs<'_> {
    fn drop(&mut self) {
        for value in self.values.drain(..) {
            if let Some(Input::Owned(tensor)) = value {
                buffer_pool::give(tensor);
            }
        }
    }
}

fn missing(position: usize) -> Error {
    Error::graph(format!("input {position} is missing"))
}

/// The node, and what is known of it, that an operator is built from.
pub struct Build<'a> {
    /// The operator's domain; empty for ONNX's default domain.
    pub domain: &'a str,
    /// The operator's name in its domain.
    pub op_type: &'a str,
    /// The version of the domain's operator set that the file imports.
    pub opset: i64,
    /// The node's attributes, without the graphs among them.
    pub attributes: Attributes<'a>,
    /// For each declared input, whether it is present.
    pub inputs: Vec<bool>,
    /// For each output, whether it is present.
    pub outputs: Vec<bool>,
    /// Constant inputs, by position; `None` for inputs that are computed or passed with a request.
    pub constants: Vec<Option<&'a Tensor>>,
    /// Positions of constant inputs that the operator has copied into a form of its own, such as packed weights. It does
    /// not get them when it runs, and their tensors are dropped unless another node needs them.
    pub consumed: Vec<usize>,
    /// The graphs among the attributes, by name. The values that they capture are inputs of the node, after those that
    /// it declares, in the order of the graphs.
    pub graphs: Vec<(String, Subgraph)>,
}

/// A graph inside a node, ready to run: the body of a loop, or a branch.
///
/// Control-flow operators run their subgraphs through this trait, so that operators do not depend on the graph that
/// is built from them.
pub trait Runnable {
    /// The number of inputs, captured values included.
    fn input_count(&self) -> usize;

    /// The number of outputs.
    fn output_count(&self) -> usize;

    /// Runs the graph; `inputs` are its first inputs, `captures` the rest. Captures are borrowed, so that a loop
    /// need not copy them for each iteration.
    ///
    /// # Errors
    /// `Input` for values that do not fit the graph or each other, `Unsupported` for a datatype, `Memory`.
    fn run(&self, inputs: Vec<Tensor>, captures: &[&Tensor]) -> Result<Vec<Tensor>>;

    /// Whether every operator of the graph is deterministic ([`Operator::is_deterministic`]).
    fn is_deterministic(&self) -> bool;
}

/// The type that a graph declares for an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// The datatype; `None` if the graph does not say, or if tensors cannot have it.
    pub datatype: Option<Datatype>,
    /// The shape, in which a size that is not known in advance is 0; empty if the graph does not say.
    pub shape: Vec<usize>,
}

/// A graph inside a node, and the number of values that it captures.
pub struct Subgraph {
    /// The graph; its first inputs are those that the node passes, the rest are the captured values.
    pub graph: Box<dyn Runnable>,
    /// The number of values that it takes from the graph around it.
    pub captures: usize,
    /// The declared types of its outputs.
    pub outputs: Vec<Declared>,
}

impl<'a> Build<'a> {
    /// The node's attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        self.attributes
    }

    /// The number of the node's outputs, omitted ones included.
    #[must_use]
    pub fn output_count(&self) -> usize {
        self.outputs.len()
    }

    /// The number of inputs that the node declares, omitted ones included.
    #[must_use]
    pub fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// Whether the node has an input at that position.
    #[must_use]
    pub fn has_input(&self, position: usize) -> bool {
        self.inputs.get(position) == Some(&true)
    }

    /// Whether the node's output at that position is named, so that another node may use it.
    #[must_use]
    pub fn has_output(&self, position: usize) -> bool {
        self.outputs.get(position) == Some(&true)
    }

    /// A constant input; `None` if it is computed or passed with a request.
    #[must_use]
    pub fn constant(&self, position: usize) -> Option<&'a Tensor> {
        self.constants.get(position).copied().flatten()
    }

    /// Takes the graph of that attribute.
    ///
    /// # Errors
    /// `Graph` if the attribute is missing.
    pub fn graph(&mut self, name: &str) -> Result<Subgraph> {
        let found = self.graphs.iter().position(|(known, _)| known == name);
        found
            .map(|position| self.graphs.swap_remove(position).1)
            .ok_or_else(|| Error::graph(format!("the attribute `{name}` is missing")))
    }
}
