//! Operators in channels-last (NHWC) layout, which optimization passes put into a graph: convolution, pooling, and the
//! conversion of layouts.

pub mod conv;
pub mod inverted_bottleneck;
pub mod pads;
pub mod pooling;
pub mod quantize;
pub mod quantized;
pub mod transpose;

use infer_kernels::spec::Images;

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The four sizes of a tensor of images.
///
/// # Errors
/// `Input` if the tensor does not have four axes.
fn sizes(tensor: &Tensor) -> Result<[usize; 4]> {
    let shape = tensor.shape();
    shape.try_into().map_err(|_| {
        Error::input(format!(
            "expected images (four axes), got the shape {shape:?}"
        ))
    })
}

/// The sizes of a tensor of channels-last images.
///
/// # Errors
/// As [`sizes`].
fn images(tensor: &Tensor) -> Result<Images> {
    let [count, height, width, channels] = sizes(tensor)?;
    Ok(Images {
        count,
        height,
        width,
        channels,
    })
}

/// The shape of images.
fn shape(images: Images) -> Vec<usize> {
    vec![images.count, images.height, images.width, images.channels]
}
