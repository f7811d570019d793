//! What exporters write where a version of ONNX has no operator of that name: Gelu and LayerNormalization, found among
//! the operators that they are made of.

use std::collections::{BTreeMap, BTreeSet};

use rten_onnx::onnx::{AttributeProto, NodeProto};

use crate::attributes::Attributes;
use crate::ir::{Network, Node, ValueId};

/// Put one node where there are those that it is made of.
pub(super) fn rewrite(mut network: Network) -> Network {
    let finder = Finder::new(&network);
    let mut found = BTreeMap::new();
    let mut gone = BTreeSet::new();
    for at in 0..network.nodes.len() {
        let fused = finder.gelu(at).or_else(|| finder.layer_norm(at));
        if let Some(fused) = fused.filter(|fused| fused.places.is_disjoint(&gone)) {
            gone.extend(fused.places);
            found.insert(fused.last, fused.node);
        }
    }
    let nodes = std::mem::take(&mut network.nodes).into_iter().enumerate();
    network.nodes = nodes
        .filter_map(|(at, node)| match gone.contains(&at) {
            true => found.remove(&at),
            false => Some(node),
        })
        .collect();
    network
}

/// A node, and those that it replaces.
struct Fused {
    node: Node,
    places: BTreeSet<usize>,
    /// The one whose output is the new node's.
    last: usize,
}

struct Finder<'a> {
    network: &'a Network,
    uses: Vec<usize>,
    /// The nodes that use each value.
    users: BTreeMap<ValueId, Vec<usize>>,
    /// The node that makes each value.
    makers: BTreeMap<ValueId, usize>,
}

impl<'a> Finder<'a> {
    fn new(network: &'a Network) -> Self {
        let mut users: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        let mut makers = BTreeMap::new();
        for (at, node) in network.nodes.iter().enumerate() {
            for id in node.inputs.iter().flatten() {
                users.entry(*id).or_default().push(at);
            }
            makers.extend(node.outputs.iter().flatten().map(|id| (*id, at)));
        }
        Self {
            network,
            uses: network.uses(),
            users,
            makers,
        }
    }

