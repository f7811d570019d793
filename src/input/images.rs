//! Encoded images become a model's input: one, or a batch.

use infer_model_card::{ImageSpec, TensorSpec};

use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::limits::{self, Limits, MAX_BATCH, MAX_IMAGE_PIXELS, MAX_IMAGES_BYTES};
use crate::input::image::ImageError;
use crate::tensor::{Tensor, check_shape, elements};

/// Decode, prepare and stack images.
///
/// # Errors
/// 415 when the model takes no images; 400 when there are none, when one cannot be decoded, or when
/// their number does not fit the input; 413 when one has too many pixels, or all are too much.
pub fn to_input(
    images: &[&[u8]],
    model: &Model,
    limits: &Limits,
) -> Result<(String, Tensor), ApiError> {
    let taken = model.card.image_input().zip(model.image);
    let ((spec, input), to_tensor) = taken.ok_or_else(|| {
        ApiError::unsupported_media_type(format!("model `{}` takes no images", model.name))
    })?;
    limits::check(images.len(), "images", limits.max_batch, MAX_BATCH)?;
    let shape = shape(images.len(), spec, input, limits)?;
    let mut data = Vec::new();
    for (index, bytes) in images.iter().enumerate() {
        let prepared = to_tensor(bytes, spec, input.datatype, limits.max_image_pixels)
            .map_err(|error| refused(error, index, images.len()))?;
        if data.is_empty() {
            // Most often there is one, and this is all.
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

/// The shape of so many images, checked before any of them is decoded.
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
    // One is the model's own size, and no client's choice.
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

fn refused(error: ImageError, index: usize, count: usize) -> ApiError {
    let which = if count == 1 {
        String::new()
    } else {
        format!("image {index}: ")
    };
    match error {
        ImageError::TooManyPixels { .. } => {
            limits::exceeded(format_args!("{which}{error}"), MAX_IMAGE_PIXELS)
        }
        _ => ApiError::invalid(format!("{which}{error}")),
    }
}
