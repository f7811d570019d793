//! A small language for patterns of nodes, and the matcher.
//!
//! A pattern is a tree that is matched from its root, the last node, towards the inputs:
//!
//! ```text
//! onnx("Mul", [any("x"), onnx("Sigmoid", [any("x")])])
//! ```
//!
//! matches a product of a value and its sigmoid. Both `any("x")` must be the same value. The operands of `Add` and `Mul`
//! match in either order.

use std::collections::BTreeSet;

use super::nodes::Nodes;
use crate::ir::{Network, Node, Op, ValueId};

/// What a value must be for a pattern to match.
pub(super) enum Pattern {
    /// Any value. All values bound to one name must be the same, and a name may refer to an operator's output.
    Any(&'static str),
    /// A constant, bound to the name.
    Constant(&'static str),
    /// An FP32 constant without dimensions, equal to the number but for rounding.
    Scalar(f32),
    /// The only output of a node.
    Op(OpPattern),
    /// The first of these patterns that matches.
    OneOf(Vec<Pattern>),
}

/// What a node must be for a pattern to match.
pub(super) struct OpPattern {
    kind: Kind,
    inputs: Vec<Pattern>,
    /// Whether the node may have more inputs than the pattern.
    has_more_inputs: bool,
    /// Whether operands match in this order only, even if the operator is commutative.
    is_in_order: bool,
    condition: Option<fn(&Node, &Network) -> bool>,
    name: Option<&'static str>,
}

enum Kind {
    /// An operator of ONNX's default domain.
    Onnx(&'static str),
    /// An operator that an optimization pass made.
    Optimized(fn(&Op) -> bool),
}

/// Any value.
pub(super) fn any(name: &'static str) -> Pattern {
    Pattern::Any(name)
}

/// A constant of any datatype and shape.
pub(super) fn constant(name: &'static str) -> Pattern {
    Pattern::Constant(name)
}

/// An FP32 constant without dimensions and of this value.
pub(super) fn scalar(value: f32) -> Pattern {
    Pattern::Scalar(value)
}

/// One of several patterns.
pub(super) fn one_of<const COUNT: usize>(patterns: [Pattern; COUNT]) -> Pattern {
    Pattern::OneOf(patterns.into())
}

/// An operator of ONNX's default domain with these inputs.
pub(super) fn onnx<const COUNT: usize>(
    op_type: &'static str,
    inputs: [Pattern; COUNT],
) -> OpPattern {
    OpPattern::new(Kind::Onnx(op_type), inputs.into())
}

/// An operator that an optimization pass made, with these inputs.
pub(super) fn optimized<const COUNT: usize>(
    is: fn(&Op) -> bool,
    inputs: [Pattern; COUNT],
) -> OpPattern {
    OpPattern::new(Kind::Optimized(is), inputs.into())
}

impl OpPattern {
    fn new(kind: Kind, inputs: Vec<Pattern>) -> Self {
        Self {
            kind,
            inputs,
            has_more_inputs: false,
            is_in_order: false,
            condition: None,
            name: None,
        }
    }

    /// Binds the node, and its output, to a name.
    pub(super) fn named(self, name: &'static str) -> Self {
        Self {
            name: Some(name),
            ..self
        }
    }

    /// Lets the node have further inputs.
    pub(super) fn with_more_inputs(self) -> Self {
        Self {
            has_more_inputs: true,
            ..self
        }
    }

    /// Keeps the operands of a commutative operator in their order.
    pub(super) fn in_order(self) -> Self {
        Self {
            is_in_order: true,
            ..self
        }
    }

    /// Requires more of the node, such as the value of an attribute.
    pub(super) fn when(self, condition: fn(&Node, &Network) -> bool) -> Self {
        Self {
            condition: Some(condition),
            ..self
        }
    }

    fn is_commutative(&self) -> bool {
        matches!(self.kind, Kind::Onnx("Add" | "Mul")) && !self.is_in_order
    }
}

impl From<OpPattern> for Pattern {
    fn from(op: OpPattern) -> Self {
        Self::Op(op)
    }
}

/// A pattern that matched: the values and nodes that it bound.
pub(super) struct Match<'a> {
    nodes: &'a Nodes,
    /// The places of all nodes of the match.
    pub(super) places: BTreeSet<usize>,
    values: Vec<(&'static str, ValueId)>,
    named: Vec<(&'static str, usize)>,
}

impl<'a> Match<'a> {
    /// The value bound to a name.
    pub(super) fn value(&self, name: &str) -> Option<ValueId> {
        let mut values = self.values.iter();
        values
            .find(|(known, _)| *known == name)
            .map(|&(_, value)| value)
    }

    /// The node bound to a name.
    pub(super) fn node(&self, name: &str) -> Option<&'a Node> {
        self.nodes.node(self.place(name)?)
    }

    /// The node that a value is an output of.
    pub(super) fn producer(&self, value: ValueId) -> Option<&'a Node> {
        self.nodes.node(self.nodes.producer(value)?)
    }

    /// The place of the node bound to a name.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        let mut named = self.named.iter();
        named
            .find(|(known, _)| *known == name)
            .map(|&(_, place)| place)
    }
}

/// Matches a pattern whose root is the node at a place.
///
/// Nothing but the match may use what its nodes compute, except for the root's output, so that the nodes can be
/// replaced.
pub(super) fn matches<'a>(
    pattern: &OpPattern,
    root: usize,
    nodes: &'a Nodes,
    network: &Network,
) -> Option<Match<'a>> {
    let mut matcher = Matcher {
        network,
        found: Match {
            nodes,
            places: BTreeSet::new(),
            values: Vec::new(),
            named: Vec::new(),
        },
        leaves: Vec::new(),
    };
    (matcher.node(pattern, root) && matcher.is_closed(root)).then_some(matcher.found)
}

