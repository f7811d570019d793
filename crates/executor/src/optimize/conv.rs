//! Convolutions with constant weights, and batch normalizations after them.

use infer_kernels::spec::Window;

use super::fusion::{self, Fused, Fusion};
use super::pattern::{any, constant, onnx, optimized};
use crate::error::{Error, Result};
use crate::ir::{Epilogue, FusedConv, Network, Node, OnnxNode, Op};
use crate::ops::channels_last::Spatial;
use crate::ops::channels_last::pads::Pads;
use crate::ops::conv_transpose::Transposition;
use crate::tensor::{Tensor, with_room};

/// Makes a [`FusedConv`] of each FP32 convolution of images or signals with constant weights, transposed or not, and folds the batch
/// normalization after it into its weights.
///
/// # Errors
/// `Graph` for attributes that the specification does not allow.
pub(super) fn fuse(mut network: Network) -> Result<Network> {
    let mut nodes = std::mem::take(&mut network.nodes);
    for node in &mut nodes {
        let fused = match node.op.onnx() {
            Some(onnx) if node.is("Conv") => fused_conv(node, onnx, &network),
            Some(onnx) if node.is("ConvTranspose") => fused_transposed(node, onnx, &mut network),
            _ => Ok(None),
        };
        let fused = fused.map_err(|error| error.at(&node.name, node.op.name()))?;
        if let Some(conv) = fused {
            node.op = Op::Conv(Box::new(conv));
            node.inputs.truncate(1);
        }
    }
    network.nodes = nodes;
    fusion::apply(network, &[batch_normalization()])
}

/// The convolution of a node; `None` if it is not one that has kernels.
fn fused_conv(node: &Node, onnx: &OnnxNode, network: &Network) -> Result<Option<FusedConv>> {
    let (Some(x), Some(_)) = (node.input(0), node.output()) else {
        return Ok(None);
    };
    let (Some((weights, axes, shape)), Some(id)) = (weights(node, network), node.input(1)) else {
        return Ok(None);
    };
    let Some(bias) = bias(node, network, shape[0]) else {
        return Ok(None);
    };
    let attributes = onnx.attributes();
    let kernel = &weights.shape()[2..];
    if attributes
        .sizes("kernel_shape")?
        .is_some_and(|given| given != kernel)
    {
        return Err(Error::graph(format!(
            "the attribute `kernel_shape` is not that of the weights, {shape:?}"
        )));
    }
    let groups = usize::try_from(attributes.int("group", 1)).unwrap_or(0);
    if groups == 0 || !shape[0].is_multiple_of(groups) {
        return Err(Error::graph(format!(
            "the weights are {shape:?}, which `group` {groups} does not divide"
        )));
    }
    let Some((window, pads)) = Pads::window(attributes, kernel)? else {
        return Ok(None);
    };
    Ok(Some(FusedConv {
        weights: id,
        shape,
        bias,
        window,
        axes,
        transposed: None,
        pads,
        groups,
        input_quantization: network.quantization.get(&x).copied(),
        has_residual: false,
        epilogue: Epilogue::NONE,
    }))
}

/// The constant FP32 weights of a node, their spatial axes, and their shape with a height of 1 for signals.
fn weights<'a>(node: &Node, network: &'a Network) -> Option<(&'a Tensor, Spatial, [usize; 4])> {
    let weights = network.constant(node, 1)?;
    weights.elements::<f32>().ok().filter(|it| !it.is_empty())?;
    let shape = match *weights.shape() {
        [outer, inner, width] => [outer, inner, 1, width],
        [outer, inner, height, width] => [outer, inner, height, width],
        _ => return None,
    };
    Some((weights, Spatial::of(weights.rank())?, shape))
}

/// The constant bias of a node, if it has one; `None` if the bias is not constant or has other channels.
fn bias(node: &Node, network: &Network, channels: usize) -> Option<Option<Vec<f32>>> {
    let Some(id) = node.input(2) else {
        return Some(None);
    };
    let bias = network.constants.get(&id)?.elements::<f32>().ok()?;
    (bias.len() == channels).then(|| Some(bias.to_vec()))
}

