//! `config.json`: a model's labels, its activation, and the maximum number of tokens.

use std::collections::BTreeMap;

use infer_model_card::{Activation, Labels};
use serde::Deserialize;
use serde_json::Value;

/// A `config.json` that is not valid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is not JSON, or not in the format of `transformers`.
    #[error("`config.json` cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// The classes are not numbered from 0.
    #[error(
        "`id2label` in `config.json` has {count} classes, but class {missing} is missing; expected classes \
         numbered from 0"
    )]
    Gap {
        /// The number of classes.
        count: usize,
        /// The first missing class.
        missing: usize,
    },
    /// A label does not fit into a label file, which has one label per line.
    #[error("label {index} of `id2label` is {label:?}, expected one line of text")]
    Label {
        /// The class.
        index: usize,
        /// The label.
        label: String,
    },
}

/// The settings in a `config.json`. Without the file the activation is softmax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The architecture, for the description; empty if the file names none.
    pub architecture: String,
    /// The type of the model as `transformers` names it; empty if the file names none.
    pub model_type: String,
    /// The samples of a frame of speech, from `conv_stride`.
    pub samples_per_frame: Option<u32>,
    /// Whether the model is a classifier.
    pub is_classifier: bool,
    /// The labels in the order of the classes; may be empty.
    pub labels: Vec<String>,
    /// Softmax, or sigmoid if several classes can be right or there is only one, like the pipelines of
    /// `transformers`.
    pub activation: Activation,
    /// The number of tokens that the model has positions for.
    pub max_tokens: Option<u32>,
    /// The padding token.
    pub pad_token_id: Option<u32>,
    /// The model that this one was made of, as its files name it; may be empty.
    pub base: String,
    /// The activation of a cross-encoder, by the name of its class in Python, if `sentence-transformers` wrote the file.
    pub cross_encoder: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            architecture: String::new(),
            model_type: String::new(),
            samples_per_frame: None,
            is_classifier: false,
            labels: Vec::new(),
            activation: Activation::Softmax,
            max_tokens: None,
            pad_token_id: None,
            base: String::new(),
            cross_encoder: None,
        }
    }
}

/// Architectures whose positions start after the padding token's id, so that they have fewer positions than
/// their tables (`create_position_ids_from_input_ids` of `transformers`).
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
    #[serde(default, rename = "_name_or_path")]
    base: Option<String>,
    /// Of `sentence-transformers` before version 4.
    #[serde(default)]
    sbert_ce_default_activation_function: Option<String>,
    #[serde(default)]
    sentence_transformers: Option<SentenceTransformers>,
    #[serde(default)]
    conv_stride: Value,
}

/// What `sentence-transformers` adds to the file of a cross-encoder.
#[derive(Deserialize)]
struct SentenceTransformers {
    #[serde(default)]
    activation_fn: Option<String>,
}

impl Config {
    /// Parse a `config.json`.
    ///
    /// # Errors
    /// When it is not a JSON object, or when its classes are not numbered from 0.
    pub fn read(json: &str) -> Result<Self, ConfigError> {
        // An object first, because serde would accept a list as well.
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
            is_classifier: [
                "ForAudioClassification",
                "ForImageClassification",
                "ForSequenceClassification",
            ]
            .iter()
            .any(|suffix| architecture.contains(suffix)),
            architecture,
            samples_per_frame: file
                .conv_stride
                .as_array()
                .filter(|strides| !strides.is_empty())
                .and_then(|strides| {
                    strides.iter().try_fold(1_u32, |product, stride| {
                        product.checked_mul(u32::try_from(stride.as_u64()?).ok()?)
                    })
                })
                .filter(|samples| *samples > 0),
            model_type: kind,
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
            base: file.base.unwrap_or_default(),
            cross_encoder: match file.sentence_transformers {
                Some(member) => Some(member.activation_fn.unwrap_or_default()),
                None => file.sbert_ce_default_activation_function,
            },
        })
    }
}

/// The text of a label file.
#[must_use]
pub fn to_text(labels: &[String]) -> String {
    labels.iter().map(|label| format!("{label}\n")).collect()
}

/// The number of labels in a label file.
///
/// # Errors
/// When it is not a label file.
pub fn count(text: &str) -> Result<usize, infer_model_card::LabelsError> {
    Labels::parse(text).map(|labels| labels.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_ordered_by_class() {
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
    fn invalid_configurations_are_rejected() {
        let cases = [
            ("", "`config.json` cannot be read: EOF"),
            ("[]x", "`config.json` cannot be read: "),
            ("[]", "`config.json` cannot be read: invalid type: sequence"),
            (
                r#"{"id2label": {"0": "a", "2": "b"}}"#,
                "`id2label` in `config.json` has 2 classes, but class 1 is missing; expected classes numbered \
                 from 0",
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
                "label 0 of `id2label` is \"a\\nb\", expected one line of text",
            ),
            (
                r#"{"id2label": {"0": " "}}"#,
                "label 0 of `id2label` is \" \", expected one line",
            ),
        ];
        for (json, expected) in cases {
            let message = Config::read(json).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{json}: {message}");
        }
    }
}
