//! Nodes whose inputs are all known.

use crate::graph::step;
use crate::ir::Network;

/// Run what can be run at once, so that what it makes is a constant for all that is rewritten afterwards: weights that a
/// file has quantised, transposed or in nodes of their own. What cannot be run stays, and says so later.
pub(super) fn rewrite(mut network: Network) -> Network {
    let nodes = std::mem::take(&mut network.nodes);
    network.nodes = nodes
        .into_iter()
        .filter(|node| {
            let mut inputs = node.inputs.iter().flatten();
            let is_known = node.graphs.is_empty()
                && node.operator.is_none()
                && inputs.all(|id| network.constants.contains_key(id));
            let is_done = is_known
                && matches!(
                    step(node.without_graphs(), &mut network.constants),
                    Ok(None)
                );
            !is_done
        })
        .collect();
    network
}
