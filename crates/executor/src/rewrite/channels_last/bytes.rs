//! Where images are bytes: between convolutions of bytes, and before the first.

use std::collections::{BTreeMap, BTreeSet};

use infer_kernels::quantization::QuantParams;
use rten_onnx::onnx::NodeProto;

use super::MOVE_CHANNELS;
use super::fused::Built;
use crate::ir::{Network, Node, ValueId};
use crate::ops::channels_last::quantized::QuantizedConvolution;
use crate::ops::channels_last::rounded::RoundedChannelsLast;
use crate::rewrite::quantized::ROUNDING;

/// The name of what rounding and moving channels become.
const ROUNDED: &str = "QuantizeMoveChannels";

/// Where images are rounded, their channels moved, and then nothing but convolutions of bytes uses them, do all that in
/// one step. `takes_bytes` has the levels that such convolutions take, by what they put out.
pub(super) fn rewrite(network: &mut Network, takes_bytes: &BTreeMap<ValueId, QuantParams>) {
    let uses = network.uses();
    // Of values, what convolutions of bytes take them for, and how many do.
    let mut taken: BTreeMap<ValueId, (QuantParams, usize)> = BTreeMap::new();
    // What is rounded, by what it becomes: the place, and what it was.
    let mut rounding: BTreeMap<ValueId, (usize, ValueId, QuantParams)> = BTreeMap::new();
    for (at, node) in network.nodes.iter().enumerate() {
        let (&[Some(input)], &[Some(output)]) = (&node.inputs[..], &node.outputs[..]) else {
            continue;
        };
        if let Some(&levels) = takes_bytes.get(&output) {
            let (same, count) = taken.entry(input).or_insert((levels, 0));
            *count += usize::from(*same == levels);
        } else if let (ROUNDING, Some(levels)) = (node.op_type(), node.levels) {
            rounding.insert(output, (at, input, levels));
        }
    }
    let mut gone = Vec::new();
    for node in &mut network.nodes {
        if node.op_type() == MOVE_CHANNELS
            && let (&[Some(rounded)], &[Some(output)]) = (&node.inputs[..], &node.outputs[..])
            && let Some(&(levels, count)) = taken.get(&output)
            && let Some(&(at, images, same)) = rounding.get(&rounded)
            && (count, 1, levels) == (uses[output], uses[rounded], same)
        {
            node.proto = NodeProto {
                op_type: Some(ROUNDED.to_owned()),
                ..NodeProto::default()
            };
            node.inputs = vec![Some(images)];
            node.operator = Some(Box::new(RoundedChannelsLast(levels)));
            gone.push(at);
        }
    }
    let mut at = 0;
    network.nodes.retain(|_| {
        at += 1;
        !gone.contains(&(at - 1))
    });
}

/// The convolutions of bytes, by what they put out, whose results are used by such convolutions only.
pub(super) fn giving(
    nodes: &[Option<Node>],
    built: &BTreeMap<ValueId, (usize, Built)>,
) -> BTreeSet<ValueId> {
    let quantized = |id: &ValueId| match built.get(id) {
        Some((_, Built::Quantized(conv))) => Some(conv),
        _ => None,
    };
    let mut giving: BTreeSet<ValueId> = built
        .keys()
        .filter(|id| quantized(id).is_some_and(QuantizedConvolution::has_levels))
        .copied()
        .collect();
    for node in nodes.iter().flatten() {
        let is_quantized =
            matches!(node.outputs[..], [Some(output)] if quantized(&output).is_some());
        if !is_quantized {
            for input in node.inputs.iter().flatten() {
                giving.remove(input);
            }
        }
    }
    giving
}
