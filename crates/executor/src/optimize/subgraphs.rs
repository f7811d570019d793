//! Graphs inside nodes: branches, and the bodies of loops.

use crate::error::Result;
use crate::ir::{Network, Node, Op};

/// Optimizes the graphs inside each node by `passes`.
///
/// Constants that they capture become constants of theirs first, so that their convolutions, products and recurrent layers
/// can pack weights of the graph around them. The graph around them drops its own, unless it uses them elsewhere.
///
/// # Errors
/// Those of `passes`, with the node.
pub(super) fn optimize_inner(
    mut network: Network,
    passes: fn(Network) -> Result<Network>,
) -> Result<Network> {
    let mut nodes = std::mem::take(&mut network.nodes);
    for node in &mut nodes {
        take_constants(node, &network);
        let name = node.name.clone();
        let Op::Onnx(onnx) = &mut node.op else {
            continue;
        };
        for inner in &mut onnx.graphs {
            let network = std::mem::take(&mut inner.network);
            inner.network = passes(network).map_err(|error| error.at(&name, &onnx.op_type))?;
        }
    }
    network.nodes = nodes;
    Ok(network)
}

/// Turns captured constants into constants of the graphs that capture them.
fn take_constants(node: &mut Node, outer: &Network) {
    let Op::Onnx(onnx) = &mut node.op else {
        return;
    };
    let mut at = node.inputs.len().saturating_sub(onnx.captures());
    for inner in &mut onnx.graphs {
        let captured = inner.captures;
        let mut position = inner.network.inputs.len().saturating_sub(captured);
        for _ in 0..captured {
            let id = node.inputs.get(at).copied().flatten();
            match id.and_then(|id| outer.constants.get(&id)) {
                Some(constant) => {
                    node.inputs.remove(at);
                    let id = inner.network.inputs.remove(position);
                    inner.network.constants.insert(id, constant.clone());
                    inner.captures -= 1;
                }
                None => {
                    at += 1;
                    position += 1;
                }
            }
        }
    }
}
