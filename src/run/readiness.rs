//! Readiness. A model is ready if its graph computes on zeros.

use infer_model_card::{ModelCard, TensorSpec};

use super::compute;
use super::nn::Backend;
use crate::catalog::Model;
use crate::http::error::{ApiError, ErrorKind};
use crate::http::timing::Timing;
use crate::tensor::{Tensor, elements};

/// Run a model on zeros.
///
/// # Errors
/// 503 if the model cannot compute. The cause is logged.
pub fn check(model: &Model, backend: &dyn Backend) -> Result<(), ApiError> {
    let mut cause = None;
    for inputs in trials(&model.card) {
        match compute::run(model, inputs, backend, &mut Timing::default()) {
            Ok(_) => return Ok(()),
            Err(error) => cause = Some(error),
        }
    }
    // If the size of an item is unknown, the trials only prove that the graph loads.
    if has_unknown_size(&model.card) && backend.load(model).is_ok() {
        return Ok(());
    }
    if let Some(error) = cause {
        eprintln!("model `{}` is not ready: {error}", model.id);
    }
    Err(ApiError::new(
        ErrorKind::Unavailable,
        format!("model `{}` is not ready: it could not compute", model.id),
    ))
}

/// Zeros for every input. A free first dimension is a batch of one, an image has the card's size, and other free dimensions
/// are those of the card's `example_shape`; without one, a few sizes are tried.
fn trials(card: &ModelCard) -> Vec<Vec<(String, Tensor)>> {
    /// One element, the least size of most convolutions, and the usual size of images.
    const SIZES: [u32; 3] = [1, 32, 224];
    let sizes = if has_unknown_size(card) {
        &SIZES[..]
    } else {
        &SIZES[..1]
    };
    sizes
        .iter()
        .filter_map(|size| {
            card.inputs
                .iter()
                .map(|spec| {
                    let shape = card
                        .known_shape(spec)
                        .unwrap_or_else(|| sizes_of(spec, *size));
                    let mut tensor = zeros(spec, &shape, *size > 1)?;
                    if let Some(value) = card.constant(&spec.name) {
                        fill(&mut tensor, value);
                    }
                    Some((spec.name.clone(), tensor))
                })
                .collect()
        })
        .collect()
}

/// Set every element of an INT32 or INT64 tensor.
fn fill(tensor: &mut Tensor, value: i64) {
    let value = value.to_le_bytes();
    let width = tensor
        .datatype
        .element_bytes()
        .unwrap_or(1)
        .min(value.len());
    for element in tensor.data.chunks_exact_mut(width) {
        element.copy_from_slice(&value[..width]);
    }
}

/// Whether the card leaves the size of an item of the batch free.
fn has_unknown_size(card: &ModelCard) -> bool {
    card.inputs.iter().any(|spec| {
        let is_open = spec.shape.iter().skip(1).any(|size| *size < 0);
        is_open && card.known_shape(spec).is_none()
    })
}

fn sizes_of(spec: &TensorSpec, free: u32) -> Vec<u32> {
    let free = |place: usize| if place == 0 { 1 } else { free };
    spec.shape
        .iter()
        .enumerate()
        .map(|(place, size)| u32::try_from(*size).unwrap_or_else(|_| free(place)))
        .collect()
}

/// `None` if no tensor has that shape, or if it is a guess that is too large for a trial.
fn zeros(spec: &TensorSpec, shape: &[u32], is_guess: bool) -> Option<Tensor> {
    const MAX_BYTES: u64 = 64 * 1024 * 1024;
    let bytes = elements(shape)?.checked_mul(spec.datatype.element_bytes()? as u64)?;
    if is_guess && bytes > MAX_BYTES {
        return None;
    }
    Some(Tensor {
        datatype: spec.datatype,
        shape: shape.to_vec(),
        data: vec![0; usize::try_from(bytes).ok()?],
    })
}
