//! Assigns the channels-last layout (NHWC) to convolutions and to what stands between them.
//!
//! A value can exist in two layouts: as the file means it (NCHW for images) and channels-last. Convolutions and pooling
//! take and return channels-last values, elementwise operators whatever there is, other operators values as the file
//! means them. Where a layout is missing, the pass inserts a transpose.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::ir::{Network, Node, OnnxNode, Op, ValueId};
use crate::ops::channels_last::pads::Pads;
use crate::ops::channels_last::pooling::{Kind, Pooling};
use crate::ops::{self, LayoutRule};
use crate::tensor::Tensor;

/// Assigns layouts, in one pass over the nodes.
///
/// # Errors
/// `Graph` for attributes of pooling that the specification does not allow.
pub(super) fn assign(network: Network) -> Result<Network> {
    let mut layouts = Layouts {
        nodes: Vec::with_capacity(network.nodes.len()),
        channels_last: BTreeMap::new(),
        only_channels_last: BTreeSet::new(),
        network,
    };
    for node in std::mem::take(&mut layouts.network.nodes) {
        layouts.add(node)?;
    }
    for output in layouts.network.outputs.clone() {
        layouts.restore(output);
    }
    layouts.network.nodes = layouts.nodes;
    Ok(layouts.network)
}

struct Layouts {
    network: Network,
    nodes: Vec<Node>,
    /// From values of the file to the same values channels-last.
    channels_last: BTreeMap<ValueId, ValueId>,
    /// Values of the file that exist channels-last only.
    only_channels_last: BTreeSet<ValueId>,
}

impl Layouts {
    fn add(&mut self, node: Node) -> Result<()> {
        let (Some(x), Some(y)) = (node.input(0), node.outputs.first().copied().flatten()) else {
            self.keep(node);
            return Ok(());
        };
        let is_channels_last = self.channels_last.contains_key(&x);
        match self.rule(&node) {
            LayoutRule::Convolution => {
                self.transposed(x);
                self.convert(node, &[x], y);
            }
            LayoutRule::Unary if is_channels_last => self.convert(node, &[x], y),
            LayoutRule::Binary if node.inputs.len() == 2 => self.binary(node, x, y)?,
            LayoutRule::Pooling if is_channels_last => match pooling(&node)? {
                Some(op) => self.convert(Node { op, ..node }, &[x], y),
                None => self.keep(node),
            },
            LayoutRule::Concatenation => self.concatenation(node, y),
            _ => self.keep(node),
        }
        Ok(())
    }

    /// The layouts in which an operator computes.
    fn rule(&self, node: &Node) -> LayoutRule {
        match &node.op {
            Op::Conv(_) => LayoutRule::Convolution,
            Op::FakeQuantize(_) => LayoutRule::Unary,
            Op::Onnx(onnx) => match ops::find(&onnx.domain, &onnx.op_type) {
                // Convolutions that have a kernel are no ONNX nodes any more.
                Some(entry) if entry.layout != LayoutRule::Convolution => entry.layout,
                _ => LayoutRule::AsInFile,
            },
            _ => LayoutRule::AsInFile,
        }
    }

    /// Adds a node that computes as the file means it.
    fn keep(&mut self, node: Node) {
        for &id in node.inputs.iter().flatten() {
            self.restore(id);
        }
        self.nodes.push(node);
    }

    /// Adds a node that computes `y` channels-last from the channels-last form of these inputs.
    fn convert(&mut self, mut node: Node, inputs: &[ValueId], y: ValueId) {
        for input in node.inputs.iter_mut().flatten() {
            if inputs.contains(input) {
                *input = self.channels_last.get(input).copied().unwrap_or(*input);
            }
        }
        let output = self.network.new_value();
        node.outputs = vec![Some(output)];
        self.nodes.push(node);
        self.channels_last.insert(y, output);
        self.only_channels_last.insert(y);
    }

