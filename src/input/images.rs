//! Encoded images become the input of a model: one image, or a batch.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use infer_model_card::{ImageSpec, ModelCard, TensorSpec};
use infer_tensor::Datatype;
use serde_json::value::RawValue;

use super::accepts::Accepts;
use super::encoded::EncodedImage;
use super::image::{ImageError, Pixels, Placement};
use super::multipart::Form;
use super::text;
use crate::http::error::{ApiError, quoted};
use crate::http::limits::{self, Limits, MAX_BATCH, MAX_IMAGE_PIXELS, MAX_IMAGES_BYTES};
use crate::tensor::{Tensor, check_shape, elements};

/// Images as the inputs of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct PreparedImages {
    /// The tensor of shape `[n, C, H, W]` or `[n, H, W, C]` by its name, and the mask of its pixels if the model takes one.
    pub inputs: Vec<(String, Tensor)>,
    /// Where each image is in the input.
    pub placements: Vec<Placement>,
}

/// The images of a request with their places in it, for messages.
#[must_use]
pub fn placed(images: &[&[u8]]) -> Vec<EncodedImage> {
    let place = |index: usize| match images.len() {
        1 => String::new(),
        _ => format!("image {index}: "),
    };
    let images = images.iter().enumerate();
    images
        .map(|(index, bytes)| EncodedImage {
            place: place(index),
            bytes: bytes.to_vec(),
        })
        .collect()
}

/// Read an image in base64, or a list of them; `what` is the name of the member, for messages.
///
/// # Errors
/// 400 for every other value.
pub fn from_json(what: &str, json: &RawValue) -> Result<Vec<EncodedImage>, ApiError> {
    let files = files_from_json(what, "image", json)?;
    let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
    Ok(placed(&files))
}

/// Read a file in base64, or a list of them; `what` is the name of the member and `noun` what a file is, for messages.
///
/// # Errors
/// 400 for every other value.
pub(super) fn files_from_json(
    what: &str,
    noun: &str,
    json: &RawValue,
) -> Result<Vec<Vec<u8>>, ApiError> {
    let texts = text::from_json(what, json)?;
    let count = texts.len();
    let files = texts.iter().enumerate().map(|(index, text)| {
        let place = match count {
            1 => String::new(),
            _ => format!("{noun} {index}: "),
        };
        // A browser's `FileReader` puts the media type before the data.
        let data = match text.strip_prefix("data:") {
            Some(url) => url.split_once(',').map_or("", |(_, data)| data),
            None => text,
        };
        from_base64(data).map_err(|error| {
            ApiError::invalid(format!(
                "{place}`{what}` is {}, expected an encoded {noun} in base64: {error}",
                quoted(text)
            ))
        })
    });
    files.collect()
}

/// The images of a form; messages name the field of an image.
#[must_use]
pub fn of_form(form: &Form) -> Vec<EncodedImage> {
    let count = form.images.len();
    let images = form.images.iter().enumerate();
    images
        .map(|(index, (name, bytes))| EncodedImage {
            place: match count {
                1 => format!("field {}: ", quoted(name)),
                _ => format!("image {index}, field {}: ", quoted(name)),
            },
            bytes: bytes.to_vec(),
        })
        .collect()
}

/// Decode and prepare images, and stack them into a tensor of shape `[n, C, H, W]` or `[n, H, W, C]`.
///
/// # Errors
/// 415 if the model takes no images, or if one has a format that is not decoded; 400 if there are none, if one cannot be decoded, or if their number does not fit
/// the input; 413 if one has too many pixels, or if all together are over a limit.
pub fn prepare(
    images: &[EncodedImage],
    accepts: Accepts,
    limits: &Limits,
) -> Result<PreparedImages, ApiError> {
    let taken = accepts.card.image_input().zip(accepts.image);
    let ((spec, input), to_tensor) = taken.ok_or_else(|| {
        ApiError::unsupported_media_type(format!("model `{}` takes no images", accepts.model))
    })?;
    limits::check(images.len(), "images", limits.max_batch, MAX_BATCH)?;
    let count = images.len() as u64;
    // Checked before any image is decoded.
    let mut dimensions = shape(spec.shape(count), spec, input, limits)?;
    let mut data = Vec::new();
    let mut placements: Vec<Placement> = Vec::with_capacity(images.len());
    for image in images {
        let prepared = to_tensor(&image.bytes, spec, input.datatype, limits.max_image_pixels)
            .map_err(|error| refused(error, &image.place))?;
        let size = |placement: &Placement| (placement.input_width, placement.input_height);
        let own = size(&prepared.placement);
        match placements.first().map(size) {
            None if spec.is_proportional() => {
                dimensions = shape(spec.shape_of(count, own), spec, input, limits)?;
            }
            Some(first) if first != own => {
                return Err(ApiError::invalid(format!(
                    "{}the image becomes an input of {}x{} pixels and the first image one of {}x{}; send images of \
                     different proportions one by one",
                    image.place, own.0, own.1, first.0, first.1
                )));
            }
            _ => {}
        }
        placements.push(prepared.placement);
        if data.is_empty() {
            // Most requests have one image, whose bytes are the tensor.
            data = prepared.bytes;
            data.reserve_exact(data.len().saturating_mul(images.len() - 1));
        } else {
            data.extend(prepared.bytes);
        }
    }
    let mut inputs = vec![(
        input.name.clone(),
        Tensor {
            datatype: input.datatype,
            shape: dimensions,
            data,
        },
    )];
    inputs.extend(mask(spec, accepts.card, &placements));
    Ok(PreparedImages { inputs, placements })
}

