//! An encoded image becomes the input of a model, as the section `[image]` of the model card says.
//!
//! The order is that of Python code with Pillow: open ([`decode`]), apply the EXIF orientation, blend with white or drop
//! the transparency, convert to RGB or gray, resize and crop or pad ([`resize`]), then scale, subtract the mean, divide by the deviation and lay out
//! ([`normalize`]).

mod bmp;
mod decode;
mod error;
mod format;
mod jpeg;
mod normalize;
mod pixels;
mod resize;
mod unsupported;

pub use error::ImageError;
pub use format::{Format, is_image, sniff};
pub use unsupported::{Unsupported, unsupported};

use infer_model_card::ImageSpec;
use infer_tensor::Datatype;

/// The type of [`to_tensor`].
pub type ToTensor = fn(&[u8], &ImageSpec, Datatype, u64) -> Result<Vec<u8>, ImageError>;

/// Decode and prepare one image.
///
/// Returns the little-endian bytes of a tensor of shape `[1, C, H, W]` or `[1, H, W, C]`, as `spec.layout` says, in
/// `datatype`: FP32, FP16, or UINT8 (rounded and clamped to 0 to 255). `max_pixels` limits the pixels that the image
/// declares, and those after the resize.
///
/// # Errors
/// The bytes are not an image of a supported format, are damaged, or declare too many pixels.
pub fn to_tensor(
    bytes: &[u8],
    spec: &ImageSpec,
    datatype: Datatype,
    max_pixels: u64,
) -> Result<Vec<u8>, ImageError> {
    let decoded = decode::decode(bytes, spec, max_pixels)?;
    let fitted = resize::fit(decoded, spec, max_pixels)?;
    Ok(normalize::to_bytes(&fitted, spec, datatype))
}

#[cfg(test)]
mod tests;
