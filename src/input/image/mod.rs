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
mod opencv;
mod pillow;
mod pixels;
mod placement;
mod resize;
mod unsupported;

pub use error::ImageError;
pub use format::{Format, is_image, sniff};
pub use placement::Placement;
pub use unsupported::{Unsupported, unsupported};

use infer_model_card::{Alpha, Channels, ImageSpec};
use infer_tensor::Datatype;

pub(crate) use pixels::Pixels;

/// The type of [`to_tensor`].
pub type ToTensor = fn(&[u8], &ImageSpec, Datatype, u64) -> Result<Prepared, ImageError>;

/// An image as the input of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// The little-endian bytes of the tensor.
    pub bytes: Vec<u8>,
    /// Where the image is in the input.
    pub placement: Placement,
}

/// Decode and prepare one image.
///
/// The bytes are those of a tensor of shape `[1, C, H, W]` or `[1, H, W, C]`, as `spec.layout` says, in
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
) -> Result<Prepared, ImageError> {
    let decoded = decode::decode(bytes, spec.channels, spec.alpha, max_pixels)?;
    let (fitted, placement) = resize::fit(decoded, spec, max_pixels)?;
    Ok(Prepared {
        bytes: normalize::to_bytes(&fitted, spec, datatype),
        placement,
    })
}

/// Decode an image to upright RGB pixels on white.
///
/// # Errors
/// Those of [`to_tensor`].
pub(crate) fn to_rgb(bytes: &[u8], max_pixels: u64) -> Result<Pixels, ImageError> {
    decode::decode(bytes, Channels::Rgb, Alpha::White, max_pixels)
}

#[cfg(test)]
mod tests;
