//! Assigns the channels-last layout (NHWC) to convolutions and to what stands between them.
//!
//! A value can exist in two layouts: as the file means it (NCHW for images) and channels-last. Convolutions and pooling
//! take and return channels-last values, elementwise operators whatever there is, other operators values as the file
//! means them. Where a layout is missing, the pass inserts a transpose. Signals (NCW) are images of height 1.

use std::collections::{BTreeMap, BTreeSet};

use super::channels::{each_axis, normalization, numbers_of_axes, per_channel, pooling, set_axis};
use crate::error::Result;
use crate::ir::{Network, Node, Op, ValueId};
use crate::ops::channels_last::Spatial;
use crate::ops::channels_last::transpose::TransposeChannels;
use crate::ops::{self, LayoutRule};

/// Assigns layouts, in one pass over the nodes.
///
/// # Errors
/// `Graph` for attributes of pooling that the specification does not allow.
pub(super) fn assign(network: Network) -> Result<Network> {
    let mut layouts = Layouts {
        nodes: Vec::with_capacity(network.nodes.len()),
        channels_last: BTreeMap::new(),
        only_channels_last: BTreeSet::new(),
        convolved: convolved(&network),
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
    channels_last: BTreeMap<ValueId, ChannelsLast>,
    /// Values of the file that exist channels-last only.
    only_channels_last: BTreeSet<ValueId>,
    /// Inputs of convolutions that have a kernel.
    convolved: BTreeSet<ValueId>,
}

/// The inputs of convolutions that have a kernel.
fn convolved(network: &Network) -> BTreeSet<ValueId> {
    let convs = network
        .nodes
        .iter()
        .filter(|node| matches!(node.op, Op::Conv(_)));
    convs.filter_map(|node| node.input(0)).collect()
}

/// The channels-last form of a value.
#[derive(Clone, Copy)]
struct ChannelsLast {
    id: ValueId,
    /// The spatial axes that the value has in the file.
    axes: Spatial,
}

impl Layouts {
    fn add(&mut self, mut node: Node) -> Result<()> {
        let (Some(x), Some(y)) = (node.input(0), node.outputs.first().copied().flatten()) else {
            self.keep(node);
            return Ok(());
        };
        let axes = self.channels_last.get(&x).map(|found| found.axes);
        match (self.rule(&node), axes) {
            (LayoutRule::Convolution, _) => self.convolution(node, x, y),
            (LayoutRule::Unary, Some(axes)) => {
                if let Op::ChannelShuffle(shuffle) = &mut node.op {
                    shuffle.is_channels_last = true;
                }
                self.convert(node, axes, &[x], y);
            }
            (LayoutRule::Binary, _) if node.inputs.len() == 2 => self.binary(node, x, y)?,
            (LayoutRule::Pooling, Some(axes)) => match pooling(&node, axes)? {
                Some(op) => self.convert(Node { op, ..node }, axes, &[x], y),
                None => self.keep(node),
            },
            (LayoutRule::Concatenation, Some(axes)) => self.concatenation(node, axes, y),
            (LayoutRule::Normalization, Some(axes)) => {
                match normalization(&node, axes, &mut self.network)? {
                    Some(conv) => {
                        let op = Op::Conv(Box::new(conv));
                        let inputs = vec![Some(x)];
                        self.convert(Node { op, inputs, ..node }, axes, &[x], y);
                    }
                    None => self.keep(node),
                }
            }
            (LayoutRule::Split, Some(axes)) => self.split(node, axes, x),
            (LayoutRule::EachAxis, Some(axes)) => self.each_axis(node, axes, x, y),
            (LayoutRule::Transposition, _) => self.transposition(node, x, y),
            _ => self.keep(node),
        }
        Ok(())
    }

    /// The layouts in which an operator computes.
    fn rule(&self, node: &Node) -> LayoutRule {
        match &node.op {
            Op::Conv(_) => LayoutRule::Convolution,
            Op::FakeQuantize(_) | Op::ChannelShuffle(_) => LayoutRule::Unary,
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
    fn convert(&mut self, mut node: Node, axes: Spatial, inputs: &[ValueId], y: ValueId) {
        for input in node.inputs.iter_mut().flatten() {
            if inputs.contains(input) {
                *input = self
                    .channels_last
                    .get(input)
                    .map_or(*input, |found| found.id);
            }
        }
        let id = self.network.new_value();
        node.outputs = vec![Some(id)];
        self.nodes.push(node);
        self.channels_last.insert(y, ChannelsLast { id, axes });
        self.only_channels_last.insert(y);
    }

    /// A convolution, whose input is converted if need be.
    fn convolution(&mut self, node: Node, x: ValueId, y: ValueId) {
        let Op::Conv(conv) = &node.op else {
            return self.keep(node);
        };
        let axes = conv.axes;
        let found = self.channels_last.get(&x);
        if found.is_none_or(|found| found.axes != axes) {
            // A value that has other axes makes the conversion fail.
            self.restore(x);
            let id = self.network.new_value();
            let op = Op::Transpose(TransposeChannels::Last(axes));
            self.nodes.push(Node::new(op, vec![x], id));
            self.channels_last.insert(x, ChannelsLast { id, axes });
        }
        self.convert(node, axes, &[x], y);
    }

    /// Makes sure that a value exists as the file means it.
    fn restore(&mut self, id: ValueId) {
        if self.only_channels_last.remove(&id)
            && let Some(&ChannelsLast { id: input, axes }) = self.channels_last.get(&id)
        {
            let op = Op::Transpose(TransposeChannels::First(axes));
            self.nodes.push(Node::new(op, vec![input], id));
        }
    }

    /// A transpose, for which nothing moves if it is from a channels-last value to the order of axes that this has, or
    /// the reverse.
    fn transposition(&mut self, node: Node, x: ValueId, y: ValueId) {
        let order = node
            .op
            .onnx()
            .and_then(|onnx| onnx.attributes().ints("perm"));
        let found = self.channels_last.get(&x).copied();
        let (to_last, to_first) = match order {
            Some([0, 2, 1]) => (Some(Spatial::One), Some(Spatial::One)),
            Some([0, 2, 3, 1]) => (Some(Spatial::Two), None),
            Some([0, 3, 1, 2]) => (None, Some(Spatial::Two)),
            _ => (None, None),
        };
        if let Some(found) = found.filter(|found| Some(found.axes) == to_last) {
            let op = Op::Transpose(TransposeChannels::Bare(found.axes));
            self.nodes.push(Node::new(op, vec![found.id], y));
        } else if let (Some(axes), None) = (to_first, found)
            && self.convolved.contains(&y)
        {
            let id = self.network.new_value();
            let op = Op::Transpose(TransposeChannels::Framed(axes));
            self.nodes.push(Node::new(op, vec![x], id));
            self.channels_last.insert(y, ChannelsLast { id, axes });
            self.only_channels_last.insert(y);
        } else {
            self.keep(node);
        }
    }

    /// A split of channels, all of whose outputs are channels-last.
    fn split(&mut self, mut node: Node, axes: Spatial, x: ValueId) {
        let rank = axes.rank() as i64;
        let is_of_channels = node
            .op
            .onnx()
            .is_some_and(|onnx| [1, 1 - rank].contains(&onnx.attributes().int("axis", 0)));
        let (true, Op::Onnx(onnx)) = (is_of_channels, &mut node.op) else {
            return self.keep(node);
        };
        set_axis(onnx, 3);
        if let Some(found) = self.channels_last.get(&x) {
            node.inputs[0] = Some(found.id);
        }
        for output in node.outputs.iter_mut().flatten() {
            let id = self.network.new_value();
            self.channels_last
                .insert(*output, ChannelsLast { id, axes });
            self.only_channels_last.insert(*output);
            *output = id;
        }
        self.nodes.push(node);
    }

    /// An operator with numbers for each axis, if these are constant.
    fn each_axis(&mut self, mut node: Node, axes: Spatial, x: ValueId, y: ValueId) {
        let Some((positions, neutral)) = numbers_of_axes(&node) else {
            return self.keep(node);
        };
        let mut adapted = Vec::new();
        for &position in positions {
            let Some(id) = node.input(position) else {
                continue;
            };
            let constant = self.network.constants.get(&id);
            let constant = constant.and_then(|numbers| each_axis(numbers, axes, neutral));
            let Some(numbers) = constant else {
                return self.keep(node);
            };
            adapted.push((position, numbers));
        }
        for (position, numbers) in adapted {
            node.inputs[position] = Some(self.network.new_constant(numbers));
        }
        self.convert(node, axes, &[x], y);
    }

    fn binary(&mut self, mut node: Node, a: ValueId, y: ValueId) -> Result<()> {
        let Some(b) = node.input(1) else {
            self.keep(node);
            return Ok(());
        };
        let axes = [a, b].map(|id| self.channels_last.get(&id).map(|found| found.axes));
        let (image, axes, constant) = match axes {
            [Some(axes), Some(others)] if axes == others => {
                self.convert(node, axes, &[a, b], y);
                return Ok(());
            }
            [Some(axes), None] => (a, axes, b),
            [None, Some(axes)] => (b, axes, a),
            _ => {
                self.keep(node);
                return Ok(());
            }
        };
        let tensor = self.network.constants.get(&constant);
        let tensor = tensor.map(|tensor| per_channel(tensor, axes));
        let Some(tensor) = tensor.transpose()?.flatten() else {
            self.keep(node);
            return Ok(());
        };
        let transposed = self.network.new_constant(tensor);
        for input in node.inputs.iter_mut().flatten() {
            if *input == constant {
                *input = transposed;
            }
        }
        self.convert(node, axes, &[image], y);
        Ok(())
    }

    /// A concatenation of channels whose inputs all exist channels-last.
    fn concatenation(&mut self, mut node: Node, axes: Spatial, y: ValueId) {
        let inputs: Vec<ValueId> = node.inputs.iter().copied().flatten().collect();
        let found = |id| self.channels_last.get(id).map(|found| found.axes);
        let is_channels_last = inputs.iter().all(|id| found(id) == Some(axes));
        let rank = axes.rank() as i64;
        match &mut node.op {
            Op::Onnx(onnx)
                if is_channels_last
                    && [1, 1 - rank].contains(&onnx.attributes().int("axis", 0)) =>
            {
                set_axis(onnx, 3);
                self.convert(node, axes, &inputs, y);
            }
            _ => self.keep(node),
        }
    }
}