    /// Makes sure that a value, which has four dimensions, exists channels-last.
    fn transposed(&mut self, id: ValueId) {
        if !self.channels_last.contains_key(&id) {
            let output = self.network.new_value();
            self.nodes
                .push(Node::new(Op::ToChannelsLast, vec![id], output));
            self.channels_last.insert(id, output);
        }
    }

    /// Makes sure that a value exists as the file means it.
    fn restore(&mut self, id: ValueId) {
        if self.only_channels_last.remove(&id)
            && let Some(&input) = self.channels_last.get(&id)
        {
            self.nodes
                .push(Node::new(Op::ToChannelsFirst, vec![input], id));
        }
    }

    fn binary(&mut self, mut node: Node, a: ValueId, y: ValueId) -> Result<()> {
        let Some(b) = node.input(1) else {
            self.keep(node);
            return Ok(());
        };
        let is_channels_last = [a, b].map(|id| self.channels_last.contains_key(&id));
        let (image, constant) = match is_channels_last {
            [true, true] => {
                self.convert(node, &[a, b], y);
                return Ok(());
            }
            [true, false] => (a, b),
            [false, true] => (b, a),
            [false, false] => {
                self.keep(node);
                return Ok(());
            }
        };
        let tensor = self.network.constants.get(&constant);
        let Some(tensor) = tensor.map(per_channel).transpose()?.flatten() else {
            self.keep(node);
            return Ok(());
        };
        let transposed = self.network.new_constant(tensor);
        for input in node.inputs.iter_mut().flatten() {
            if *input == constant {
                *input = transposed;
            }
        }
        self.convert(node, &[image], y);
        Ok(())
    }

    /// A concatenation of channels whose inputs all exist channels-last.
    fn concatenation(&mut self, mut node: Node, y: ValueId) {
        let inputs: Vec<ValueId> = node.inputs.iter().copied().flatten().collect();
        let is_channels_last = inputs.iter().all(|id| self.channels_last.contains_key(id));
        match &mut node.op {
            Op::Onnx(onnx) if is_channels_last && onnx.attributes().int("axis", 0) == 1 => {
                for attribute in &mut onnx.attributes {
                    if attribute.name.as_deref() == Some("axis") {
                        attribute.i = Some(3);
                    }
                }
                self.convert(node, &inputs, y);
            }
            _ => self.keep(node),
        }
    }
}

/// A constant that is broadcast to images, channels-last; `None` for one that has other dimensions than channels.
fn per_channel(tensor: &Tensor) -> Result<Option<Tensor>> {
    let shape = tensor.shape();
    let Some(missing) = 4usize.checked_sub(shape.len()) else {
        return Ok(None);
    };
    let size = |axis: usize| axis.checked_sub(missing).map_or(1, |axis| shape[axis]);
    if [0, 2, 3].map(size) != [1; 3] {
        return Ok(None);
    }
    let channels = vec![1, 1, 1, size(1)];
    tensor.clone().reshaped(channels).map(Some)
}

/// The channels-last operator of a pooling node; `None` for one that has no kernel.
///
/// # Errors
/// `Graph` for attributes that the specification does not allow.
fn pooling(node: &Node) -> Result<Option<Op>> {
    if node.is("GlobalAveragePool") {
        return Ok(Some(Op::GlobalAveragePool));
    }
    let (Some(attributes), Some(_)) = (node.op.onnx().map(OnnxNode::attributes), node.output())
    else {
        return Ok(None);
    };
    if attributes.flag("ceil_mode", false) || attributes.flag("storage_order", false) {
        return Ok(None);
    }
    let kernel = attributes.sizes("kernel_shape")?;
    let Some(kernel) = kernel.and_then(|kernel| <[usize; 2]>::try_from(kernel).ok()) else {
        return Ok(None);
    };
    let kind = match node.is("MaxPool") {
        true => Kind::Max,
        false => Kind::Average {
            includes_padding: attributes.flag("count_include_pad", false),
        },
    };
    Ok(Pads::window(attributes, kernel)?
        .map(|(window, pads)| Op::Pooling(Pooling { kind, window, pads })))
}
