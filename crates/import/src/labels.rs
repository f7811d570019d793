//! `config.json`: what a model's classes are called, whether one of them is right or any number, and how
//! many tokens it reads.

use std::collections::BTreeMap;

use infer_model_card::{Activation, Labels};
use serde::Deserialize;
use serde_json::Value;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No JSON, or not of the form that `transformers` writes.
    #[error("`config.json` cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// The classes are not numbered from 0.
    #[error("`id2label` in `config.json` has {count} classes, but none is number {missing}")]
    Gap {
        /// How many it has.
        count: usize,
        /// The first number that is not there.
        missing: usize,
    },
    /// A label file has one label a line.
    #[error("label {index} of `id2label` is {label:?}, which is not one line of text")]
    Label {
        /// Its number.
        index: usize,
        /// As it stands there.
        label: String,
    },
}

/// What a `config.json` says that matters here; without one, classes exclude each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The architecture, for people; empty when it does not say.
    pub architecture: String,
    /// Whether the model was trained to classify.
    pub is_classifier: bool,
    /// The labels in the order of their numbers; empty when it has none.
    pub labels: Vec<String>,
    /// Softmax, or sigmoid where several classes can be right or there is one alone, as the pipelines of
    /// `transformers` have it.
    pub activation: Activation,
    /// How many tokens the model has positions for.
    pub max_tokens: Option<u32>,
    /// The token that fills up shorter texts.
    pub pad_token_id: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            architecture: String::new(),
            is_classifier: false,
            labels: Vec::new(),
            activation: Activation::Softmax,
            max_tokens: None,
            pad_token_id: None,
        }
    }
}

/// The architectures whose positions are counted from the filling token's number on, so that they have
/// fewer than their tables (`create_position_ids_from_input_ids` of `transformers`).
const COUNTS_FROM_PAD: [&str; 11] = [
    "camembert",
    "data2vec-text",
    "ibert",
    "longformer",
    "luke",
    "mpnet",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
];

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    architectures: Option<Vec<String>>,
    #[serde(default)]
    id2label: Option<BTreeMap<usize, String>>,
    #[serde(default)]
    problem_type: Option<String>,
    #[serde(default)]
    model_type: Option<String>,
    #[serde(default)]
    max_position_embeddings: Option<i64>,
    #[serde(default)]
    pad_token_id: Option<i64>,
}

impl Config {
    /// Read a `config.json`.
    ///
    /// # Errors
    /// When it is no JSON, or its labels are not numbered from 0 on.
    pub fn read(json: &str) -> Result<Self, ConfigError> {
        // An object first: serde would take a list for one as well.
        let object: serde_json::Map<String, Value> = serde_json::from_str(json)?;
        let file: File = serde_json::from_value(Value::Object(object))?;
        let architecture = file
            .architectures
            .and_then(|all| all.into_iter().next())
            .unwrap_or_default();
        let by_number = file.id2label.unwrap_or_default();
        let count = by_number.len();
        let mut labels = Vec::with_capacity(count);
        for (place, (index, label)) in by_number.into_iter().enumerate() {
            if index != place {
                return Err(ConfigError::Gap {
                    count,
                    missing: place,
                });
            }
            if label.trim().is_empty() || label.contains(['\n', '\r']) {
                return Err(ConfigError::Label { index, label });
            }
            labels.push(label);
        }
        let kind = file.model_type.unwrap_or_default();
        let used = if COUNTS_FROM_PAD.contains(&kind.as_str()) {
            file.pad_token_id.unwrap_or(1).saturating_add(1)
        } else {
            0
        };
        Ok(Self {
            is_classifier: ["ForImageClassification", "ForSequenceClassification"]
                .iter()
                .any(|suffix| architecture.contains(suffix)),
            architecture,
            activation: match file.problem_type.as_deref() {
                Some("regression") => Activation::None,
                Some("multi_label_classification") => Activation::Sigmoid,
                _ if labels.len() == 1 => Activation::Sigmoid,
                _ => Activation::Softmax,
            },
            labels,
            max_tokens: file
                .max_position_embeddings
                .map(|positions| positions.saturating_sub(used))
                .and_then(|positions| u32::try_from(positions).ok()),
            pad_token_id: file.pad_token_id.and_then(|id| u32::try_from(id).ok()),
        })
    }
}

/// The text of a label file.
#[must_use]
pub fn to_text(labels: &[String]) -> String {
    labels.iter().map(|label| format!("{label}\n")).collect()
}

/// How many labels a label file has.
///
/// # Errors
/// When it is none.
pub fn count(text: &str) -> Result<usize, infer_model_card::LabelsError> {
    Labels::parse(text).map(|labels| labels.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_as_numbers() {
        let numbered: Vec<String> = (0..12).map(|n| format!("\"{n}\": \"label {n}\"")).collect();
        let json = format!(
            r#"{{"architectures": ["ViTForImageClassification"], "id2label": {{{}}},
                "label2id": {{"label 0": "0"}}, "hidden_size": 8}}"#,
            numbered.join(",")
        );
        let config = Config::read(&json).unwrap();
        assert_eq!(config.labels[10], "label 10");
        assert_eq!(config.labels.len(), 12);
        assert!(config.is_classifier);
        assert_eq!(config.activation, Activation::Softmax);
        let multi = r#"{"problem_type": "multi_label_classification", "architectures": null}"#;
        let multi = Config::read(multi).unwrap();
        assert_eq!(multi.activation, Activation::Sigmoid);
        assert!(!multi.is_classifier);
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        let cases = [
            ("", "`config.json` cannot be read: EOF"),
            ("[]x", "`config.json` cannot be read: "),
            ("[]", "`config.json` cannot be read: invalid type: sequence"),
            (
                r#"{"id2label": {"0": "a", "2": "b"}}"#,
                "`id2label` in `config.json` has 2 classes, but none is number 1",
            ),
            (
                r#"{"id2label": {"x": "a"}}"#,
                "`config.json` cannot be read: ",
            ),
            (
                r#"{"id2label": {"0": 7}}"#,
                "`config.json` cannot be read: ",
            ),
            (
                r#"{"id2label": {"0": "a\nb"}}"#,
                "label 0 of `id2label` is \"a\\nb\", which is not one line of text",
            ),
            (
                r#"{"id2label": {"0": " "}}"#,
                "label 0 of `id2label` is \" \", which is not one line",
            ),
        ];
        for (json, expected) in cases {
            let message = Config::read(json).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{json}: {message}");
        }
    }
}
