//! Convolutions and what stands between them in channels-last form.
//!
//! Goes through the nodes once. A value may have two forms: the one that the file means, and channels-last. Convolutions and pools
//! take and give the latter; what goes element by element takes what there is; everything else gets the former.
//! Where a form is missing, a node that moves the channels is put in.

mod bytes;
mod expanded;
mod fused;
pub(super) mod node;

use std::collections::{BTreeMap, BTreeSet};

use infer_kernels::quantization::QuantParams;
use rten_onnx::onnx::NodeProto;

use self::fused::{Built, FusedConv};
use self::node::{clamp, constant_last, pool};
use super::quantized::ROUNDING;
use crate::attributes::Attributes;
use crate::error::Result;
use crate::ir::{Network, Node, ValueId};
use crate::operator::Operator;
use crate::ops::channels_last::pooling::GlobalAverage;
use crate::ops::channels_last::quantized::QuantizedConvolution;
use crate::ops::channels_last::transpose::MoveChannels;

/// Operators of one tensor that goes through element by element, whatever its layout.
const UNARY: [&str; 18] = [
    "Abs",
    "Ceil",
    "Clip",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Log",
    "Neg",
    "Reciprocal",
    "Relu",
    "Sigmoid",
    "Softplus",
    "Sqrt",
    "Tanh",
];

/// Operators of two tensors, element by element.
const BINARY: [&str; 6] = ["Add", "Div", "Max", "Min", "Mul", "Sub"];

/// The name of the nodes that move channels.
pub(super) const MOVE_CHANNELS: &str = "MoveChannels";

pub(super) fn rewrite(network: Network) -> Result<Network> {
    if !network.nodes.iter().any(|node| node.is("Conv")) {
        return Ok(network);
    }
    let uses = network.uses();
    let mut rewriter = Rewriter {
        uses,
        nodes: Vec::new(),
        last: BTreeMap::new(),
        convs: BTreeMap::new(),
        levels: BTreeMap::new(),
        without_first: Default::default(),
        network,
    };
    for node in std::mem::take(&mut rewriter.network.nodes) {
        rewriter.node(node)?;
    }
    for output in rewriter.network.outputs.clone() {
        rewriter.first(output);
    }
    rewriter.finish()
}

struct Rewriter {
    network: Network,
    /// How often each value was used before anything was rewritten.
    uses: Vec<usize>,
    nodes: Vec<Option<Node>>,
    /// Of the file's values, those in channels-last form.
    last: BTreeMap<ValueId, ValueId>,
    /// Of the file's values, those that are there in channels-last form only.
    without_first: BTreeSet<ValueId>,
    /// The convolutions among the new nodes, by what they give in channels-last form, with their places.
    convs: BTreeMap<ValueId, (usize, FusedConv)>,
    /// What values of the file's are rounded to, where they are, but by a convolution.
    levels: BTreeMap<ValueId, QuantParams>,
}

impl Rewriter {
    fn node(&mut self, node: Node) -> Result<()> {
        let input = |position: usize| node.inputs.get(position).copied().flatten();
        let output = node.outputs.first().copied().flatten();
        let (Some(x), Some(y)) = (input(0), output) else {
            self.keep(node);
            return Ok(());
        };
        let has_last = self.last.contains_key(&x);
        if let Some(levels) = node.levels.or_else(|| {
            // One of the values that it is given.
            node.is("MaxPool").then(|| self.levels_of(x)).flatten()
        }) {
            self.levels.insert(y, levels);
        }
        let op_type = node.op_type().to_owned();
        let is_own = node.is(&op_type);
        match op_type.as_str() {
            "Conv" => {
                let levels = self.levels_of(x);
                if let Some(conv) = FusedConv::of(&node, &self.network, levels)? {
                    let x = self.last(x);
                    self.conv(conv, x, y, &node);
                    return Ok(());
                }
            }
            "BatchNormalization"
                if is_own && has_last && self.batch_normalization(&node, x, y)? =>
            {
                return Ok(());
            }
            "Relu" | "Clip" if is_own && has_last => {
                if let Some(clamp) = clamp(&node, &self.network)
                    && let Some(conv) = self.open_conv(x)
                    && conv.is_open()
                {
                    conv.clamp = clamp;
                    self.alias(x, y);
                    return Ok(());
                }
                self.elementwise(node, &[x], y);
                return Ok(());
            }
            ROUNDING if has_last => {
                if let Some(conv) = self.open_conv(x)
                    && conv.levels.is_none()
                {
                    conv.levels = node.levels;
                    self.alias(x, y);
                    return Ok(());
                }
                self.elementwise(node, &[x], y);
                return Ok(());
            }
            name if is_own && has_last && UNARY.contains(&name) => {
                self.elementwise(node, &[x], y);
                return Ok(());
            }
            name if is_own && BINARY.contains(&name) && node.inputs.len() == 2 => {
                if let Some(other) = input(1)
                    && self.binary(&node, x, other, y)?
                {
                    return Ok(());
                }
            }
            "MaxPool" | "AveragePool" if is_own && has_last && node.outputs.len() == 1 => {
                if let Some(pool) = pool(&node)? {
                    let x = self.last(x);
                    self.give(Box::new(pool), vec![x], y, node.proto);
                    return Ok(());
                }
            }
            "GlobalAveragePool" if is_own && has_last => {
                let x = self.last(x);
                self.give(Box::new(GlobalAverage), vec![x], y, node.proto);
                return Ok(());
            }
            "Concat" if is_own && Attributes::new(&node.proto).int("axis", 0) == 1 => {
                let all: Vec<ValueId> = node.inputs.iter().copied().flatten().collect();
                if all.iter().all(|id| self.last.contains_key(id)) {
                    let mut node = node;
                    for attribute in &mut node.proto.attribute {
                        if attribute.name.as_deref() == Some("axis") {
                            attribute.i = Some(3);
                        }
                    }
                    self.elementwise(node, &all, y);
                    return Ok(());
                }
            }
            _ => {}
        }
        self.keep(node);
        Ok(())
    }

