//! A graph between its file and its operators: nodes that can still be rewritten.

use std::collections::BTreeMap;

use infer_kernels::quantization::QuantParams;
use rten_onnx::onnx::NodeProto;

use crate::operator::{Operator, Subgraph};
use crate::tensor::Tensor;

/// A value of a graph: an input, a constant, or what a node puts out.
pub type ValueId = usize;

/// A graph's nodes, in an order in which they can be run.
#[derive(Default)]
pub struct Network {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Values known before any request.
    pub constants: BTreeMap<ValueId, Tensor>,
    /// Of constants that were dequantized, what they were.
    pub quantized: BTreeMap<ValueId, Quantized>,
    /// What the graph is given.
    pub inputs: Vec<ValueId>,
    /// What it puts out.
    pub outputs: Vec<ValueId>,
    /// How many values there are; the next one's id.
    pub values: usize,
}

/// A constant of numbers of eight bits.
#[derive(Clone)]
pub struct Quantized {
    /// The numbers less their zero point.
    pub values: Vec<i8>,
    /// What they are steps of: one for all, or one for each place along a dimension.
    pub scales: Vec<f32>,
    /// Which dimension that is.
    pub axis: usize,
}

/// A node.
pub struct Node {
    /// What the file says of it.
    pub proto: NodeProto,
    /// The version of its operator's set.
    pub opset: i64,
    /// Its inputs, by position, and then what its graphs take from outside; none for those left out.
    pub inputs: Vec<Option<ValueId>>,
    /// Its outputs, by position; none for those left out.
    pub outputs: Vec<Option<ValueId>>,
    /// The graphs among its attributes.
    pub graphs: Vec<(String, Subgraph)>,
    /// Its operator, where a rewriting has made one already.
    pub operator: Option<Box<dyn Operator>>,
    /// What it rounds values to at the end.
    pub levels: Option<QuantParams>,
}

impl Node {
    /// A node with all of its inputs and one output, that has no operator yet.
    #[must_use]
    pub fn new(proto: NodeProto, opset: i64, inputs: Vec<ValueId>, output: ValueId) -> Self {
        Self {
            proto,
            opset,
            inputs: inputs.into_iter().map(Some).collect(),
            outputs: vec![Some(output)],
            graphs: Vec::new(),
            operator: None,
            levels: None,
        }
    }

    /// The same node; its graphs, which it has none of, and its operator are not copied.
    #[must_use]
    pub fn without_graphs(&self) -> Self {
        Self {
            proto: self.proto.clone(),
            opset: self.opset,
            inputs: self.inputs.clone(),
            outputs: self.outputs.clone(),
            graphs: Vec::new(),
            operator: None,
            levels: None,
        }
    }

    /// The operator's name.
    #[must_use]
    pub fn op_type(&self) -> &str {
        self.proto.op_type.as_deref().unwrap_or_default()
    }

    /// Whether it is that operator of ONNX's own set.
    #[must_use]
    pub fn is(&self, op_type: &str) -> bool {
        self.op_type() == op_type
            && self.operator.is_none()
            && self.proto.domain.as_deref().unwrap_or_default().is_empty()
    }
}

impl Network {
    /// A new value's id.
    pub fn new_value(&mut self) -> ValueId {
        self.values += 1;
        self.values - 1
    }

    /// How often each value is used, by nodes and as an output.
    #[must_use]
    pub fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.values];
        for id in self
            .nodes
            .iter()
            .flat_map(|node| node.inputs.iter().flatten())
        {
            uses[*id] += 1;
        }
        for id in &self.outputs {
            uses[*id] += 1;
        }
        uses
    }
}
