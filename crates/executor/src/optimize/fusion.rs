//! Applies tables of fusions: patterns of nodes that become one node each.

use super::nodes::Nodes;
use super::pattern::{Match, OpPattern, matches};
use crate::error::Result;
use crate::ir::{Network, Node, Op, ValueId};

/// A pattern of nodes, and the node that replaces them.
pub(super) struct Fusion<'a> {
    pattern: OpPattern,
    /// The name in the pattern of the node whose name the fused node has.
    named_after: &'static str,
    /// Whether the fused node takes that node's place, and not the root's.
    is_in_its_place: bool,
    fuse: Fuse<'a>,
}

/// Makes a fused node of a match; `None` if a condition does not hold that patterns cannot express. The network has its
/// values, but no nodes.
type Fuse<'a> = Box<dyn Fn(&Match<'_>, &mut Network) -> Result<Option<Fused>> + 'a>;

/// The operator and the inputs of a fused node; its output is the root's.
pub(super) struct Fused {
    pub(super) op: Op,
    pub(super) inputs: Vec<ValueId>,
}

impl Fused {
    /// A fused node.
    pub(super) fn new(op: impl Into<Op>, inputs: impl Into<Vec<ValueId>>) -> Self {
        Self {
            op: op.into(),
            inputs: inputs.into(),
        }
    }
}

impl<'a> Fusion<'a> {
    /// A fusion in the root's place. The pattern's node `named_after` gives it its name.
    pub(super) fn new(
        pattern: OpPattern,
        named_after: &'static str,
        fuse: impl Fn(&Match<'_>, &mut Network) -> Result<Option<Fused>> + 'a,
    ) -> Self {
        Self {
            pattern,
            named_after,
            is_in_its_place: false,
            fuse: Box::new(fuse),
        }
    }

    /// The same fusion in the place of the node that it is named after. All of its inputs must be computed by then.
    pub(super) fn in_its_place(self) -> Self {
        Self {
            is_in_its_place: true,
            ..self
        }
    }
}

/// Goes through the nodes once, in their order, and applies each fusion whose pattern matches with the node as root. What
/// one fusion makes, the next can match.
///
/// # Errors
/// Those of a fusion.
pub(super) fn apply(mut network: Network, fusions: &[Fusion<'_>]) -> Result<Network> {
    let mut nodes = Nodes::of(&mut network);
    for root in 0..nodes.len() {
        for fusion in fusions {
            let Some(found) = matches(&fusion.pattern, root, &nodes, &network) else {
                continue;
            };
            let Some(fused) = (fusion.fuse)(&found, &mut network)? else {
                continue;
            };
            let place = match fusion.is_in_its_place {
                true => found.place(fusion.named_after).unwrap_or(root),
                false => root,
            };
            let name = found.node(fusion.named_after).map(|node| node.name.clone());
            let node = Node {
                name: name.unwrap_or_default(),
                op: fused.op,
                inputs: fused.inputs.into_iter().map(Some).collect(),
                outputs: nodes
                    .node(root)
                    .map_or_else(Vec::new, |root| root.outputs.clone()),
            };
            nodes.replace(&found.places.clone(), place, node);
            break;
        }
    }
    network.nodes = nodes.into_vec();
    Ok(network)
}
