//! What every form of request becomes: named tensors in, and which outputs are wanted how.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use infer_model_card::{ModelCard, TensorSpec};

use crate::http::error::{ApiError, listed, quoted};
use crate::http::limits::{self, Limits, MAX_BATCH};
use crate::input::text::Texts;
use crate::tensor::Tensor;

/// A request, whatever form it came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InferenceRequest {
    /// Echoed in the answer.
    pub id: Option<String>,
    /// The inputs by name, each there once, in the card's order.
    pub inputs: Vec<(String, Tensor)>,
    /// Texts, in place of inputs.
    pub texts: Option<Texts>,
    /// The outputs that are asked for, each at most once; all when empty.
    pub outputs: Vec<RequestedOutput>,
    /// Whether an output is answered as bytes where nothing is said of it.
    pub binary_output: bool,
}

/// An output that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedOutput {
    /// One of the model's.
    pub name: String,
    /// Whether it is answered as bytes; as the request says for all when `None`.
    pub binary: Option<bool>,
    /// The number of best classes that are answered in place of the tensor.
    pub classes: Option<NonZeroUsize>,
}

impl InferenceRequest {
    /// A request of texts that wants everything.
    #[must_use]
    pub fn of_texts(texts: Texts) -> Self {
        Self {
            texts: Some(texts),
            ..Self::default()
        }
    }

    /// A request of one tensor that wants everything.
    #[must_use]
    pub fn of(input: (String, Tensor)) -> Self {
        Self {
            inputs: vec![input],
            ..Self::default()
        }
    }
}

/// The model's input of that name.
///
/// # Errors
/// 400, with the names that there are.
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

/// The model's only input; `what` is the form of request that needs one.
///
/// # Errors
/// 400 when the model has several.
pub fn only_input<'a>(card: &'a ModelCard, what: &str) -> Result<&'a TensorSpec, ApiError> {
    match card.inputs.as_slice() {
        [spec] => Ok(spec),
        inputs => Err(ApiError::invalid(format!(
            "{what} needs a model with one input, this one has {}: {}; name them",
            inputs.len(),
            input_names(card)
        ))),
    }
}

fn input_names(card: &ModelCard) -> String {
    listed(card.inputs.iter().map(|input| input.name.as_str()), "and")
}

/// The inputs in the card's order, each there once.
///
/// # Errors
/// 400 when one is missing.
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

/// Check that the model has the outputs, and that each is asked for once.
///
/// # Errors
/// 400, naming the output.
pub fn check_outputs(card: &ModelCard, outputs: &[RequestedOutput]) -> Result<(), ApiError> {
    for (index, output) in outputs.iter().enumerate() {
        if !card.outputs.iter().any(|spec| spec.name == output.name) {
            return Err(ApiError::invalid(format!(
                "there is no output {}; the model has {}",
                quoted(&output.name),
                listed(card.outputs.iter().map(|spec| spec.name.as_str()), "and")
            )));
        }
        if outputs[..index]
            .iter()
            .any(|before| before.name == output.name)
        {
            return Err(ApiError::invalid(format!(
                "output {} is asked for twice",
                quoted(&output.name)
            )));
        }
    }
    Ok(())
}

/// Check how many items are asked for at once: the first dimension of an input where the card leaves its
/// size open and there are others. Of a single open dimension nobody knows whether it is the batch.
///
/// # Errors
/// 413, naming the input and the setting.
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

/// The refusal of what came for an input.
#[must_use]
pub fn refused(spec: &TensorSpec, problem: impl std::fmt::Display) -> ApiError {
    ApiError::invalid(format!("input {}: {problem}", quoted(&spec.name)))
}
