//! Constant folding.

use crate::build;
use crate::error::Result;
use crate::index;
use crate::ir::{Network, Node, OnnxNode, QuantizedConstant, ValueId};
use crate::ops::quantize::integers;

/// Computes nodes whose inputs are all constant: weights that a file has quantized, transposed or in nodes of their own
/// are constants to the passes after this one. A node that fails stays, and fails again when the graph is built.
pub(super) fn fold(mut network: Network) -> Network {
    let nodes = std::mem::take(&mut network.nodes);
    network.nodes = nodes
        .into_iter()
        .filter(|node| {
            let Some(onnx) = node.op.onnx() else {
                return true;
            };
            let is_folded = matches!(folded(node, onnx, &mut network), Ok(true));
            if is_folded && let Some((output, quantized)) = quantized(node, onnx, &network) {
                network.quantized_constants.insert(output, quantized);
            }
            !is_folded
        })
        .collect();
    network
}

/// Makes a node's outputs constants, if all of its inputs are constant. Returns whether it did; a node that fails stays.
pub(super) fn constant(node: &Node, network: &mut Network) -> bool {
    let onnx = node.op.onnx();
    onnx.is_some_and(|onnx| matches!(folded(node, onnx, network), Ok(true)))
}

/// Computes a node; false if not all of its inputs are constant.
fn folded(node: &Node, onnx: &OnnxNode, network: &mut Network) -> Result<bool> {
    let constants = &mut network.constants;
    let mut ids = node.inputs.iter().flatten();
    if !onnx.graphs.is_empty() || !ids.all(|id| constants.contains_key(id)) {
        return Ok(false);
    }
    let mut inputs = node.inputs.clone();
    let operator = build::onnx(onnx, &mut inputs, &node.outputs, Vec::new(), constants)?;
    build::fold(&*operator, &inputs, &node.outputs, constants)
}

/// The int8 form of a DequantizeLinear's output, if each quantized value less its zero point fits int8.
fn quantized(
    node: &Node,
    onnx: &OnnxNode,
    network: &Network,
) -> Option<(ValueId, QuantizedConstant)> {
    if !node.is("DequantizeLinear") || onnx.attributes().int("block_size", 0) != 0 {
        return None;
    }
    let values = network.constant(node, 0)?;
    let scales = network.constant(node, 1)?.elements::<f32>().ok()?;
    let shape = values.shape();
    let axis = match scales.len() {
        1 => 0,
        _ => index::axis(onnx.attributes().int("axis", 1), shape.len()).ok()?,
    };
    if scales.len() != 1 && shape.get(axis) != Some(&scales.len()) {
        return None;
    }
    let zeros = match node.input(2) {
        Some(id) => integers(network.constants.get(&id)?).ok()?,
        None => vec![0],
    };
    // The number of successive values that have the same scale.
    let count = shape.iter().skip(axis + 1).product::<usize>();
    let values = integers(values).ok()?;
    let values = values.iter().enumerate().map(|(at, value)| {
        let zero = match zeros[..] {
            [zero] => zero,
            _ => *zeros.get(at / count % scales.len())?,
        };
        i8::try_from(value.checked_sub(zero)?).ok()
    });
    let quantized = QuantizedConstant {
        values: values.collect::<Option<_>>()?,
        scales: scales.to_vec(),
        axis,
    };
    Some(((*node.outputs.first()?)?, quantized))
}
