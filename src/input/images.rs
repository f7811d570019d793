//! Encoded images become the input of a model: one image, or a batch.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use infer_model_card::{ImageSpec, TensorSpec};

use super::accepts::Accepts;
use super::image::ImageError;
use super::multipart::Form;
use crate::http::error::{ApiError, quoted};
use crate::http::limits::{self, Limits, MAX_BATCH, MAX_IMAGE_PIXELS, MAX_IMAGES_BYTES};
use crate::tensor::{Tensor, check_shape, elements};

/// Decode and prepare images, and stack them into a tensor of shape `[n, C, H, W]` or `[n, H, W, C]`.
///
/// # Errors
/// 415 if the model takes no images, or if one has a format that is not decoded; 400 if there are none, if one cannot be decoded, or if their number does not fit
/// the input; 413 if one has too many pixels, or if all together are over a limit.
pub fn to_input(
    images: &[&[u8]],
    accepts: Accepts,
    limits: &Limits,
) -> Result<(String, Tensor), ApiError> {
    let which = |index: usize| match images.len() {
        1 => String::new(),
        _ => format!("image {index}: "),
    };
    named_to_input(images, which, accepts, limits)
}

/// Prepare the images of a form as [`to_input`] does; errors name the field of an image.
///
/// # Errors
/// Those of [`to_input`].
pub fn form_to_input(
    form: &Form,
    accepts: Accepts,
    limits: &Limits,
) -> Result<(String, Tensor), ApiError> {
    let images: Vec<&[u8]> = form.images.iter().map(|(_, image)| &image[..]).collect();
    let which = |index: usize| {
        let name = form.images.get(index).map_or("", |(name, _)| name);
        match images.len() {
            1 => format!("field {}: ", quoted(name)),
            _ => format!("image {index}, field {}: ", quoted(name)),
        }
    };
    named_to_input(&images, which, accepts, limits)
}

fn named_to_input(
    images: &[&[u8]],
    which: impl Fn(usize) -> String,
    accepts: Accepts,
    limits: &Limits,
) -> Result<(String, Tensor), ApiError> {
    let taken = accepts.card.image_input().zip(accepts.image);
    let ((spec, input), to_tensor) = taken.ok_or_else(|| {
        ApiError::unsupported_media_type(format!("model `{}` takes no images", accepts.model))
    })?;
    limits::check(images.len(), "images", limits.max_batch, MAX_BATCH)?;
    let shape = shape(images.len(), spec, input, limits)?;
    let mut data = Vec::new();
    for (index, bytes) in images.iter().enumerate() {
        let prepared = to_tensor(bytes, spec, input.datatype, limits.max_image_pixels)
            .map_err(|error| refused(error, &which(index)))?;
        if data.is_empty() {
            // Most requests have one image, whose bytes are the tensor.
            data = prepared;
            data.reserve_exact(data.len().saturating_mul(images.len() - 1));
        } else {
            data.extend(prepared);
        }
    }
    let tensor = Tensor {
        datatype: input.datatype,
        shape,
        data,
    };
    Ok((input.name.clone(), tensor))
}

/// The shape of a batch of `count` images, checked before any of them is decoded.
fn shape(
    count: usize,
    spec: &ImageSpec,
    input: &TensorSpec,
    limits: &Limits,
) -> Result<Vec<u32>, ApiError> {
    let batch = count as u64;
    let shape = spec.shape(batch);
    let images = if count == 1 {
        "image does"
    } else {
        "images do"
    };
    let checked = check_shape(input, &shape).map_err(|error| {
        ApiError::invalid(format!(
            "{count} {images} not fit input `{}`: {error}",
            input.name
        ))
    })?;
    let one = elements(&shape[1..])
        .and_then(|count| count.checked_mul(input.datatype.element_bytes()? as u64))
        .unwrap_or(u64::MAX);
    let all = one.saturating_mul(batch);
    // The model decides the size of one image, and the client how many there are.
    if count > 1 && all > limits.max_images_bytes {
        return Err(limits::exceeded(
            format_args!(
                "{count} images need {all} bytes as input `{}`, {one} each, expected at most {}",
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
