//! Classification: labels with scores, best first.

pub mod scores;

use infer_model_card::{Activation, ClassificationSpec, Labels};
use serde_json::{Map, Value, json};

use super::parameters::{FUNCTION_TO_APPLY, Kind, Parameter, TOP_K};
use super::pipeline::{Call, NamedTensors, Outcome, Outputs, Pipeline, Runner, Schema, output};
use super::texts;
use crate::http::error::ApiError;
use crate::http::json::ToJson;
use crate::http::timing::Phase;
use scores::classify;

/// The pipeline of a classifier.
#[derive(Debug)]
pub(super) struct Classifier {
    spec: ClassificationSpec,
    /// Empty if the card names no label file.
    labels: Labels,
}

impl Classifier {
    pub(super) fn new(spec: ClassificationSpec, labels: Labels) -> Self {
        Self { spec, labels }
    }

    /// The graph's outputs; of texts only the classes, unless other outputs are wanted.
    fn run(&self, call: Call, runner: &mut dyn Runner) -> Result<NamedTensors, ApiError> {
        let Some(texts) = &call.inputs.texts else {
            return runner.run(call.inputs.tensors);
        };
        let classes_only = call.wanted.outputs == Outputs::Needed;
        let mut keep_classes = |_: &[usize], outputs: &mut NamedTensors| {
            if classes_only {
                outputs.retain(|(name, _)| *name == self.spec.output);
            }
            Ok(())
        };
        texts::run(call.card, texts, !classes_only, runner, &mut keep_classes)
    }
}

impl Pipeline for Classifier {
    fn parameters(&self) -> Vec<Parameter> {
        let top_k = Parameter {
            name: TOP_K,
            description: "The maximum number of classes per item, best first",
            kind: Kind::Integer {
                min: 1,
                max: u32::MAX,
                default: u32::try_from(self.spec.top_k).unwrap_or(u32::MAX),
            },
        };
        let function = Parameter {
            name: FUNCTION_TO_APPLY,
            description: "The function that turns the model's values into scores",
            kind: Kind::Choice {
                values: &["none", "softmax", "sigmoid"],
                default: match self.spec.activation {
                    Activation::None => "none",
                    Activation::Softmax => "softmax",
                    Activation::Sigmoid => "sigmoid",
                },
            },
        };
        vec![top_k, function]
    }

    fn infer(&self, call: Call, runner: &mut dyn Runner) -> Result<Outcome, ApiError> {
        let (wanted, top_k) = (call.wanted, call.values.integer(TOP_K));
        let activation = match call.values.text(FUNCTION_TO_APPLY) {
            "softmax" => Activation::Softmax,
            "sigmoid" => Activation::Sigmoid,
            _ => Activation::None,
        };
        let outputs = self.run(call, runner)?;
        if !wanted.predictions {
            return Ok(Outcome::tensors(outputs));
        }
        let predictions = runner.timing().measure(Phase::Encode, || {
            let classes = output(&outputs, &self.spec.output)?;
            let spec = ClassificationSpec {
                activation,
                ..self.spec.clone()
            };
            classify(classes, &spec, &self.labels, top_k)
        })?;
        Ok(Outcome {
            predictions: Some(Box::new(predictions) as Box<dyn ToJson>),
            drawing: None,
            outputs,
        })
    }

    fn labels(&self, output: &str) -> Option<&Labels> {
        (output == self.spec.output).then_some(&self.labels)
    }

    fn labels_file(&self, output: &str) -> Option<&str> {
        let file = self.spec.labels.as_deref();
        file.filter(|_| output == self.spec.output)
    }

    fn schema(&self) -> Option<Schema> {
        Some(Schema {
            name: "Prediction",
            value: json!({
                "type": "object",
                "required": ["label", "index", "score"],
                "additionalProperties": false,
                "properties": {
                    "label": { "type": "string" },
                    "index": { "type": "integer", "minimum": 0 },
                    "score": { "type": "number" },
                },
                "examples": [{ "label": "7", "index": 7, "score": 0.9981 }],
            }),
        })
    }

    fn description(&self) -> Map<String, Value> {
        let facts = json!({
            "output": self.spec.output, "labels": self.labels.len(), "top_k": self.spec.top_k,
        });
        Map::from_iter([("classification".to_owned(), facts)])
    }
}
