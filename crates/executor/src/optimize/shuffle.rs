//! Shuffles of channels between groups, which exporters write as a reshape, a transpose and a reshape.

use super::fusion::{Fused, Fusion};
use super::pattern::{Match, any, constant, onnx};
use crate::error::Result;
use crate::ir::{Network, Node, Op, ValueId};
use crate::ops::channels_last::shuffle::ChannelShuffle;
use crate::ops::{self, LayoutRule};

/// `Reshape [batch, groups, each, height, width]`, `Transpose [0, 2, 1, 3, 4]`, `Reshape [batch, channels, height, width]` of a
/// value that a convolution computes, so that it is FP32 and has four axes.
pub(super) fn fusion() -> Fusion<'static> {
    let split = onnx("Reshape", [any("x"), constant("split")]).when(allows_no_zero);
    let swapped = onnx("Transpose", [split.into()]).when(swaps_groups);
    let merged = onnx("Reshape", [swapped.into(), constant("merged")]);
    Fusion::new(
        merged.when(allows_no_zero).named("merged reshape"),
        "merged reshape",
        fuse,
    )
}

fn allows_no_zero(reshape: &Node, _: &Network) -> bool {
    let onnx = reshape.op.onnx();
    onnx.is_some_and(|onnx| !onnx.attributes().flag("allowzero", false))
}

fn swaps_groups(transpose: &Node, _: &Network) -> bool {
    let onnx = transpose.op.onnx();
    onnx.is_some_and(|onnx| onnx.attributes().ints("perm") == Some(&[0, 2, 1, 3, 4]))
}

fn fuse(found: &Match<'_>, network: &mut Network) -> Result<Option<Fused>> {
    let is_convolved = found.value("x").is_some_and(|x| is_convolved(x, found));
    let shape = |name: &str| shape(found.value(name)?, network);
    let (Some(x), Some(split), Some(merged)) = (found.value("x"), shape("split"), shape("merged"))
    else {
        return Ok(None);
    };
    let (&[before, groups, each, ..], &[after, channels, ..]) = (&split[..], &merged[..]) else {
        return Ok(None);
    };
    let is_shuffle = is_convolved
        && split.len() == 5
        && merged.len() == 4
        && split[3..] == merged[2..]
        && split[1..].iter().all(|&size| size > 0)
        && groups.checked_mul(each) == Some(channels)
        && [before, after].iter().all(|&batch| batch >= -1);
    let sizes = [groups, channels, split[3], split[4]].map(usize::try_from);
    let (true, [Ok(groups), Ok(channels), Ok(height), Ok(width)]) = (is_shuffle, sizes) else {
        return Ok(None);
    };
    let shuffle = ChannelShuffle {
        groups,
        channels,
        size: [height, width],
        is_channels_last: false,
    };
    Ok(Some(Fused::new(Op::ChannelShuffle(shuffle), [x])))
}

/// Whether a value is the output of a convolution with a kernel, perhaps after an activation or joined to others.
fn is_convolved(x: ValueId, found: &Match<'_>) -> bool {
    let mut value = x;
    while let Some(node) = found.producer(value) {
        let is_between = node
            .op
            .onnx()
            .and_then(|onnx| ops::find(&onnx.domain, &onnx.op_type))
            .is_some_and(|entry| {
                matches!(entry.layout, LayoutRule::Unary | LayoutRule::Concatenation)
            });
        match node.input(0) {
            _ if matches!(node.op, Op::Conv(_)) => return true,
            Some(input) if is_between => value = input,
            _ => return false,
        }
    }
    false
}

fn shape(id: ValueId, network: &Network) -> Option<Vec<i64>> {
    let constant = network.constants.get(&id)?;
    (constant.rank() == 1).then(|| constant.to_i64().ok())?
}
