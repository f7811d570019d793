//! The inputs of a request, by name, checked against a model card.

use std::collections::BTreeMap;

use infer_model_card::{ModelCard, TensorSpec};

use super::Tensor;
use crate::http::error::{ApiError, listed, quoted};
use crate::http::limits::{self, Limits, MAX_BATCH};

/// The input of a name.
///
/// # Errors
/// 400, with the names of the inputs.
pub fn known_input<'a>(card: &'a ModelCard, name: &str) -> Result<&'a TensorSpec, ApiError> {
    card.inputs
        .iter()
        .find(|spec| spec.name == name)
        .ok_or_else(|| {
            ApiError::invalid(format!(
                "there is no input {}; the model has {}",
                quoted(name),
                input_names(card)
            ))
        })
}

/// The only input of a model; `form` is the form of request that needs a single input.
///
/// # Errors
/// 400 if the model has several.
pub fn only_input<'a>(card: &'a ModelCard, form: &str) -> Result<&'a TensorSpec, ApiError> {
    match card.inputs.as_slice() {
        [spec] => Ok(spec),
        inputs => Err(ApiError::invalid(format!(
            "{form} needs a model with one input, this one has {}: {}; name them",
            inputs.len(),
            input_names(card)
        ))),
    }
}

fn input_names(card: &ModelCard) -> String {
    listed(card.inputs.iter().map(|input| input.name.as_str()), "and")
}

/// Order tensors like the inputs of the card.
///
/// # Errors
/// 400 if an input is missing.
pub fn in_order(
    card: &ModelCard,
    mut tensors: BTreeMap<String, Tensor>,
) -> Result<Vec<(String, Tensor)>, ApiError> {
    card.inputs
        .iter()
        .map(|spec| {
            tensors.remove_entry(&spec.name).ok_or_else(|| {
                ApiError::invalid(format!(
                    "input {} is missing; the model needs {}",
                    quoted(&spec.name),
                    input_names(card)
                ))
            })
        })
        .collect()
}

/// Check the number of items: the first dimension of an input, if it is free and not the only dimension. A single free
/// dimension may be something else than the batch.
///
/// # Errors
/// 413, with the names of the input and the setting.
pub fn check_batch(
    card: &ModelCard,
    inputs: &[(String, Tensor)],
    limits: &Limits,
) -> Result<(), ApiError> {
    for (name, tensor) in inputs {
        let spec = card.inputs.iter().find(|spec| spec.name == *name);
        let is_batch = spec.is_some_and(|spec| matches!(spec.shape.as_slice(), [-1, _, ..]));
        let items = tensor.shape.first().copied().unwrap_or_default();
        if is_batch && u64::from(items) > limits.max_batch {
            return Err(limits::exceeded(
                format_args!(
                    "input {}: {items} items, expected at most {}",
                    quoted(name),
                    limits.max_batch
                ),
                MAX_BATCH,
            ));
        }
    }
    Ok(())
}

/// The error of an input.
#[must_use]
pub fn refused(spec: &TensorSpec, problem: impl std::fmt::Display) -> ApiError {
    ApiError::invalid(format!("input {}: {problem}", quoted(&spec.name)))
}
