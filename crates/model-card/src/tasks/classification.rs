//! `[classification]`: an output becomes labels and scores.

use serde::Deserialize;

use super::{Input, Section, SectionKeys, TaskName};
use crate::card::{check_file_name, float_output};
use crate::{CardError, ModelCard};

/// How an output becomes labels and scores.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ClassificationSpec {
    /// The output whose last dimension has one value per class; FP32 or FP16.
    pub output: String,
    /// The function that turns these values into scores.
    #[serde(default)]
    pub activation: Activation,
    /// A file in the model's folder with one label per line.
    #[serde(default)]
    pub labels: Option<String>,
    /// The number of classes in a response, unless the request sets `top_k`.
    #[serde(default = "default_top_k")]
    pub top_k: usize,
}

fn default_top_k() -> usize {
    5
}

/// The function that turns an output's values into scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// The values are the scores.
    #[default]
    None,
    /// `exp(x_i) / sum_j exp(x_j)` over the classes: exactly one class is right.
    Softmax,
    /// `1 / (1 + exp(-x_i))` for each class: any number of classes is right.
    Sigmoid,
}

impl SectionKeys for ClassificationSpec {
    const KEYS: &'static [&'static str] = &["activation", "labels", "output", "top_k"];
    const NAMES: &'static [TaskName] = &[
        TaskName("image-classification", Input::Image),
        TaskName("text-classification", Input::Text),
        TaskName("tabular-classification", Input::Table),
        TaskName("audio-classification", Input::Audio),
    ];
}

impl Section for ClassificationSpec {
    fn check(&self, card: &ModelCard) -> Result<(), CardError> {
        let place = |key: &str| format!("[classification] `{key}`");
        let output = float_output(card, &place("output"), &self.output)?;
        if output.shape.is_empty() {
            return Err(CardError::value(
                place("output"),
                format!(
                    "`{}` is a scalar, expected one value per class",
                    output.name
                ),
            ));
        }
        if self.top_k == 0 {
            return Err(CardError::value(
                place("top_k"),
                "expected 1 or more, got 0",
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
