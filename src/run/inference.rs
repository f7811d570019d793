//! The inference request that every wire form becomes: named tensors, and the requested outputs.

use std::num::NonZeroUsize;

use infer_model_card::ModelCard;

use crate::catalog::Model;
use crate::http::error::{ApiError, listed, quoted};
use crate::http::limits::Limits;
use crate::input::accepts::Accepts;
use crate::input::content::{Content, EncodedImage, EncodedSound, Form};
use crate::input::images;
use crate::input::sounds;
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
    /// Content that the task prepares, instead of inputs.
    pub content: Option<Content>,
    /// The requested outputs, each at most once; empty requests all of them.
    pub outputs: Vec<RequestedOutput>,
    /// The requested output [`PREDICTIONS`], which is not among `outputs`.
    pub predictions: Option<RequestedOutput>,
    /// Whether outputs are bytes unless [`RequestedOutput::binary`] says otherwise.
    pub binary_output: bool,
}

/// The name of the output that has the predictions of a model's task: BYTES of shape `[n]`, one JSON text for each item.
pub const PREDICTIONS: &str = "predictions";

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

impl RequestedOutput {
    /// The output [`PREDICTIONS`].
    #[must_use]
    pub fn predictions() -> Self {
        Self {
            name: PREDICTIONS.to_owned(),
            binary: None,
            classes: None,
        }
    }
}

/// Whether a model's task makes predictions, which an output of the graph does not hide.
#[must_use]
pub fn has_predictions(model: &Model) -> bool {
    let outputs = &model.card.outputs;
    model.pipeline.schema().is_some() && outputs.iter().all(|spec| spec.name != PREDICTIONS)
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

    /// A request of content that the task prepares.
    #[must_use]
    pub fn of_content(content: Content) -> Self {
        Self {
            content: Some(content),
            ..Self::default()
        }
    }

    /// A request of encoded images, which become a tensor unless the task prepares them.
    ///
    /// # Errors
    /// Those of [`images::prepare`].
    pub fn of_images(
        images: Vec<EncodedImage>,
        accepts: Accepts,
        limits: &Limits,
    ) -> Result<Self, ApiError> {
        if accepts.form == Form::Images {
            return Ok(Self::of_content(Content::Images(images)));
        }
        let prepared = images::prepare(&images, accepts, limits)?;
        Ok(Self {
            inputs: prepared.inputs,
            ..Self::default()
        })
    }

    /// A request of encoded sounds, which become a tensor unless the task prepares them.
    ///
    /// # Errors
    /// Those of [`sounds::prepare`].
    pub fn of_sounds(
        sounds: Vec<EncodedSound>,
        accepts: Accepts,
        limits: &Limits,
    ) -> Result<Self, ApiError> {
        if accepts.form == Form::Sounds {
            return Ok(Self::of_content(Content::Sounds(sounds)));
        }
        Ok(Self {
            inputs: sounds::prepare(&sounds, accepts, limits)?,
            ..Self::default()
        })
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
            content: self.content.take(),
        }
    }

    /// The outputs that the response needs: all outputs if the request names some, none but what predictions are made of if
    /// it names those alone, else `default`.
    #[must_use]
    pub fn needed_outputs(&self, default: Outputs) -> Outputs {
        if self.outputs.is_empty() && self.predictions.is_some() {
            Outputs::Needed
        } else if self.outputs.is_empty() {
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
