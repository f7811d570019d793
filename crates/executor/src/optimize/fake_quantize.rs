//! Fuses QuantizeLinear and DequantizeLinear into one node that rounds FP32 values.
//!
//! Values between operators then are FP32 values that int8 can represent exactly, and most operators run as fast as in
//! a network that is not quantized. Convolutions and products, where most of the time goes, get int8 kernels
//! (`lower.rs`).

use std::collections::BTreeMap;

use infer_kernels::quantization::QuantParams;

use super::fusion::{self, Fused, Fusion};
use super::pattern::{any, constant, onnx};
use super::quantization::{is_reshaping, of_node};
use crate::error::Result;
use crate::ir::{Network, Node, OnnxNode, Op, ValueId};

/// Makes a `FakeQuantize` of each QuantizeLinear whose output is dequantized with the same parameters wherever it is
/// used.
///
/// # Errors
/// None of its own.
pub(super) fn fuse(network: Network) -> Result<Network> {
    fusion::apply(
        merge_dequantizations(hoist_dequantizations(network)),
        &[fusion()],
    )
}

fn fusion() -> Fusion<'static> {
    let quantize = onnx(
        "QuantizeLinear",
        [any("x"), constant("scale"), constant("zero")],
    )
    .when(|node, _| !is_blocked(node))
    .named("quantize");
    let dequantize = onnx(
        "DequantizeLinear",
        [quantize.into(), any("same scale"), any("same zero")],
    );
    let pattern = dequantize.named("dequantize");
    Fusion::new(pattern, "quantize", |found, network| {
        let (Some(quantize), Some(dequantize)) = (found.node("quantize"), found.node("dequantize"))
        else {
            return Ok(None);
        };
        let parameters = of_node(network, quantize);
        let parameters = parameters.filter(|_| of_node(network, dequantize) == parameters);
        Ok(parameters
            .zip(quantize.input(0))
            .map(|(parameters, x)| Fused::new(Op::FakeQuantize(parameters), [x])))
    })
    .in_its_place()
}

fn is_blocked(node: &Node) -> bool {
    let attributes = node.op.onnx().map(OnnxNode::attributes);
    attributes.is_some_and(|attributes| attributes.int("block_size", 0) != 0)
}

/// Moves DequantizeLinear before nodes that only change the shape or the order of elements, next to the QuantizeLinear.
fn hoist_dequantizations(mut network: Network) -> Network {
    let uses = network.uses();
    // By a quantized value: the node that dequantizes it, which is still to be put after the value's producer.
    let mut hoisted: BTreeMap<ValueId, Node> = BTreeMap::new();
    let mut kept: Vec<Node> = Vec::with_capacity(network.nodes.len());
    let nodes = std::mem::take(&mut network.nodes);
    // From the last node to the first, so that a node is moved before several others.
    for mut node in nodes.into_iter().rev() {
        let output = node.outputs.first().copied().flatten();
        if let (Some(output), Some(input)) = (output, node.input(0))
            && is_reshaping(&node)
            && let Some(mut dequantize) = hoisted.remove(&output)
        {
            let between = network.new_value();
            node.outputs = std::mem::replace(&mut dequantize.outputs, vec![Some(between)]);
            node.inputs[0] = Some(between);
            dequantize.inputs[0] = Some(input);
            kept.push(node);
            match uses.get(input) {
                Some(1) => drop(hoisted.insert(input, dequantize)),
                _ => kept.push(dequantize),
            }
            continue;
        }
        if let Some(input) = node.input(0)
            && node.is("DequantizeLinear")
            && of_node(&network, &node).is_some()
            && uses[input] == 1
        {
            hoisted.insert(input, node);
            continue;
        }
        kept.extend(output.and_then(|output| hoisted.remove(&output)));
        kept.push(node);
    }
    // What is left dequantizes inputs of the graph.
    kept.extend(hoisted.into_values());
    kept.reverse();
    network.nodes = kept;
    network
}

/// Keeps one of several DequantizeLinear of the same value with the same parameters, unless the graph has its output as
/// an output of its own.
fn merge_dequantizations(mut network: Network) -> Network {
    let mut kept: BTreeMap<ValueId, Vec<(QuantParams, ValueId)>> = BTreeMap::new();
    // From outputs of removed nodes to those of kept nodes.
    let mut same: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    let mut nodes = std::mem::take(&mut network.nodes);
    nodes.retain_mut(|node| {
        for id in node.inputs.iter_mut().flatten() {
            *id = same.get(id).copied().unwrap_or(*id);
        }
        let (Some(input), Some(output)) = (node.input(0), node.output()) else {
            return true;
        };
        if !node.is("DequantizeLinear") || network.outputs.contains(&output) {
            return true;
        }
        let Some(parameters) = of_node(&network, node) else {
            return true;
        };
        let kept = kept.entry(input).or_default();
        match kept.iter().find(|(known, _)| *known == parameters) {
            Some(&(_, first)) => {
                same.insert(output, first);
                false
            }
            None => {
                kept.push((parameters, output));
                true
            }
        }
    });
    network.nodes = nodes;
    network
}