/// Prepare images as the tensor of an input that a request names beside others.
///
/// # Errors
/// Those of [`prepare`].
pub fn only_tensor(
    images: &[EncodedImage],
    accepts: Accepts,
    limits: &Limits,
) -> Result<Tensor, ApiError> {
    let prepared = prepare(images, accepts, limits)?;
    let first = prepared.inputs.into_iter().next();
    first
        .map(|(_, tensor)| tensor)
        .ok_or_else(|| ApiError::internal("images were prepared to no tensor"))
}

/// The mask of the pixels, 1 for each of the image: no image is padded to another's size.
fn mask(spec: &ImageSpec, card: &ModelCard, placements: &[Placement]) -> Option<(String, Tensor)> {
    let name = spec.mask.as_ref()?;
    let input = card.inputs.iter().find(|input| input.name == *name)?;
    let first = placements.first()?;
    let batch = u32::try_from(placements.len()).ok()?;
    let (height, width) = (first.input_height, first.input_width);
    let count = placements.len() * height as usize * width as usize;
    let data = match input.datatype {
        Datatype::Int32 => 1_i32.to_le_bytes().repeat(count),
        _ => 1_i64.to_le_bytes().repeat(count),
    };
    let tensor = Tensor {
        datatype: input.datatype,
        shape: vec![batch, height, width],
        data,
    };
    Some((name.clone(), tensor))
}

/// Decode an image to upright RGB pixels on white.
///
/// # Errors
/// Those of [`prepare`] for one image.
pub(crate) fn to_rgb(image: &EncodedImage, limits: &Limits) -> Result<Pixels, ApiError> {
    super::image::to_rgb(&image.bytes, limits.max_image_pixels)
        .map_err(|error| refused(error, &image.place))
}

/// Check the shape of a batch of images.
fn shape(
    shape: [u64; 4],
    spec: &ImageSpec,
    input: &TensorSpec,
    limits: &Limits,
) -> Result<Vec<u32>, ApiError> {
    let [batch, ..] = shape;
    let images = if batch == 1 {
        "image does"
    } else {
        "images do"
    };
    let checked = check_shape(input, &shape).map_err(|error| {
        ApiError::invalid(format!(
            "{batch} {images} not fit input `{}`: {error}",
            input.name
        ))
    })?;
    let one = elements(&shape[1..])
        .and_then(|count| count.checked_mul(input.datatype.element_bytes()? as u64))
        .unwrap_or(u64::MAX);
    let all = one.saturating_mul(batch);
    // The model decides the size of one image, unless it keeps the image's proportions, and the client how many there are.
    if (batch > 1 || spec.is_proportional()) && all > limits.max_images_bytes {
        let images = if batch == 1 {
            "image needs"
        } else {
            "images need"
        };
        return Err(limits::exceeded(
            format_args!(
                "{batch} {images} {all} bytes as input `{}`, {one} each, expected at most {}",
                input.name, limits.max_images_bytes
            ),
            MAX_IMAGES_BYTES,
        ));
    }
    Ok(checked)
}

fn refused(error: ImageError, which: &str) -> ApiError {
    match error {
        ImageError::TooManyPixels { .. } => {
            limits::exceeded(format_args!("{which}{error}"), MAX_IMAGE_PIXELS)
        }
        ImageError::UnsupportedFormat { .. } => {
            ApiError::unsupported_media_type(format!("{which}{error}"))
        }
        _ => ApiError::invalid(format!("{which}{error}")),
    }
}

/// The standard alphabet, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes of a text in base64, in the standard alphabet or in that of URLs (RFC 4648, sections 4 and 5), with or without
/// padding, line breaks and spaces: encoders differ in these.
///
/// # Errors
/// The text is not base64.
pub fn from_base64(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    let is_plain = |byte: u8| !byte.is_ascii_whitespace() && !matches!(byte, b'-' | b'_');
    let plain = if text.bytes().all(is_plain) {
        Cow::Borrowed(text.as_bytes())
    } else {
        let bytes = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
        let standard = bytes.map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            _ => byte,
        });
        Cow::Owned(standard.collect())
    };
    BASE64.decode(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_every_encoder() {
        let bytes: &[u8] = b"\xfb\xff\xbf\x01";
        let cases: [(&str, Option<&[u8]>); 18] = [
            ("+/+/AQ==", Some(bytes)),
            ("+/+/AQ", Some(bytes)),
            ("-_-_AQ==", Some(bytes)),
            ("-_-_AQ", Some(bytes)),
            ("+_-/AQ", Some(bytes)),
            ("+/+/\nAQ==\n", Some(bytes)),
            ("+/+/\r\nAQ\r\n==", Some(bytes)),
            (" \t+ / + / A Q = = ", Some(bytes)),
            ("", Some(b"")),
            ("\n", Some(b"")),
            ("+/+/AQ=", Some(bytes)),
            ("+/+/AQ===", None),
            ("+/+/A", None),
            ("+/=+/AQ", None),
            ("%%%%", None),
            ("+/+/\u{a0}AQ==", None),
            ("+/+/,AQ==", None),
            ("=", None),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .map(|(text, expected)| (text, expected, from_base64(text).ok()))
            .filter(|(_, expected, actual)| actual.as_deref() != **expected)
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
