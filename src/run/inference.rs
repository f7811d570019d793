//! The inference request that every wire form becomes: named tensors, and the requested outputs.

use std::num::NonZeroUsize;

use infer_model_card::ModelCard;

use crate::http::error::{ApiError, listed, quoted};
use crate::input::text::Texts;
use crate::tasks::{Inputs, Outputs};
use crate::tensor::Tensor;

/// An inference request, independent of its wire form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InferenceRequest {
    /// The client's id, which the response repeats.
    pub id: Option<String>,
    /// The inputs by name, each once, in the card's order.
    pub inputs: Vec<(String, Tensor)>,
    /// Texts instead of inputs.
    pub texts: Option<Texts>,
    /// The requested outputs, each at most once; empty requests all of them.
    pub outputs: Vec<RequestedOutput>,
    /// Whether outputs are bytes unless [`RequestedOutput::binary`] says otherwise.
    pub binary_output: bool,
}

/// A requested output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedOutput {
    /// The name of an output of the model.
    pub name: String,
    /// Whether the output is bytes; `None` for the request's default.
    pub binary: Option<bool>,
    /// The number of best classes to return instead of the tensor.
    pub classes: Option<NonZeroUsize>,
}

impl InferenceRequest {
    /// A request of texts and all outputs.
    #[must_use]
    pub fn of_texts(texts: Texts) -> Self {
        Self {
            texts: Some(texts),
            ..Self::default()
        }
    }

    /// A request of one tensor and all outputs.
    #[must_use]
    pub fn of(input: (String, Tensor)) -> Self {
        Self {
            inputs: vec![input],
            ..Self::default()
        }
    }
}

impl InferenceRequest {
    /// Take the inputs for a pipeline out of the request.
    #[must_use]
    pub fn take_inputs(&mut self) -> Inputs {
        Inputs {
            tensors: std::mem::take(&mut self.inputs),
            texts: self.texts.take(),
        }
    }

    /// The outputs that the response needs: all outputs if the request names some, else `default`.
    #[must_use]
    pub fn needed_outputs(&self, default: Outputs) -> Outputs {
        if self.outputs.is_empty() {
            default
        } else {
            Outputs::All
        }
    }
}

/// Check that the model has the outputs, and that none is repeated.
///
/// # Errors
/// 400, with the name of the output.
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
                "output {} is repeated, expected each output once",
                quoted(&output.name)
            )));
        }
    }
    Ok(())
}
