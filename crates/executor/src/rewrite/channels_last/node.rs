//! What a node by itself is in channels-last form.

use infer_kernels::gemm::Clamp;

use crate::attributes::Attributes;
use crate::error::Result;
use crate::ir::{Network, Node};
use crate::ops::channels_last::pads::Pads;
use crate::ops::channels_last::pooling::{Kind, Pooling};
use crate::tensor::Tensor;

/// A constant that is repeated over images, in channels-last form; none where that is not known without their
/// sizes.
pub(super) fn constant_last(tensor: &Tensor) -> Result<Option<Tensor>> {
    let shape = tensor.shape();
    let rank = shape.len();
    if rank > 4 {
        return Ok(None);
    }
    let mut four = vec![1; 4 - rank];
    four.extend_from_slice(shape);
    let [count, channels, height, width] = four.as_slice() else {
        return Ok(None);
    };
    // Only one size is other than 1, so that nothing has to change its place.
    let is_one = |sizes: [usize; 3]| sizes == [1; 3];
    if is_one([*count, *height, *width]) {
        let shape = vec![1, 1, 1, *channels];
        return tensor.clone().reshaped(shape).map(Some);
    }
    Ok(None)
}

/// What a node does to values at the end: nothing below or above a constant.
pub(in crate::rewrite) fn clamp(node: &Node, network: &Network) -> Option<Clamp> {
    if node.is("Relu") {
        return Some(Clamp {
            min: 0.0,
            max: f32::INFINITY,
        });
    }
    let attributes = Attributes::new(&node.proto);
    let bound = |position: usize, name: &str, default: f32| -> Option<f32> {
        if node.opset < 11 {
            return Some(attributes.float(name, default));
        }
        match node.inputs.get(position).copied().flatten() {
            None => Some(default),
            Some(id) => network
                .constants
                .get(&id)?
                .elements()
                .ok()?
                .first()
                .copied(),
        }
    };
    let clamp = Clamp {
        min: bound(1, "min", f32::NEG_INFINITY)?,
        max: bound(2, "max", f32::INFINITY)?,
    };
    (clamp.min <= clamp.max).then_some(clamp)
}

/// The pool of a node; none for one that is not done in channels-last form.
pub(super) fn pool(node: &Node) -> Result<Option<Pooling>> {
    let attributes = Attributes::new(&node.proto);
    let is_max = node.is("MaxPool");
    if attributes.flag("ceil_mode", false) || attributes.flag("storage_order", false) {
        return Ok(None);
    }
    let Some(kernel) = attributes
        .sizes("kernel_shape")?
        .and_then(|kernel| <[usize; 2]>::try_from(kernel).ok())
    else {
        return Ok(None);
    };
    let Some((window, pads)) = Pads::window(attributes, kernel)? else {
        return Ok(None);
    };
    let kind = match is_max {
        true => Kind::Max,
        false => Kind::Average {
            includes_padding: attributes.flag("count_include_pad", false),
        },
    };
    Ok(Some(Pooling { kind, window, pads }))
}
