//! Nodes whose inputs are all known.

use crate::attributes::Attributes;
use crate::graph::step;
use crate::ir::{Network, Node, Quantized, ValueId};
use crate::ops::quantize::integers;

/// Run what can be run at once, so that what it makes is a constant for all that is rewritten afterwards: weights that a
/// file has quantized, transposed or in nodes of their own. What cannot be run stays, and says so later.
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
            if is_done && let Some((output, quantized)) = quantized(node, &network) {
                network.quantized.insert(output, quantized);
            }
            !is_done
        })
        .collect();
    network
}

/// What a DequantizeLinear was given, if each of its numbers less its zero point is one of eight bits.
fn quantized(node: &Node, network: &Network) -> Option<(ValueId, Quantized)> {
    let &[Some(numbers), Some(scales), ref zeros @ ..] = &node.inputs[..] else {
        return None;
    };
    let attributes = Attributes::new(&node.proto);
    if !node.is("DequantizeLinear") || attributes.int("block_size", 0) != 0 {
        return None;
    }
    let numbers = network.constants.get(&numbers)?;
    let scales = network.constants.get(&scales)?.elements::<f32>().ok()?;
    let shape = numbers.shape();
    let axis = match scales.len() {
        1 => 0,
        _ => crate::index::axis(attributes.int("axis", 1), shape.len()).ok()?,
    };
    if scales.len() != 1 && shape.get(axis) != Some(&scales.len()) {
        return None;
    }
    let zeros = match zeros.first().copied().flatten() {
        Some(id) => integers(network.constants.get(&id)?).ok()?,
        None => vec![0],
    };
    // How many numbers one after the other have the same scale.
    let count = shape.iter().skip(axis + 1).product::<usize>();
    let numbers = integers(numbers).ok()?;
    let values = numbers.iter().enumerate().map(|(at, number)| {
        let zero = match zeros[..] {
            [zero] => zero,
            _ => *zeros.get(at / count % scales.len())?,
        };
        i8::try_from(number.checked_sub(zero)?).ok()
    });
    let quantized = Quantized {
        values: values.collect::<Option<_>>()?,
        scales: scales.to_vec(),
        axis,
    };
    Some(((*node.outputs.first()?)?, quantized))
}
