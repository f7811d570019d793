//! `[zero_shot]`: a model of textual entailment scores labels that a request or the card gives.

use serde::Deserialize;

use super::{Input, Section, SectionKeys, TaskName};
use crate::card::{check_file_name, float_output};
use crate::{CardError, ModelCard};

/// How a model of textual entailment scores any labels.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ZeroShotSpec {
    /// The output with one value per class of entailment, shape `[batch, classes]`.
    pub output: String,
    /// The class of entailment, from 0.
    pub entailment: u32,
    /// The class of contradiction, from 0.
    pub contradiction: u32,
    /// The hypothesis of a label, which stands for `{}`, unless the request sets `hypothesis_template`.
    #[serde(default = "default_hypothesis_template")]
    pub hypothesis_template: String,
    /// Labels, one per line, of requests that give none: a file in the model's folder.
    #[serde(default)]
    pub labels: Option<String>,
    /// Whether several labels can be right, unless the request sets `multi_label`.
    #[serde(default)]
    pub multi_label: bool,
}

fn default_hypothesis_template() -> String {
    "This example is {}.".to_owned()
}

impl SectionKeys for ZeroShotSpec {
    const KEYS: &'static [&'static str] = &[
        "contradiction",
        "entailment",
        "hypothesis_template",
        "labels",
        "multi_label",
        "output",
    ];
    const NAMES: &'static [TaskName] = &[TaskName("zero-shot-classification", Input::Text)];
}

impl Section for ZeroShotSpec {
    fn check(&self, card: &ModelCard) -> Result<(), CardError> {
        if card.text.is_none() {
            return Err(CardError::value(
                "[zero_shot]",
                "needs the section `[text]`",
            ));
        }
        let output = float_output(card, "[zero_shot] `output`", &self.output)?;
        if output.shape.len() != 2 {
            return Err(CardError::value(
                "[zero_shot] `output`",
                format!(
                    "`{}` has shape {:?}, expected [batch, classes]",
                    output.name, output.shape
                ),
            ));
        }
        let classes = output.shape.get(1).copied().unwrap_or(-1);
        for (key, class) in [
            ("entailment", self.entailment),
            ("contradiction", self.contradiction),
        ] {
            if classes != -1 && i64::from(class) >= classes {
                return Err(CardError::value(
                    format!("[zero_shot] `{key}`"),
                    format!("is class {class}, but `{}` has {classes}", self.output),
                ));
            }
        }
        if self.entailment == self.contradiction {
            return Err(CardError::value(
                "[zero_shot] `contradiction`",
                format!("is class {}, which is `entailment` too", self.contradiction),
            ));
        }
        if !self.hypothesis_template.contains("{}") {
            return Err(CardError::value(
                "[zero_shot] `hypothesis_template`",
                "has no `{}`, where the label goes",
            ));
        }
        match &self.labels {
            Some(file) => check_file_name("[zero_shot] `labels`", file),
            None => Ok(()),
        }
    }

    fn labels_file(&self) -> Option<&str> {
        self.labels.as_deref()
    }
}
