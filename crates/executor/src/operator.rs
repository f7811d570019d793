//! What all operators have in common.

use rten_onnx::onnx::NodeProto;

use crate::attributes::Attributes;
use crate::buffer_pool;
use crate::error::{Error, Result};
use crate::tensor::{Element, Tensor};

/// A node, ready to run.
pub trait Operator {
    /// Compute the outputs, as many as the node has (or more: those that nobody asked for are dropped).
    ///
    /// # Errors
    /// `Input` for values that do not go together, `Unsupported` for a datatype, `Memory`.
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>>;

    /// Whether the same inputs always give the same outputs, so that it can be run before the snapshot.
    fn is_deterministic(&self) -> bool {
        true
    }
}

/// A tensor that an operator is given: to look at, or to keep when nobody needs it any more.
pub enum Input<'a> {
    /// Others need it.
    Borrowed(&'a Tensor),
    /// Nobody else needs it: its memory can become the output's.
    Owned(Tensor),
}

/// The inputs of one run of an operator, by position; those left out are none.
pub struct Inputs<'a> {
    values: Vec<Option<Input<'a>>>,
}

impl<'a> Inputs<'a> {
    /// Inputs by position.
    #[must_use]
    pub fn new(values: Vec<Option<Input<'a>>>) -> Self {
        Self { values }
    }

    /// How many positions there are, with those left out.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// An input that may be left out.
    #[must_use]
    pub fn get(&self, position: usize) -> Option<&Tensor> {
        match self.values.get(position)? {
            Some(Input::Borrowed(tensor)) => Some(tensor),
            Some(Input::Owned(tensor)) => Some(tensor),
            None => None,
        }
    }

    /// An input that must be there.
    ///
    /// # Errors
    /// `Graph` when it is left out.
    pub fn required(&self, position: usize) -> Result<&Tensor> {
        self.get(position).ok_or_else(|| missing(position))
    }

    /// The elements of an input that must be there and of that type.
    ///
    /// # Errors
    /// `Graph` when it is left out, `Unsupported` when it is of another type.
    pub fn elements<T: Element>(&self, position: usize) -> Result<&[T]> {
        self.required(position)?
            .elements()
            .map_err(|error| Error::unsupported(format!("input {position}: {error}")))
    }

    /// An input to keep: its own memory where nobody else needs it, else a copy.
    ///
    /// # Errors
    /// `Graph` when it is left out.
    pub fn take(&mut self, position: usize) -> Result<Tensor> {
        match self.values.get_mut(position).and_then(Option::take) {
            Some(Input::Owned(tensor)) => Ok(tensor),
            Some(Input::Borrowed(tensor)) => Ok(tensor.clone()),
            None => Err(missing(position)),
        }
    }

    /// Whether [`Inputs::take`] needs no copy.
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

/// What an operator is built from.
pub struct Build<'a> {
    /// The node.
    pub node: &'a NodeProto,
    /// The version of the operator's set that the file asks for.
    pub opset: i64,
    /// Values known before any request, by position; none for the others.
    pub constants: Vec<Option<&'a Tensor>>,
    /// Of the inputs, those that the operator has made its own of (packed weights, say): it is not given them
    /// when it runs, and their tensors are dropped if nobody else needs them.
    pub consumed: Vec<usize>,
    /// The graphs among the attributes, by name. What they take from outside is given to the node after its
    /// declared inputs, first what the first graph takes.
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

/// A graph inside a node, and the number of values that it captures.
pub struct Subgraph {
    /// The graph; its first inputs are those that the node passes, the rest are the captured values.
    pub graph: Box<dyn Runnable>,
    /// The number of values that it takes from the graph around it.
    pub captures: usize,
}

impl<'a> Build<'a> {
    /// The node's attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.node)
    }

    /// How many outputs the node has, with those left out in between.
    #[must_use]
    pub fn output_count(&self) -> usize {
        self.node.output.len()
    }

    /// How many inputs the node declares, with those left out in between.
    #[must_use]
    pub fn input_count(&self) -> usize {
        self.node.input.len()
    }

    /// Whether the node has an input there.
    #[must_use]
    pub fn has_input(&self, position: usize) -> bool {
        self.node
            .input
            .get(position)
            .is_some_and(|name| !name.is_empty())
    }

    /// Whether somebody may want the output there.
    #[must_use]
    pub fn has_output(&self, position: usize) -> bool {
        self.node
            .output
            .get(position)
            .is_some_and(|name| !name.is_empty())
    }

    /// An input that is known before any request.
    #[must_use]
    pub fn constant(&self, position: usize) -> Option<&'a Tensor> {
        self.constants.get(position).copied().flatten()
    }

    /// A graph among the attributes.
    ///
    /// # Errors
    /// `Graph` when there is none of that name.
    pub fn graph(&mut self, name: &str) -> Result<Subgraph> {
        let found = self.graphs.iter().position(|(known, _)| known == name);
        found
            .map(|position| self.graphs.swap_remove(position).1)
            .ok_or_else(|| Error::graph(format!("the attribute `{name}` is missing")))
    }
}