/// The transposed convolution of a node, if it has one group or is depthwise.
fn fused_transposed(
    node: &Node,
    onnx: &OnnxNode,
    network: &mut Network,
) -> Result<Option<FusedConv>> {
    let attributes = onnx.attributes();
    let transposed = Transposition::read(attributes)?;
    let (Some((weights, axes, shape)), Some(_), Some(_)) =
        (weights(node, network), node.input(0), node.output())
    else {
        return Ok(None);
    };
    let [channels_in, group_outputs, height, width] = shape;
    let groups = transposed.groups();
    let is_depthwise = groups == channels_in && group_outputs == 1;
    let Some(bias) = bias(node, network, groups.saturating_mul(group_outputs)) else {
        return Ok(None);
    };
    if !(groups == 1 || is_depthwise) {
        return Ok(None);
    }
    // In the order of other convolutions, so that batch normalizations find the weights of an output channel together.
    let values = weights.elements::<f32>()?;
    let (outputs, inputs) = (group_outputs * groups, channels_in / groups);
    let taps = height * width;
    let mut swapped = with_room(values.len())?;
    for output in 0..outputs {
        for input in 0..inputs {
            // Either there is one group, or one input and one output in each.
            let at = if groups == 1 {
                input * outputs + output
            } else {
                output
            };
            swapped.extend_from_slice(&values[at * taps..][..taps]);
        }
    }
    let shape = [outputs, inputs, height, width];
    let weights = network.new_constant(Tensor::of(&shape, swapped)?);
    let kernel = [height, width];
    Ok(Some(FusedConv {
        weights,
        shape,
        bias,
        window: Window {
            kernel,
            ..Window::POINT
        },
        axes,
        transposed: Some(transposed),
        pads: Pads::Given,
        groups,
        input_quantization: None,
        has_residual: false,
        epilogue: Epilogue::NONE,
    }))
}

/// `scale * (conv - mean) / sqrt(variance + epsilon) + shift` for each output channel.
fn batch_normalization() -> Fusion<'static> {
    let conv = optimized(|op| matches!(op, Op::Conv(_)), [any("x")]).named("conv");
    let [scale, shift, mean, variance] = ["scale", "shift", "mean", "variance"].map(constant);
    let pattern = onnx(
        "BatchNormalization",
        [conv.into(), scale, shift, mean, variance],
    );
    let pattern = pattern.named("normalization");
    Fusion::new(pattern, "conv", |found, network| {
        let (Some(Op::Conv(conv)), Some(normalization), Some(x)) = (
            found.node("conv").map(|node| &node.op),
            found.node("normalization"),
            found.value("x"),
        ) else {
            return Ok(None);
        };
        let conv = normalized(conv, normalization, network)?;
        Ok(conv.map(|conv| Fused::new(Op::Conv(Box::new(conv)), [x])))
    })
    .in_its_place()
}

/// A batch normalization with constant FP32 parameters, outside training, as a factor and a summand of each channel.
pub(super) fn scale_and_shift(node: &Node, network: &Network) -> Option<(Vec<f32>, Vec<f32>)> {
    let attributes = node.op.onnx()?.attributes();
    let has_more_outputs = node.outputs.iter().skip(1).any(Option::is_some);
    if has_more_outputs
        || attributes.flag("training_mode", false)
        || !attributes.flag("spatial", true)
    {
        return None;
    }
    let parameters: Vec<&[f32]> = (1..5)
        .filter_map(|at| network.constant(node, at)?.elements().ok())
        .collect();
    let &[scale, shift, mean, variance] = &parameters[..] else {
        return None;
    };
    if scale.is_empty() || parameters.iter().any(|values| values.len() != scale.len()) {
        return None;
    }
    let epsilon = attributes.float("epsilon", 1e-5);
    let scale: Vec<f32> = scale
        .iter()
        .zip(variance)
        .map(|(scale, variance)| scale / (variance + epsilon).sqrt())
        .collect();
    let shift = shift.iter().zip(mean).zip(&scale);
    let shift = shift.map(|((shift, mean), scale)| shift - mean * scale);
    let shift = shift.collect();
    Some((scale, shift))
}

/// A convolution with the scale and the shift of a batch normalization in its weights and its bias; `None` if it has
/// other channels or other datatypes.
fn normalized(
    conv: &FusedConv,
    normalization: &Node,
    network: &mut Network,
) -> Result<Option<FusedConv>> {
    let channels = conv.shape[0];
    let found = scale_and_shift(normalization, network);
    let Some((scale, shift)) = found.filter(|(scale, _)| scale.len() == channels) else {
        return Ok(None);
    };
    let bias = conv.bias.clone().unwrap_or_else(|| vec![0.0; channels]);
    let bias = bias.iter().zip(&scale).zip(shift);
    let bias = bias.map(|((bias, scale), shift)| bias * scale + shift);
    let bias: Vec<f32> = bias.collect();
    let Some(weights) = network.constants.get(&conv.weights) else {
        return Ok(None);
    };
    let mut weights = weights.elements::<f32>()?.to_vec();
    let channel_size = weights.len() / channels;
    for (weights, scale) in weights.chunks_exact_mut(channel_size).zip(&scale) {
        weights.iter_mut().for_each(|weight| *weight *= scale);
    }
    let weights = Tensor::of(&conv.shape, weights)?;
    Ok(Some(FusedConv {
        weights: network.new_constant(weights),
        bias: Some(bias),
        ..conv.clone()
    }))
}
