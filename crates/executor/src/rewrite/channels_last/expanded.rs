//! Pointwise convolutions with the depthwise ones that follow.

use std::collections::BTreeMap;

use infer_kernels::inverted_bottleneck::InvertedBottleneck;

use super::fused::Built;
use crate::ir::{Node, ValueId};
use crate::ops::channels_last::conv::{Convolution, Kernel};
use crate::ops::channels_last::expanded::ExpandedConvolution;
use crate::ops::channels_last::pads::Pads;

/// The name of what both become.
const EXPANDED: &str = "PointwiseDepthwiseConv";

/// Where nothing but a depthwise convolution uses what a pointwise one gives, do both in one step. The convolutions that were
/// built are given by what they put out, with their nodes' places.
pub(super) fn rewrite(nodes: &mut [Option<Node>], built: &mut BTreeMap<ValueId, (usize, Built)>) {
    let mut uses: BTreeMap<ValueId, usize> = BTreeMap::new();
    let inputs = nodes.iter().flatten().flat_map(|node| &node.inputs);
    for input in inputs.flatten() {
        *uses.entry(*input).or_default() += 1;
    }
    let outputs: Vec<ValueId> = built.keys().copied().collect();
    for output in outputs {
        let Some((place, second)) = built.get(&output) else {
            continue;
        };
        let place = *place;
        let Some(&[Some(between)]) = nodes[place].as_ref().map(|node| &node.inputs[..]) else {
            continue;
        };
        let Some((first_place, first)) = built.get(&between) else {
            continue;
        };
        let Some(both) = together(first, second).filter(|_| uses[&between] == 1) else {
            continue;
        };
        let first = nodes[*first_place].take();
        if let (Some(first), Some(node)) = (first, &mut nodes[place]) {
            node.inputs = first.inputs;
            node.proto.op_type = Some(EXPANDED.to_owned());
        }
        built.remove(&between);
        built.insert(output, (place, Built::Expanded(both)));
    }
}

/// Both in one, if they are a pointwise convolution and a depthwise one.
fn together(first: &Built, second: &Built) -> Option<ExpandedConvolution> {
    let (Built::Plain(first), Built::Plain(second)) = (first, second) else {
        return None;
    };
    match (first, second) {
        (
            Convolution {
                kernel: Kernel::Whole(pointwise),
                pads: Pads::Given,
                has_residual: false,
            },
            Convolution {
                kernel: Kernel::Depthwise(depthwise),
                pads,
                has_residual: false,
            },
        ) if pointwise.spec().window.is_pointwise()
            && pointwise.spec().channels_out == depthwise.spec().channels_in =>
        {
            Some(ExpandedConvolution {
                kernel: InvertedBottleneck::new(pointwise.clone(), depthwise.clone()),
                pads: *pads,
            })
        }
        _ => None,
    }
}
