//! Errors of image preparation.

use super::format::Format;

/// An error in an encoded image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The bytes begin like none of the supported formats.
    #[error("the {bytes} bytes are not an image, expected JPEG, PNG, WebP, GIF or BMP")]
    UnknownFormat {
        /// The length of the body.
        bytes: usize,
    },
    /// The bytes begin like a format that is not decoded.
    #[error("the image is {name}, which is not decoded; expected JPEG, PNG, WebP, GIF or BMP")]
    UnsupportedFormat {
        /// The name of the format.
        name: &'static str,
    },
    /// The header declares more pixels than the limit.
    #[error(
        "the {format} declares {width}x{height} pixels, {}, expected at most {limit}",
        width.saturating_mul(*height)
    )]
    TooManyPixels {
        /// The format.
        format: Format,
        /// The declared width.
        width: u64,
        /// The declared height.
        height: u64,
        /// The limit.
        limit: u64,
    },
    /// The file is damaged, truncated, or of a variant that the decoder does not support.
    #[error("the {format} cannot be decoded: {reason}")]
    Damaged {
        /// The format.
        format: Format,
        /// The decoder's message.
        reason: String,
    },
    /// The image is so elongated that it would have too many pixels after the resize.
    #[error("an image of {width}x{height} pixels is too elongated for this model")]
    TooElongated {
        /// The width, after the EXIF orientation.
        width: u32,
        /// The height, after the EXIF orientation.
        height: u32,
    },
}
