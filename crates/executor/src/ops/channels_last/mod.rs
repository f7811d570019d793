//! What rewritten networks compute in channels-last (NHWC) form: convolutions, pools, and the ways there and back.

pub mod conv;
pub mod pads;
pub mod pool;
pub mod quantised;
pub mod rounded;
pub mod transpose;

use infer_kernels::form::Images;

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// A tensor's sizes as images.
///
/// # Errors
/// `Input` when it has not four dimensions.
fn images(tensor: &Tensor) -> Result<Images> {
    match *tensor.shape() {
        [count, height, width, channels] => Ok(Images {
            count,
            height,
            width,
            channels,
        }),
        ref shape => Err(Error::input(format!(
            "expected images (four dimensions), came {shape:?}"
        ))),
    }
}

/// The shape of images.
fn shape(images: Images) -> Vec<usize> {
    vec![images.count, images.height, images.width, images.channels]
}
