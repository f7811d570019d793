//! Passes uint8 instead of FP32 between int8 convolutions, and to the first of them.

use std::collections::{BTreeMap, BTreeSet};

use infer_kernels::quantization::QuantParams;

use super::fusion::{self, Fused, Fusion};
use super::pattern::{any, optimized};
use crate::error::Result;
use crate::ir::{Network, Op, ValueId};
use crate::ops::channels_last::Spatial;
use crate::ops::channels_last::transpose::TransposeChannels;

/// Selects uint8 for the values that only int8 convolutions use, where another such convolution or the quantization of
/// images computes them.
///
/// # Errors
/// None of its own.
pub(super) fn select(mut network: Network) -> Result<Network> {
    select_outputs(&mut network);
    let quantization = input_quantization(&network);
    fusion::apply(network, &[images(&quantization)])
}

/// Lets convolutions return uint8 to other int8 convolutions.
fn select_outputs(network: &mut Network) {
    let is_quantized = |op: &Op| matches!(op, Op::QuantizedConvKernel(_));
    let others = network.nodes.iter().filter(|node| !is_quantized(&node.op));
    let inputs = others.flat_map(|node| &node.inputs).flatten();
    let floats: BTreeSet<ValueId> = inputs.chain(&network.outputs).copied().collect();
    for node in &mut network.nodes {
        let is_float = node.output().is_none_or(|output| floats.contains(&output));
        if let Op::QuantizedConvKernel(conv) = &mut node.op {
            conv.outputs_u8 = conv.may_output_u8() && !is_float;
        }
    }
}

/// The quantization parameters that int8 convolutions have for their input, by values that they alone use and all with
/// the same parameters.
fn input_quantization(network: &Network) -> BTreeMap<ValueId, QuantParams> {
    let uses = network.uses();
    let mut convs: BTreeMap<ValueId, (QuantParams, usize)> = BTreeMap::new();
    for node in &network.nodes {
        if let (Op::QuantizedConvKernel(conv), Some(input)) = (&node.op, node.input(0)) {
            let (parameters, count) = convs.entry(input).or_insert((conv.input(), 0));
            *count += usize::from(*parameters == conv.input());
        }
    }
    let convs = convs.into_iter();
    convs
        .filter(|(input, (_, count))| uses[*input] == *count)
        .map(|(input, (parameters, _))| (input, parameters))
        .collect()
}

/// Fuses fake quantization and the transpose of images into one node that returns uint8, for int8 convolutions with the
/// same quantization parameters.
fn images(quantization: &BTreeMap<ValueId, QuantParams>) -> Fusion<'_> {
    let quantize = optimized(|op| matches!(op, Op::FakeQuantize(_)), [any("x")]);
    let pattern = optimized(
        |op| matches!(op, Op::Transpose(TransposeChannels::Last(Spatial::Two))),
        [quantize.named("quantize").into()],
    );
    Fusion::new(pattern.named("transpose"), "transpose", |found, _| {
        let (Some(Op::FakeQuantize(parameters)), Some(output), Some(x)) = (
            found.node("quantize").map(|node| &node.op),
            found.value("transpose"),
            found.value("x"),
        ) else {
            return Ok(None);
        };
        let is_same = quantization.get(&output) == Some(parameters);
        Ok(is_same.then(|| Fused::new(Op::QuantizeToChannelsLast(*parameters), [x])))
    })
}
