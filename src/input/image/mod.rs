//! An encoded image becomes a model's input, as the model card's `[image]` says.
//!
//! The order is that of a Python user with Pillow: open ([`decode`]), turn upright, lay on white,
//! convert to RGB or gray, resize and crop or pad ([`resize`]), then scale, subtract, divide and lay
//! out ([`normalize`]).

mod decode;
mod error;
mod format;
mod normalize;
mod resize;

pub use error::ImageError;
pub use format::{Format, sniff};

use infer_model_card::{Datatype, ImageSpec};

/// What [`to_tensor`] is.
pub type ToTensor = fn(&[u8], &ImageSpec, Datatype, u64) -> Result<Vec<u8>, ImageError>;

/// Decode and prepare one image. Returns the little-endian bytes of a tensor of shape `[1, C, H, W]`
/// or `[1, H, W, C]`, as `spec.layout` says, in `datatype`: FP32, FP16, or UINT8 (rounded, and held
/// within 0 to 255). `max_pixels` are taken of an image as it is declared, and as it is scaled.
///
/// # Errors
/// When the bytes are no image of a known format, are damaged, or declare too many pixels.
pub fn to_tensor(
    bytes: &[u8],
    spec: &ImageSpec,
    datatype: Datatype,
    max_pixels: u64,
) -> Result<Vec<u8>, ImageError> {
    let decoded = decode::decode(bytes, spec.channels, max_pixels)?;
    let fitted = resize::fit(decoded, spec, max_pixels)?;
    Ok(normalize::to_bytes(&fitted, spec, datatype))
}

/// Eight-bit pixels, row by row; `channels` values each, 1 (gray) or 3 (RGB).
#[derive(Debug)]
pub(crate) struct Pixels {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: usize,
    pub(crate) data: Vec<u8>,
}

#[cfg(test)]
mod tests;
