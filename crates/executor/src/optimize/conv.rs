//! Convolutions with constant weights, and batch normalizations after them.

use super::fusion::{self, Fused, Fusion};
use super::pattern::{any, constant, onnx, optimized};
use crate::error::{Error, Result};
use crate::ir::{Epilogue, FusedConv, Network, Node, OnnxNode, Op};
use crate::ops::channels_last::pads::Pads;
use crate::tensor::Tensor;

/// Makes a [`FusedConv`] of each two-dimensional FP32 convolution with constant weights, and folds the batch
/// normalization after it into its weights.
///
/// # Errors
/// `Graph` for attributes that the specification does not allow.
pub(super) fn fuse(mut network: Network) -> Result<Network> {
    let mut nodes = std::mem::take(&mut network.nodes);
    for node in &mut nodes {
        let fused = match node.op.onnx() {
            Some(onnx) if node.is("Conv") => fused_conv(node, onnx, &network)
                .map_err(|error| error.at(&node.name, node.op.name()))?,
            _ => None,
        };
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
    let weights = network.constant(node, 1);
    let weights = weights.filter(|it| it.elements::<f32>().is_ok() && !it.is_empty());
    let (Some(weights), Some(id)) = (weights, node.input(1)) else {
        return Ok(None);
    };
    let Ok(shape) = <[usize; 4]>::try_from(weights.shape()) else {
        return Ok(None);
    };
    let bias = match node.input(2) {
        None => None,
        Some(id) => match network.constants.get(&id).map(Tensor::elements::<f32>) {
            Some(Ok(bias)) if bias.len() == shape[0] => Some(bias.to_vec()),
            _ => return Ok(None),
        },
    };
    let attributes = onnx.attributes();
    let kernel = [shape[2], shape[3]];
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
        pads,
        groups,
        input_quantization: network.quantization.get(&x).copied(),
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
    let is_inference = |node: &Node, _: &Network| {
        let attributes = node.op.onnx().map(OnnxNode::attributes);
        attributes.is_some_and(|attributes| !attributes.flag("training_mode", false))
    };
    let pattern = pattern.when(is_inference).named("normalization");
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

/// A convolution with the scale and the shift of a batch normalization in its weights and its bias; `None` if it has
/// other channels or other datatypes.
fn normalized(
    conv: &FusedConv,
    normalization: &Node,
    network: &mut Network,
) -> Result<Option<FusedConv>> {
    let channels = conv.shape[0];
    let parameters: Vec<&[f32]> = (1..5)
        .filter_map(|at| network.constant(normalization, at)?.elements().ok())
        .collect();
    let (&[scale, shift, mean, variance], Some(onnx)) = (&parameters[..], normalization.op.onnx())
    else {
        return Ok(None);
    };
    if parameters.iter().any(|values| values.len() != channels) {
        return Ok(None);
    }
    let epsilon = onnx.attributes().float("epsilon", 1e-5);
    let scale = scale.iter().zip(variance);
    let scale: Vec<f32> = scale
        .map(|(scale, variance)| scale / (variance + epsilon).sqrt())
        .collect();
    let shift = shift.iter().zip(mean).zip(&scale);
    let shift = shift.map(|((shift, mean), scale)| shift - mean * scale);
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
