//! The nodes of a network while fusions replace them.

use std::collections::BTreeSet;

use crate::ir::{Network, Node, ValueId};

/// Nodes in topological order, with the uses and the producer of each value.
pub(super) struct Nodes {
    /// `None` where a fusion has removed a node.
    nodes: Vec<Option<Node>>,
    uses: Vec<usize>,
    producers: Vec<Option<usize>>,
}

impl Nodes {
    /// Takes the nodes out of a network.
    pub(super) fn of(network: &mut Network) -> Self {
        let mut nodes = Self {
            uses: network.uses(),
            producers: vec![None; network.values],
            nodes: Vec::new(),
        };
        for node in std::mem::take(&mut network.nodes) {
            nodes.set_producer(&node, Some(nodes.nodes.len()));
            nodes.nodes.push(Some(node));
        }
        nodes
    }

    /// The nodes that are left.
    pub(super) fn into_vec(self) -> Vec<Node> {
        self.nodes.into_iter().flatten().collect()
    }

    /// The number of places, which stays the same when nodes are replaced.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The node at a place, unless it has been removed.
    pub(super) fn node(&self, place: usize) -> Option<&Node> {
        self.nodes.get(place)?.as_ref()
    }

    /// The place of the node that a value is an output of.
    pub(super) fn producer(&self, value: ValueId) -> Option<usize> {
        self.producers.get(value).copied().flatten()
    }

    /// The number of uses of a value, by nodes and as a graph output.
    pub(super) fn uses(&self, value: ValueId) -> usize {
        self.uses.get(value).copied().unwrap_or(0)
    }

    /// Removes nodes and puts another at a place among them.
    pub(super) fn replace(&mut self, removed: &BTreeSet<usize>, place: usize, node: Node) {
        for &place in removed {
            let Some(node) = self.nodes[place].take() else {
                continue;
            };
            for &input in node.inputs.iter().flatten() {
                self.uses[input] -= 1;
            }
            self.set_producer(&node, None);
        }
        for &input in node.inputs.iter().flatten() {
            if input >= self.uses.len() {
                self.uses.resize(input + 1, 0);
            }
            self.uses[input] += 1;
        }
        self.set_producer(&node, Some(place));
        self.nodes[place] = Some(node);
    }

    fn set_producer(&mut self, node: &Node, place: Option<usize>) {
        for &output in node.outputs.iter().flatten() {
            if output >= self.producers.len() {
                self.producers.resize(output + 1, None);
            }
            self.producers[output] = place;
        }
    }
}
