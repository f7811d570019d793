//! `[token_classification]`: an output becomes entities in a text.

use serde::Deserialize;

use super::{Input, Section, SectionKeys, TaskName};
use crate::card::{check_file_name, float_output};
use crate::{CardError, ModelCard};

/// How an output becomes entities: spans of a text with a label.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct TokenClassificationSpec {
    /// The output with one value per class and token, shape `[batch, tokens, classes]`.
    pub output: String,
    /// A file in the model's folder with one label per line, such as `O`, `B-PER` and `I-PER`.
    #[serde(default)]
    pub labels: Option<String>,
    /// How tokens become entities, unless the request sets `aggregation_strategy`.
    #[serde(default)]
    pub aggregation_strategy: AggregationStrategy,
    /// Labels that are left out, unless the request sets `ignore_labels`.
    #[serde(default = "default_ignore_labels")]
    pub ignore_labels: Vec<String>,
    /// The number of tokens that two parts of a text longer than the model share, unless the request sets `stride`.
    #[serde(default = "default_stride")]
    pub stride: u32,
}

/// How tokens become entities, as in `TokenClassificationPipeline` of `transformers`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AggregationStrategy {
    /// Each token is an entity.
    None,
    /// Neighboring tokens of one label are one entity.
    #[default]
    Simple,
    /// A word has the label of its first token.
    First,
    /// A word has the label of its tokens' mean scores.
    Average,
    /// A word has the label of the token with the greatest score.
    Max,
}

impl AggregationStrategy {
    /// Every name, as the card and `transformers` have it.
    pub const NAMES: [&'static str; 5] = ["none", "simple", "first", "average", "max"];

    /// The strategy of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "none" => Self::None,
            "simple" => Self::Simple,
            "first" => Self::First,
            "average" => Self::Average,
            "max" => Self::Max,
            _ => return None,
        })
    }

    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Simple => "simple",
            Self::First => "first",
            Self::Average => "average",
            Self::Max => "max",
        }
    }
}

fn default_ignore_labels() -> Vec<String> {
    vec!["O".to_owned()]
}

fn default_stride() -> u32 {
    32
}

impl SectionKeys for TokenClassificationSpec {
    const KEYS: &'static [&'static str] = &[
        "aggregation_strategy",
        "ignore_labels",
        "labels",
        "output",
        "stride",
    ];
    const NAMES: &'static [TaskName] = &[TaskName("token-classification", Input::Text)];
}

impl Section for TokenClassificationSpec {
    fn check(&self, card: &ModelCard) -> Result<(), CardError> {
        let Some(text) = &card.text else {
            return Err(CardError::value(
                "[token_classification]",
                "needs the section `[text]`",
            ));
        };
        if !text.prompt.is_empty() {
            return Err(CardError::value(
                "[text] `prompt`",
                "does not go with `[token_classification]`, whose entities have places in the text as sent; leave it out",
            ));
        }
        let output = float_output(card, "[token_classification] `output`", &self.output)?;
        if output.shape.len() != 3 {
            return Err(CardError::value(
                "[token_classification] `output`",
                format!(
                    "`{}` has shape {:?}, expected [batch, tokens, classes]",
                    output.name, output.shape
                ),
            ));
        }
        match &self.labels {
            Some(file) => check_file_name("[token_classification] `labels`", file),
            None => Ok(()),
        }
    }

    fn labels_file(&self) -> Option<&str> {
        self.labels.as_deref()
    }
}
