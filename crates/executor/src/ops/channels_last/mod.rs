//! Operators in channels-last (NHWC) layout, which optimization passes put into a graph: convolution, pooling, and the
//! conversion of layouts. A signal, which has one spatial axis, is an image of height 1.

pub mod conv;
pub mod conv_transpose;
pub mod inverted_bottleneck;
pub mod pads;
pub mod pooling;
pub mod quantize;
pub mod quantized;
pub mod shuffle;
pub mod transpose;

use infer_kernels::spec::Images;

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The spatial axes that images have as the file means them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spatial {
    /// Signals: `[batch, channels, width]`, and `[batch, 1, width, channels]` channels-last.
    One,
    /// Images: `[batch, channels, height, width]`, and `[batch, height, width, channels]` channels-last.
    Two,
}

impl Spatial {
    /// The axes of tensors of that many axes; `None` for other tensors.
    #[must_use]
    pub fn of(rank: usize) -> Option<Self> {
        match rank {
            3 => Some(Self::One),
            4 => Some(Self::Two),
            _ => None,
        }
    }

    /// The number of axes of a tensor in the file.
    #[must_use]
    pub fn rank(self) -> usize {
        match self {
            Self::One => 3,
            Self::Two => 4,
        }
    }
}

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
