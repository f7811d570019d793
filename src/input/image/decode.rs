//! An encoded image becomes upright pixels without transparency.

use std::borrow::Cow;
use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageReader, Limits};
use infer_model_card::{Alpha, Channels};

use super::error::ImageError;
use super::format::{Format, sniff};
use super::pixels::Pixels;
use super::unsupported::unsupported;
use super::{bmp, jpeg};

/// The most bytes that a decoder may allocate beside the pixels.
const TABLES_BYTES: u64 = 16 * 1024 * 1024;

/// The bytes of the largest pixel: 16 bits in four channels.
const PIXEL_BYTES: u64 = 8;

/// Decode the first frame, apply the EXIF orientation, remove the transparency as the card says, and convert to gray or RGB
/// (the normalization swaps the channels for BGR).
pub(super) fn decode(
    bytes: &[u8],
    channels: Channels,
    alpha: Alpha,
    max_pixels: u64,
) -> Result<Pixels, ImageError> {
    let format = sniff(bytes).ok_or_else(|| match unsupported(bytes) {
        Some(found) => ImageError::UnsupportedFormat { name: found.name },
        None => ImageError::UnknownFormat { bytes: bytes.len() },
    })?;
    let damaged = |error: image::ImageError| ImageError::Damaged {
        format,
        reason: error.to_string(),
    };
    // Read the size from the header before making a decoder: on 32 bits some decoders fail at such sizes with an error
    // of their own.
    if let Some((width, height)) = declared_size(format, bytes) {
        check_pixels(format, width, height, max_pixels)?;
    }
    let readable = match format {
        Format::Bmp => bmp::readable(bytes),
        _ => Cow::Borrowed(bytes),
    };
    let mut decoder = ImageReader::with_format(Cursor::new(&*readable), format.decoder())
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
    if format == Format::Jpeg && jpeg::without_trailer(bytes).is_none() {
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
    if format == Format::Bmp {
        make_opaque_if_invisible(&mut image);
    }
    Ok(flatten(image, channels, alpha))
}

/// The width and height in the header of a file.
fn declared_size(format: Format, bytes: &[u8]) -> Option<(u64, u64)> {
    if format == Format::Bmp {
        return bmp::size(bytes);
    }
    let size = imagesize::blob_size(bytes).ok()?;
    Some((size.width as u64, size.height as u64))
}

/// Make an image opaque that is transparent throughout. Screen grabbers write such BMPs: they leave the fourth byte of a
/// pixel at 0, whatever the header says of it.
fn make_opaque_if_invisible(image: &mut DynamicImage) {
    if let DynamicImage::ImageRgba8(pixels) = image
        && pixels.pixels().all(|pixel| pixel.0[3] == 0)
    {
        pixels.pixels_mut().for_each(|pixel| pixel.0[3] = u8::MAX);
    }
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

fn flatten(image: DynamicImage, channels: Channels, alpha: Alpha) -> Pixels {
    let (width, height) = (image.width(), image.height());
    let is_gray = !image.color().has_color();
    let rgb = if image.color().has_alpha() && alpha == Alpha::White {
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
