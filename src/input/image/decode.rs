//! An encoded image becomes upright pixels on white.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageReader, Limits};
use infer_model_card::Channels;

use super::error::ImageError;
use super::format::{Format, sniff};
use super::pixels::Pixels;

/// The most bytes that a decoder may allocate beside the pixels.
const TABLES_BYTES: u64 = 16 * 1024 * 1024;

/// The bytes of the largest pixel: 16 bits in four channels.
const PIXEL_BYTES: u64 = 8;

/// Decode the first frame, apply the EXIF orientation, blend transparency with white, and convert to gray or RGB (the
/// normalization swaps the channels for BGR).
pub(super) fn decode(
    bytes: &[u8],
    channels: Channels,
    max_pixels: u64,
) -> Result<Pixels, ImageError> {
    let format = sniff(bytes).ok_or(ImageError::UnknownFormat { bytes: bytes.len() })?;
    let damaged = |error: image::ImageError| ImageError::Damaged {
        format,
        reason: error.to_string(),
    };
    // Read the size from the header before making a decoder: on 32 bits some decoders fail at such sizes with an error
    // of their own.
    if let Ok(size) = imagesize::blob_size(bytes) {
        check_pixels(format, size.width as u64, size.height as u64, max_pixels)?;
    }
    let mut decoder = ImageReader::with_format(Cursor::new(bytes), format.decoder())
        .into_decoder()
        .map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    check_pixels(format, width.into(), height.into(), max_pixels)?;
    if width == 0 || height == 0 {
        return Err(ImageError::Damaged {
            format,
            reason: format!("it declares {width}x{height} pixels"),
        });
    }
    if format == Format::Jpeg && !is_whole_jpeg(bytes) {
        return Err(ImageError::Damaged {
            format,
            reason: "it is truncated: the end marker is missing".to_owned(),
        });
    }
    let mut limits = Limits::no_limits();
    // A file that needs more is damaged, or declares a false size.
    limits.max_alloc = Some(
        max_pixels
            .saturating_mul(PIXEL_BYTES)
            .saturating_add(TABLES_BYTES),
    );
    decoder.set_limits(limits).map_err(damaged)?;
    // Unreadable metadata does not make the pixels unreadable.
    let orientation = decoder
        .orientation()
        .unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    image.apply_orientation(orientation);
    Ok(flatten(image, channels))
}

fn check_pixels(format: Format, width: u64, height: u64, limit: u64) -> Result<(), ImageError> {
    if width.saturating_mul(height) > limit {
        return Err(ImageError::TooManyPixels {
            format,
            width,
            height,
            limit,
        });
    }
    Ok(())
}

/// Whether a JPEG is complete: the decoder would fill missing pixels with gray. The end marker must follow the last start
/// of a scan; an EXIF thumbnail, which has both markers, precedes it.
fn is_whole_jpeg(bytes: &[u8]) -> bool {
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
    match (last([0xff, 0xda]), last([0xff, 0xd9])) {
        (Some(scan), Some(end)) => scan < end,
        _ => false,
    }
}

fn flatten(image: DynamicImage, channels: Channels) -> Pixels {
    let (width, height) = (image.width(), image.height());
    let is_gray = !image.color().has_color();
    let rgb = if image.color().has_alpha() {
        let rgba = image.into_rgba8().into_raw();
        let (pixels, _) = rgba.as_chunks::<4>();
        pixels
            .iter()
            .flat_map(|&[red, green, blue, alpha]| {
                [red, green, blue].map(|value| on_white(value, alpha))
            })
            .collect()
    } else if channels == Channels::Gray && is_gray {
        let data = image.into_luma8().into_raw();
        return Pixels {
            width,
            height,
            channels: 1,
            data,
        };
    } else {
        image.into_rgb8().into_raw()
    };
    match channels {
        Channels::Gray => {
            let (pixels, _) = rgb.as_chunks::<3>();
            Pixels {
                width,
                height,
                channels: 1,
                data: pixels.iter().map(|pixel| luma(*pixel)).collect(),
            }
        }
        Channels::Rgb | Channels::Bgr => Pixels {
            width,
            height,
            channels: 3,
            data: rgb,
        },
    }
}

/// Blend a value with white by `alpha`, rounded to the nearest.
fn on_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    let mixed = (value * alpha + 255 * (255 - alpha) + 127) / 255;
    u8::try_from(mixed).unwrap_or(u8::MAX)
}

/// Luma by ITU-R BT.601 with 16 fractional bits, as Pillow's `convert("L")` computes it.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let sum = u32::from(red) * 19595 + u32::from(green) * 38470 + u32::from(blue) * 7471 + 0x8000;
    u8::try_from(sum >> 16).unwrap_or(u8::MAX)
}
