//! `[zero_shot_image]`: a model of images and texts scores labels that a request or the card gives.

use serde::Deserialize;

use super::{Input, Section, SectionKeys, TaskName};
use crate::card::{check_file_name, float_output};
use crate::{Activation, CardError, ModelCard};

/// How a model of images and texts, such as CLIP and SigLIP, scores any labels.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ZeroShotImageSpec {
    /// The output with one value per image and text, shape `[images, texts]`.
    pub output: String,
    /// The function that turns values into scores: `softmax` over the labels for CLIP, `sigmoid` for SigLIP.
    #[serde(default = "default_activation")]
    pub activation: Activation,
    /// The text of a label, which stands for `{}`, unless the request sets `hypothesis_template`.
    #[serde(default = "default_hypothesis_template")]
    pub hypothesis_template: String,
    /// Labels, one per line, of requests that give none: a file in the model's folder.
    #[serde(default)]
    pub labels: Option<String>,
    /// Whether texts are padded to `max_tokens`, as SigLIP was trained; otherwise to the longest.
    #[serde(default)]
    pub pad_to_max: bool,
}

fn default_activation() -> Activation {
    Activation::Softmax
}

fn default_hypothesis_template() -> String {
    "This is a photo of {}.".to_owned()
}

impl SectionKeys for ZeroShotImageSpec {
    const KEYS: &'static [&'static str] = &[
        "activation",
        "hypothesis_template",
        "labels",
        "output",
        "pad_to_max",
    ];
    const NAMES: &'static [TaskName] = &[TaskName("zero-shot-image-classification", Input::Image)];
}

impl Section for ZeroShotImageSpec {
    fn check(&self, card: &ModelCard) -> Result<(), CardError> {
        if card.image.is_none() || card.text.is_none() {
            return Err(CardError::value(
                "[zero_shot_image]",
                "needs the sections `[image]` and `[text]`",
            ));
        }
        let place = |key: &str| format!("[zero_shot_image] `{key}`");
        let output = float_output(card, &place("output"), &self.output)?;
        if output.shape.len() != 2 {
            return Err(CardError::value(
                place("output"),
                format!(
                    "`{}` has shape {:?}, expected [images, texts]",
                    output.name, output.shape
                ),
            ));
        }
        if !self.hypothesis_template.contains("{}") {
            return Err(CardError::value(
                place("hypothesis_template"),
                "has no `{}`, where the label goes",
            ));
        }
        match &self.labels {
            Some(file) => check_file_name(&place("labels"), file),
            None => Ok(()),
        }
    }

    fn labels_file(&self) -> Option<&str> {
        self.labels.as_deref()
    }
}
