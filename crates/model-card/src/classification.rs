//! `[classification]`: how an output becomes labels and scores.

use serde::Deserialize;

use crate::card::{check_file, float_output};
use crate::{CardError, ModelCard};

/// How an output becomes labels and scores.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ClassificationSpec {
    /// The output with one value a class in its last dimension.
    pub output: String,
    /// What turns its values into scores.
    #[serde(default)]
    pub activation: Activation,
    /// A file in the model's folder with one label a line.
    #[serde(default)]
    pub labels: Option<String>,
    /// How many classes an answer names when the request does not say.
    #[serde(default = "five")]
    pub top_k: usize,
}

fn five() -> usize {
    5
}

/// What turns an output's values into scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// The values are the scores.
    #[default]
    None,
    /// `exp(x_i) / sum_j exp(x_j)` over the classes: one of them is right.
    Softmax,
    /// `1 / (1 + exp(-x_i))` for each class: any number of them is right.
    Sigmoid,
}

impl ModelCard {
    pub(crate) fn check_classification(&self, spec: &ClassificationSpec) -> Result<(), CardError> {
        let place = |key: &str| format!("[classification] `{key}`");
        let output = float_output(self, &place("output"), &spec.output)?;
        if output.shape.is_empty() {
            return Err(CardError::value(
                place("output"),
                format!("`{}` is a scalar, expected one value a class", output.name),
            ));
        }
        if spec.top_k == 0 {
            return Err(CardError::value(
                place("top_k"),
                "expected 1 or more, came 0",
            ));
        }
        match &spec.labels {
            Some(file) => check_file(&place("labels"), file),
            None => Ok(()),
        }
    }
}
