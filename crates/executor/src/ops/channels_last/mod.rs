//! What rewritten networks compute in channels-last (NHWC) form: convolutions, pools, and the ways there and back.

pub mod conv;
pub mod expanded;
pub mod pads;
pub mod pooling;
pub mod quantized;
pub mod rounded;
pub mod transpose;

use infer_kernels::spec::Images;

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// A tensor's four sizes.
///
/// # Errors
/// `Input` when it has not four dimensions.
fn sizes(tensor: &Tensor) -> Result<[usize; 4]> {
    let shape = tensor.shape();
    shape
        .try_into()
        .map_err(|_| Error::input(format!("expected images (four dimensions), came {shape:?}")))
}

/// A tensor's sizes as images, channels last.
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