    /// What a value is rounded to.
    fn levels_of(&self, id: ValueId) -> Option<QuantParams> {
        let conv = self.last.get(&id).and_then(|last| self.convs.get(last));
        match conv {
            Some((_, conv)) => conv.levels,
            None => self.levels.get(&id).copied(),
        }
    }

    /// A node that stays as it is: what it uses is brought into the file's form.
    fn keep(&mut self, node: Node) {
        for id in node.inputs.iter().flatten() {
            self.first(*id);
        }
        self.nodes.push(Some(node));
    }

    /// The value in channels-last form, which it must be possible to bring it into: it has four dimensions.
    fn last(&mut self, id: ValueId) -> ValueId {
        if let Some(&found) = self.last.get(&id) {
            return found;
        }
        let moved = self.network.new_value();
        self.push(Box::new(MoveChannels::Last), MOVE_CHANNELS, vec![id], moved);
        self.last.insert(id, moved);
        moved
    }

    /// Bring a value into the file's form.
    fn first(&mut self, id: ValueId) {
        if self.without_first.remove(&id)
            && let Some(&last) = self.last.get(&id)
        {
            self.push(Box::new(MoveChannels::First), MOVE_CHANNELS, vec![last], id);
        }
    }

    fn push(
        &mut self,
        operator: Box<dyn Operator>,
        op_type: &str,
        inputs: Vec<ValueId>,
        output: ValueId,
    ) {
        let proto = NodeProto {
            op_type: Some(op_type.to_owned()),
            ..NodeProto::default()
        };
        self.nodes.push(Some(Node {
            operator: Some(operator),
            ..Node::new(proto, 0, inputs, output)
        }));
    }

    /// A node that takes and gives channels-last form, in the place of the file's.
    fn give(
        &mut self,
        operator: Box<dyn Operator>,
        inputs: Vec<ValueId>,
        y: ValueId,
        proto: NodeProto,
    ) {
        let output = self.network.new_value();
        self.nodes.push(Some(Node {
            operator: Some(operator),
            ..Node::new(proto, 0, inputs, output)
        }));
        self.last.insert(y, output);
        self.without_first.insert(y);
    }

    /// A node of the file's on the channels-last form of some of its inputs; the others stay.
    fn elementwise(&mut self, mut node: Node, moved: &[ValueId], y: ValueId) {
        let output = self.network.new_value();
        for input in node.inputs.iter_mut().flatten() {
            if moved.contains(input) {
                *input = self.last(*input);
            }
        }
        node.outputs = vec![Some(output)];
        self.nodes.push(Some(node));
        self.last.insert(y, output);
        self.without_first.insert(y);
    }

    /// What a value's convolution gives is another value's too.
    fn alias(&mut self, x: ValueId, y: ValueId) {
        if let Some(&last) = self.last.get(&x) {
            self.last.insert(y, last);
            self.without_first.insert(y);
            // Nobody may ask for what it was before.
            self.last.remove(&x);
            self.without_first.remove(&x);
        }
    }

    fn conv(&mut self, conv: FusedConv, x: ValueId, y: ValueId, node: &Node) {
        let output = self.network.new_value();
        self.convs.insert(output, (self.nodes.len(), conv));
        let proto = NodeProto {
            name: node.proto.name.clone(),
            op_type: Some("Conv".to_owned()),
            ..NodeProto::default()
        };
        let node = Node::new(proto, 0, vec![x], output);
        self.nodes.push(Some(node));
        self.last.insert(y, output);
        self.without_first.insert(y);
    }

    /// The convolution that gives a value to one user alone.
    fn open_conv(&mut self, id: ValueId) -> Option<&mut FusedConv> {
        let is_alone = self.uses.get(id) == Some(&1) && self.without_first.contains(&id);
        let last = self.last.get(&id).filter(|_| is_alone)?;
        self.convs.get_mut(last).map(|(_, conv)| conv)
    }

