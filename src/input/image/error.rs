//! Why an image cannot become a tensor.

use super::Format;

/// What is wrong with an encoded image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// None of the formats begins so.
    #[error("the {bytes} bytes are no image: expected JPEG, PNG, WebP, GIF or BMP")]
    UnknownFormat {
        /// How many came.
        bytes: usize,
    },
    /// The header declares more than is decoded.
    #[error(
        "the {format} declares {width}x{height} pixels, {}, expected at most {limit}",
        width.saturating_mul(*height)
    )]
    TooManyPixels {
        /// Its format.
        format: Format,
        /// Declared.
        width: u64,
        /// Declared.
        height: u64,
        /// The most pixels that are decoded.
        limit: u64,
    },
    /// The file is damaged, cut off, or of a kind that the decoder lacks.
    #[error("the {format} cannot be decoded: {reason}")]
    Damaged {
        /// Its format.
        format: Format,
        /// The decoder's word.
        reason: String,
    },
    /// So narrow or flat that, scaled to the model's size, it would have too many pixels.
    #[error("an image of {width}x{height} pixels is too elongated for this model")]
    TooElongated {
        /// Upright.
        width: u32,
        /// Upright.
        height: u32,
    },
    /// The resizing itself failed.
    #[error("the image cannot be resized: {reason}")]
    Resize {
        /// The library's word.
        reason: String,
    },
}
