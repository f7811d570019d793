//! Liveness and readiness. A model is ready when it has computed: its graph is run once, on zeros.

use infer_model_card::{ModelCard, TensorSpec};
use serde::Serialize;

use crate::catalog::{Model, Models};
use crate::http::error::{ApiError, ErrorKind};
use crate::http::response::Response;
use crate::http::timing::Timing;
use crate::protocols::oip::response;
use crate::run::compute;
use crate::run::nn::Backend;
use crate::tensor::{Tensor, elements};

/// `GET /v2/health/live`
///
/// # Errors
/// None that can be.
pub fn live() -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Live {
        live: bool,
    }
    response::json(&Live { live: true })
}

/// `GET /v2/health/ready`: whether every model is.
///
/// # Errors
/// 503, naming the first that is not.
pub fn server_ready(models: &Models, backend: &dyn Backend) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Ready {
        ready: bool,
    }
    for model in models.all() {
        check(model, backend)?;
    }
    response::json(&Ready { ready: true })
}

/// `GET /v2/models/{model}/ready`
///
/// # Errors
/// 503 when it is not.
pub fn model_ready(model: &Model, backend: &dyn Backend) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Ready<'a> {
        name: &'a str,
        ready: bool,
    }
    check(model, backend)?;
    response::json(&Ready {
        name: model.name.as_str(),
        ready: true,
    })
}

/// Run a model on zeros.
///
/// # Errors
/// 503 when it cannot compute; the cause is logged.
pub fn check(model: &Model, backend: &dyn Backend) -> Result<(), ApiError> {
    let mut cause = None;
    for inputs in trials(&model.card) {
        match compute::run(model, inputs, backend, &mut Timing::default()) {
            Ok(_) => return Ok(()),
            Err(error) => cause = Some(error),
        }
    }
    // Where nobody knows how large an item is, no trial proves anything but that the graph is there.
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

/// Zeros for every input. A free first dimension is a batch of one, an image has the size that the card
/// prepares, and other free dimensions are as the card's `example_shape` has them; where it has none, a few
/// sizes are tried.
fn trials(card: &ModelCard) -> Vec<Vec<(String, Tensor)>> {
    /// A lone item, the least that most convolutions take, and the size of most pictures.
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
                    Some((spec.name.clone(), zeros(spec, &shape, *size > 1)?))
                })
                .collect()
        })
        .collect()
}

/// Whether the card leaves open how large an item of the batch is.
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

/// `None` when no tensor has that shape, or when it is a guess larger than a trial is worth.
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