    /// Whether a batch normalization became a part of the convolution before it.
    fn batch_normalization(&mut self, node: &Node, x: ValueId, y: ValueId) -> Result<bool> {
        let attributes = Attributes::new(&node.proto);
        if attributes.flag("training_mode", false)
            || node.outputs.len() != 1
            || node.inputs.len() != 5
        {
            return Ok(false);
        }
        let constants: Vec<Vec<f32>> = node.inputs[1..]
            .iter()
            .filter_map(|id| {
                self.network
                    .constants
                    .get(&(*id)?)?
                    .elements()
                    .ok()
                    .map(<[f32]>::to_vec)
            })
            .collect();
        let [scale, shift, mean, variance] = constants.as_slice() else {
            return Ok(false);
        };
        if [shift.len(), mean.len(), variance.len()] != [scale.len(); 3] {
            return Ok(false);
        }
        let epsilon = attributes.float("epsilon", 1e-5);
        let scale: Vec<f32> = scale
            .iter()
            .zip(variance)
            .map(|(scale, variance)| scale / (variance + epsilon).sqrt())
            .collect();
        let lines = shift.iter().zip(mean).zip(&scale);
        let shift: Vec<f32> = lines
            .map(|((shift, mean), scale)| shift - mean * scale)
            .collect();
        let Some(conv) = self.open_conv(x) else {
            return Ok(false);
        };
        if !conv.scale(&scale, &shift)? {
            return Ok(false);
        }
        self.alias(x, y);
        Ok(true)
    }

    /// Whether an operator of two tensors is done in channels-last form.
    fn binary(&mut self, node: &Node, a: ValueId, b: ValueId, y: ValueId) -> Result<bool> {
        let (a_last, b_last) = (self.last.contains_key(&a), self.last.contains_key(&b));
        match (a_last, b_last) {
            (true, true) => {
                if node.is("Add") && a != b {
                    for (conv, residual) in [(b, a), (a, b)] {
                        if self
                            .open_conv(conv)
                            .is_some_and(|conv| conv.takes_residual())
                        {
                            self.residual(conv, residual, y);
                            return Ok(true);
                        }
                    }
                }
                self.elementwise(node.without_graphs(), &[a, b], y);
                Ok(true)
            }
            (true, false) | (false, true) => {
                let (moved, constant) = if a_last { (a, b) } else { (b, a) };
                let Some(tensor) = self.network.constants.get(&constant) else {
                    return Ok(false);
                };
                let Some(tensor) = constant_last(tensor)? else {
                    return Ok(false);
                };
                let id = self.network.new_value();
                self.network.constants.insert(id, tensor);
                let mut node = node.without_graphs();
                for input in node.inputs.iter_mut().flatten() {
                    if *input == constant {
                        *input = id;
                    }
                }
                self.elementwise(node, &[moved], y);
                Ok(true)
            }
            (false, false) => Ok(false),
        }
    }

    /// Let a convolution add a tensor: it moves to where that is there.
    fn residual(&mut self, conv: ValueId, residual: ValueId, y: ValueId) {
        let residual = self.last(residual);
        let Some(&last) = self.last.get(&conv) else {
            return;
        };
        let at = self.nodes.len();
        if let Some((place, conv)) = self.convs.get_mut(&last)
            && let Some(mut node) = self.nodes[*place].take()
        {
            conv.has_residual = true;
            node.inputs.push(Some(residual));
            *place = at;
            self.nodes.push(Some(node));
        }
        self.alias(conv, y);
    }

    fn finish(mut self) -> Result<Network> {
        let mut built = BTreeMap::new();
        for (&output, (place, conv)) in &self.convs {
            built.insert(output, (*place, conv.build()?));
        }
        expanded::rewrite(&mut self.nodes, &mut built);
        let giving = bytes::giving(&self.nodes, &built);
        let takes_bytes = built.iter().filter_map(|(&output, (_, conv))| match conv {
            Built::Quantized(conv) => Some((output, conv.input())),
            _ => None,
        });
        let takes_bytes = takes_bytes.collect();
        for (output, (place, conv)) in built {
            let levels = self.convs.get(&output).and_then(|(_, conv)| conv.levels);
            let operator: Box<dyn Operator> = match conv {
                Built::Plain(conv) => Box::new(conv),
                Built::Expanded(conv) => Box::new(conv),
                Built::Quantized(conv) => Box::new(QuantizedConvolution {
                    gives_bytes: giving.contains(&output),
                    ..conv
                }),
            };
            if let Some(node) = &mut self.nodes[place] {
                node.operator = Some(operator);
                node.levels = levels;
            }
        }
        self.network.nodes = self.nodes.into_iter().flatten().collect();
        bytes::rewrite(&mut self.network, &takes_bytes);
        Ok(self.network)
    }
}