struct Matcher<'a, 'b> {
    network: &'b Network,
    found: Match<'a>,
    /// Values that patterns without an operator matched.
    leaves: Vec<ValueId>,
}

impl Matcher<'_, '_> {
    fn value(&mut self, pattern: &Pattern, value: ValueId) -> bool {
        match pattern {
            Pattern::Any(name) => match self.found.value(name) {
                Some(bound) => bound == value,
                None => self.bind(name, value),
            },
            Pattern::Constant(name) => {
                self.network.constants.contains_key(&value) && self.bind(name, value)
            }
            Pattern::Scalar(number) => self
                .network
                .scalar(value)
                .is_some_and(|constant| (constant - number).abs() <= number.abs() * 1e-6),
            Pattern::Op(op) => {
                let producer = self.found.nodes.producer(value);
                producer.is_some_and(|place| self.node(op, place))
            }
            Pattern::OneOf(patterns) => patterns
                .iter()
                .any(|pattern| self.attempt(|matcher| matcher.value(pattern, value))),
        }
    }

    fn bind(&mut self, name: &'static str, value: ValueId) -> bool {
        self.found.values.push((name, value));
        self.leaves.push(value);
        true
    }

    fn node(&mut self, pattern: &OpPattern, place: usize) -> bool {
        let nodes = self.found.nodes;
        let Some(node) = nodes.node(place) else {
            return false;
        };
        let Some(output) = node.output() else {
            return false;
        };
        let is_kind = match &pattern.kind {
            Kind::Onnx(op_type) => node.is(op_type),
            Kind::Optimized(is) => is(&node.op),
        };
        let has_inputs = match pattern.has_more_inputs {
            true => node.inputs.len() >= pattern.inputs.len(),
            false => node.inputs.len() == pattern.inputs.len(),
        };
        let holds = |condition: fn(&Node, &Network) -> bool| condition(node, self.network);
        if !is_kind || !has_inputs || !pattern.condition.is_none_or(holds) {
            return false;
        }
        let all = |matcher: &mut Self, inputs: &mut dyn Iterator<Item = &Option<ValueId>>| {
            let mut pairs = pattern.inputs.iter().zip(inputs);
            pairs.all(|(pattern, input)| input.is_some_and(|id| matcher.value(pattern, id)))
        };
        let is_match = self.attempt(|matcher| all(matcher, &mut node.inputs.iter()))
            || pattern.is_commutative()
                && self.attempt(|matcher| all(matcher, &mut node.inputs.iter().rev()));
        if is_match {
            self.found.places.insert(place);
            if let Some(name) = pattern.name {
                self.found.values.push((name, output));
                self.found.named.push((name, place));
            }
        }
        is_match
    }

    /// Runs a part of the match; if it fails, nothing of it stays bound.
    fn attempt(&mut self, part: impl FnOnce(&mut Self) -> bool) -> bool {
        let places = self.found.places.clone();
        let counts = [
            self.found.values.len(),
            self.found.named.len(),
            self.leaves.len(),
        ];
        let is_match = part(self);
        if !is_match {
            let [values, named, leaves] = counts;
            self.found.places = places;
            self.found.values.truncate(values);
            self.found.named.truncate(named);
            self.leaves.truncate(leaves);
        }
        is_match
    }

    /// Whether only nodes of the match use what its nodes but the root compute, and none of it is a leaf.
    fn is_closed(&self, root: usize) -> bool {
        let nodes = self.found.nodes;
        let inputs = || {
            let places = self.found.places.iter();
            let matched = places.filter_map(|&place| nodes.node(place));
            matched.flat_map(|node| node.inputs.iter().flatten())
        };
        let is_inner = |value: ValueId| {
            let producer = nodes.producer(value);
            producer.is_some_and(|place| self.found.places.contains(&place))
        };
        let inner = self.found.places.iter().filter(|&&place| place != root);
        let mut outputs = inner.filter_map(|&place| nodes.node(place)?.output());
        outputs.all(|output| {
            let inside = inputs().filter(|&&input| input == output).count();
            nodes.uses(output) == inside
        }) && !self.leaves.iter().any(|&leaf| is_inner(leaf))
    }
}
