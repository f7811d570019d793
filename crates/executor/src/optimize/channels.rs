//! Nodes and constants adapted to the channels-last layout.

use infer_kernels::spec::Window;

use super::conv::scale_and_shift;
use crate::error::Result;
use crate::ir::{Epilogue, FusedConv, Network, Node, OnnxNode, Op};
use crate::ops::channels_last::Spatial;
use crate::ops::channels_last::pads::Pads;
use crate::ops::channels_last::pooling::{Kind, Pooling};
use crate::tensor::{Data, Element, Tensor};

/// Sets the attribute `axis`, which the node has.
pub(super) fn set_axis(onnx: &mut OnnxNode, axis: i64) {
    for attribute in &mut onnx.attributes {
        if attribute.name.as_deref() == Some("axis") {
            attribute.i = Some(axis);
        }
    }
}

/// The positions of inputs with a number for each axis, and the number that leaves an axis as it is; `None` if a node
/// has further inputs or attributes that belong to axes.
pub(super) fn numbers_of_axes(node: &Node) -> Option<(&'static [usize], i8)> {
    let onnx = node.op.onnx()?;
    let attributes = onnx.attributes();
    match onnx.op_type.as_str() {
        "Pad" if onnx.version >= 11 && node.input(3).is_none() => Some((&[1], 0)),
        "Resize" if !attributes.has("axes") => {
            let is_each_alone = attributes.string("coordinate_transformation_mode", "")
                != "tf_crop_and_resize"
                && attributes.string("keep_aspect_ratio_policy", "stretch") == "stretch";
            let positions: &[usize] = if onnx.version < 11 { &[1] } else { &[2, 3] };
            is_each_alone.then_some((positions, 1))
        }
        _ => None,
    }
}

/// Constant numbers of axes in the order of channels-last axes: one for each, two (all first ones before all second ones)
/// or none; `None` for others.
pub(super) fn each_axis(numbers: &Tensor, axes: Spatial, neutral: i8) -> Option<Tensor> {
    fn adapted<T: Element + From<i8>>(numbers: &[T], axes: Spatial, neutral: i8) -> Vec<T> {
        let of_one = numbers
            .chunks_exact(axes.rank())
            .flat_map(|numbers| match *numbers {
                [batch, channels, width] => [batch, neutral.into(), width, channels],
                [batch, channels, height, width] => [batch, height, width, channels],
                _ => [neutral.into(); 4],
            });
        of_one.collect()
    }
    let rank = axes.rank();
    if numbers.rank() != 1 || ![0, rank, 2 * rank].contains(&numbers.len()) {
        return None;
    }
    match numbers.data() {
        Data::F32(numbers) => Some(Tensor::vector(adapted(numbers, axes, neutral))),
        Data::I64(numbers) => Some(Tensor::vector(adapted(numbers, axes, neutral))),
        _ => None,
    }
}

/// A constant that is broadcast to images or signals, channels-last; `None` for one that has other dimensions than
/// channels.
pub(super) fn per_channel(tensor: &Tensor, axes: Spatial) -> Result<Option<Tensor>> {
    let shape = tensor.shape();
    let Some(missing) = axes.rank().checked_sub(shape.len()) else {
        return Ok(None);
    };
    let size = |axis: usize| axis.checked_sub(missing).map_or(1, |axis| shape[axis]);
    if (0..axes.rank()).any(|axis| axis != 1 && size(axis) != 1) {
        return Ok(None);
    }
    let channels = vec![1, 1, 1, size(1)];
    tensor.clone().reshaped(channels).map(Some)
}

/// The channels-last operator of a pooling node; `None` for one that has no kernel.
///
/// # Errors
/// `Graph` for attributes that the specification does not allow.
pub(super) fn pooling(node: &Node, axes: Spatial) -> Result<Option<Op>> {
    if node.is("GlobalAveragePool") {
        return Ok(Some(Op::GlobalAveragePool));
    }
    let (Some(attributes), Some(_)) = (node.op.onnx().map(OnnxNode::attributes), node.output())
    else {
        return Ok(None);
    };
    let rounds_up = attributes.flag("ceil_mode", false);
    let includes_padding = attributes.flag("count_include_pad", false);
    if attributes.flag("storage_order", false) || (rounds_up && includes_padding) {
        return Ok(None);
    }
    let kernel = attributes.sizes("kernel_shape")?;
    let Some(kernel) = kernel.filter(|kernel| kernel.len() == axes.rank() - 2) else {
        return Ok(None);
    };
    let kind = match node.is("MaxPool") {
        true => Kind::Max,
        false => Kind::Average { includes_padding },
    };
    let found = Pads::window(attributes, &kernel)?;
    Ok(found.map(|(window, pads)| {
        Op::Pooling(Pooling {
            kind,
            window,
            pads,
            rounds_up,
        })
    }))
}

/// A batch normalization as a depthwise convolution, `scale * x + shift` for each channel; `None` for one whose
/// parameters are not constant or not FP32, and in training.
///
/// # Errors
/// `Memory`.
pub(super) fn normalization(
    node: &Node,
    axes: Spatial,
    network: &mut Network,
) -> Result<Option<FusedConv>> {
    let Some((scale, shift)) = scale_and_shift(node, network) else {
        return Ok(None);
    };
    let channels = scale.len();
    let shape = [channels, 1, 1, 1];
    let weights = Tensor::of(&shape, scale)?;
    Ok(Some(FusedConv {
        weights: network.new_constant(weights),
        shape,
        bias: Some(shift),
        window: Window::POINT,
        axes,
        transposed: None,
        pads: Pads::Given,
        groups: channels,
        input_quantization: None,
        has_residual: false,
        epilogue: Epilogue::NONE,
    }))
}