    fn node(&self, at: usize) -> &'a Node {
        &self.network.nodes[at]
    }

    /// The only output of a node of that operator.
    fn output(&self, at: usize, op_type: &str) -> Option<ValueId> {
        let node = self.node(at);
        match node.outputs[..] {
            [Some(output)] if node.is(op_type) => Some(output),
            _ => None,
        }
    }

    /// The node of that operator that is the only one to use a value.
    fn next(&self, value: ValueId, op_type: &str) -> Option<usize> {
        match self.users.get(&value)?[..] {
            [at] if self.uses[value] == 1 => {
                self.output(at, op_type)?;
                Some(at)
            }
            _ => None,
        }
    }

    /// Of a node with two inputs, the one that a value is not.
    fn other(&self, at: usize, value: ValueId) -> Option<ValueId> {
        match self.node(at).inputs[..] {
            [Some(a), Some(b)] if a == value && b != value => Some(b),
            [Some(a), Some(b)] if b == value && a != value => Some(a),
            _ => None,
        }
    }

    /// Of a node with two inputs, those.
    fn both(&self, at: usize) -> Option<[ValueId; 2]> {
        match self.node(at).inputs[..] {
            [Some(a), Some(b)] => Some([a, b]),
            _ => None,
        }
    }

    /// An FP32 constant without dimensions, which changes no shape.
    fn scalar(&self, value: ValueId) -> Option<f32> {
        let tensor = self.network.constants.get(&value)?;
        let elements = tensor.elements::<f32>().ok()?;
        (tensor.rank() == 0).then_some(elements[0])
    }

    /// Whether a node's second input, or either of both where `commutes`, is about that number, and what the other is.
    fn with_scalar(&self, at: usize, number: f32, commutes: bool) -> Option<ValueId> {
        let is_it = |value| {
            self.scalar(value)
                .is_some_and(|found| (found - number).abs() <= number.abs() * 1e-6)
        };
        match self.both(at)? {
            [x, constant] if is_it(constant) => Some(x),
            [constant, x] if commutes && is_it(constant) => Some(x),
            _ => None,
        }
    }

    /// x * 0.5 * (1 + erf(x / sqrt(2))), found by its Erf, in any order of the factors.
    fn gelu(&self, at: usize) -> Option<Fused> {
        let erf = self.output(at, "Erf")?;
        let scaled = self.node(at).inputs.first().copied().flatten()?;
        let scaling = *self.makers.get(&scaled)?;
        let x = match self.node(scaling).op_type() {
            "Div" => self.with_scalar(scaling, std::f32::consts::SQRT_2, false)?,
            "Mul" => self.with_scalar(scaling, std::f32::consts::FRAC_1_SQRT_2, true)?,
            _ => return None,
        };
        self.next(scaled, "Erf")?;
        self.output(scaling, self.node(scaling).op_type())?;
        let add = self.next(erf, "Add")?;
        self.with_scalar(add, 1.0, true)?;
        let share = self.output(add, "Add")?;
        let first = self.next(share, "Mul")?;
        let product = self.output(first, "Mul")?;
        let factor = self.other(first, share)?;
        let mut places = BTreeSet::from([scaling, at, add, first]);
        let half = self.makers.get(&factor).copied().filter(|&half| {
            self.next(factor, "Mul") == Some(first)
                && self.output(half, "Mul").is_some()
                && self.with_scalar(half, 0.5, true) == Some(x)
        });
        let last = if let Some(half) = half {
            places.insert(half);
            first
        } else {
            let last = self.next(product, "Mul")?;
            let is_half = |place, other| self.with_scalar(place, 0.5, true) == Some(other);
            let fits = if factor == x {
                is_half(last, product)
            } else {
                is_half(first, share) && self.other(last, product) == Some(x)
            };
            fits.then_some(last)?
        };
        places.insert(last);
        Some(Fused {
            node: node(
                "Gelu",
                20,
                Vec::new(),
                vec![x],
                self.output(last, "Mul")?,
                self.node(last),
            ),
            places,
            last,
        })
    }

    /// (x - mean) / sqrt(variance + epsilon) * scale + bias along the last axis, found by the subtraction.
    fn layer_norm(&self, at: usize) -> Option<Fused> {
        let apart = self.output(at, "Sub")?;
        let [x, mean] = self.both(at)?;
        let first_mean = *self.makers.get(&mean)?;
        if self.next(mean, "Sub") != Some(at) || self.mean_of(first_mean)? != x {
            return None;
        }
        // A product with itself uses it twice.
        let users: BTreeSet<usize> = self.users.get(&apart)?.iter().copied().collect();
        let users: Vec<usize> = users.into_iter().collect();
        let [a, b] = users[..] else {
            return None;
        };
        let is_square = |at: usize| match self.node(at).op_type() {
            "Pow" => self.with_scalar(at, 2.0, false) == Some(apart),
            "Mul" => self.both(at) == Some([apart; 2]),
            _ => false,
        };
        let (square, div) = if is_square(a) { (a, b) } else { (b, a) };
        let uses = self.both(square)?.iter().filter(|&&id| id == apart).count() + 1;
        if !is_square(square) || self.uses[apart] != uses {
            return None;
        }
        let squared = self.output(square, self.node(square).op_type())?;
        let second_mean = self.next(squared, "ReduceMean")?;
        self.mean_of(second_mean)?;
        let variance = self.output(second_mean, "ReduceMean")?;
        let add = self.next(variance, "Add")?;
        let epsilon = self.scalar(self.other(add, variance)?)?;
        let sum = self.output(add, "Add")?;
        let sqrt = self.next(sum, "Sqrt")?;
        let deviation = self.output(sqrt, "Sqrt")?;
        if self.next(deviation, "Div") != Some(div) || self.both(div)? != [apart, deviation] {
            return None;
        }
        let normal = self.output(div, "Div")?;
        let mul = self.next(normal, "Mul")?;
        let scale = self.other(mul, normal)?;
        let scaled = self.output(mul, "Mul")?;
        let last = self.next(scaled, "Add")?;
        let bias = self.other(last, scaled)?;
        let vector = |value: ValueId| {
            let tensor = self.network.constants.get(&value)?;
            tensor.elements::<f32>().ok()?;
            (tensor.rank() == 1).then(|| tensor.len())
        };
        // What is as long as the axis, and gives no tensor a dimension that it has not.
        if vector(scale)? != vector(bias)? {
            return None;
        }
        let attributes = vec![AttributeProto {
            name: Some("epsilon".to_owned()),
            f: Some(epsilon),
            ..AttributeProto::default()
        }];
        Some(Fused {
            node: node(
                "LayerNormalization",
                17,
                attributes,
                vec![x, scale, bias],
                self.output(last, "Add")?,
                self.node(last),
            ),
            places: BTreeSet::from([
                first_mean,
                at,
                square,
                second_mean,
                add,
                sqrt,
                div,
                mul,
                last,
            ]),
            last,
        })
    }

    /// What the mean along the last axis, which stays as one, is taken of.
    fn mean_of(&self, at: usize) -> Option<ValueId> {
        self.output(at, "ReduceMean")?;
        let node = self.node(at);
        let attributes = Attributes::new(&node.proto);
        let axes = match node.inputs.get(1).copied().flatten() {
            Some(axes) => self.network.constants.get(&axes)?.to_i64().ok()?,
            None => attributes.ints("axes")?.to_vec(),
        };
        let is_last = axes == [-1] && attributes.flag("keepdims", true);
        node.inputs.first().copied().flatten().filter(|_| is_last)
    }
}

fn node(
    op_type: &str,
    opset: i64,
    attribute: Vec<AttributeProto>,
    inputs: Vec<ValueId>,
    output: ValueId,
    last: &Node,
) -> Node {
    let proto = NodeProto {
        name: last.proto.name.clone(),
        op_type: Some(op_type.to_owned()),
        attribute,
        ..NodeProto::default()
    };
    Node::new(proto, opset, inputs, output)
}
