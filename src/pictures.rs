//! Encoded images become a model's input: one, or a batch.

use infer_model_card::{ImageSpec, TensorSpec};

use crate::error::{ApiError, ErrorKind};
use crate::image::{self, ImageError};
use crate::models::Model;
use crate::tensor::{Tensor, check_shape, elements};

/// The largest tensor that is made of images. An image of a few bytes fills as much of it as any
/// other, so a body's limit is none on this.
const MAX_BATCH_BYTES: u64 = 64 * 1024 * 1024;

/// Decode, prepare and stack images.
///
/// # Errors
/// 415 when the model takes no images; 400 when there are none, when one cannot be decoded, or when
/// their number does not fit the input; 413 when one has too many pixels, or all are too much.
pub fn to_input(images: &[&[u8]], model: &Model) -> Result<(String, Tensor), ApiError> {
    let (spec, input) = model.card.image_input().ok_or_else(|| {
        ApiError::unsupported_media_type(format!("model `{}` takes no images", model.name))
    })?;
    let shape = shape(images.len(), spec, input)?;
    let mut data = Vec::new();
    for (index, bytes) in images.iter().enumerate() {
        let prepared = image::to_tensor(bytes, spec, input.datatype)
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
fn shape(count: usize, spec: &ImageSpec, input: &TensorSpec) -> Result<Vec<u32>, ApiError> {
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
    if count > 1 && all > MAX_BATCH_BYTES {
        return Err(ApiError::too_large(format!(
            "{count} images need {all} bytes as input `{}`, {one} each; the limit is {MAX_BATCH_BYTES}",
            input.name
        )));
    }
    Ok(checked)
}

fn refused(error: ImageError, index: usize, count: usize) -> ApiError {
    let kind = match error {
        ImageError::TooManyPixels { .. } => ErrorKind::TooLarge,
        _ => ErrorKind::Invalid,
    };
    let which = if count == 1 {
        String::new()
    } else {
        format!("image {index}: ")
    };
    ApiError::new(kind, format!("{which}{error}"))
}
