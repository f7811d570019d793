//! Zero-shot image classification: the scores of any labels for an image, by a model of images and texts.

use std::borrow::Cow;

use infer_model_card::{Labels, ZeroShotImageSpec};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::parameters::{HYPOTHESIS_TEMPLATE, Kind, LABELS, Parameter};
use super::pipeline::{Call, Outcome, Pipeline, Runner, Schema, output};
use super::scores::{activate, best, check_finite};
use crate::http::error::ApiError;
use crate::http::json::ToJson;
use crate::http::timing::Phase;
use crate::input::content::{Content, Form};
use crate::input::text::batches::whole;
use crate::input::{images, text};
use crate::tensor::array;

/// The most labels of a request: the model reads each of them for each request.
const MAX_LABELS: usize = 200;

/// The pipeline of a model of images and texts.
#[derive(Debug)]
pub(super) struct ZeroShotImages {
    spec: ZeroShotImageSpec,
    labels: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Prediction {
    label: String,
    score: f32,
}

impl ZeroShotImages {
    pub(super) fn new(spec: ZeroShotImageSpec, labels: &Labels) -> Self {
        Self {
            spec,
            labels: labels.iter().map(str::to_owned).collect(),
        }
    }
}

impl Pipeline for ZeroShotImages {
    fn form(&self) -> Form {
        Form::Images
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![
            Parameter {
                name: LABELS,
                description: "The labels to choose from",
                kind: Kind::Texts {
                    min: 1,
                    max: MAX_LABELS,
                    default: self.labels.clone(),
                },
            },
            Parameter {
                name: HYPOTHESIS_TEMPLATE,
                description: "The text of a label, which stands for `{}`",
                kind: Kind::Text {
                    default: self.spec.hypothesis_template.clone(),
                },
            },
        ]
    }

    fn infer(&self, call: Call, runner: &mut dyn Runner) -> Result<Outcome, ApiError> {
        let Some(Content::Images(pictures)) = &call.inputs.content else {
            return Ok(Outcome::tensors(runner.run(call.inputs.tensors)?));
        };
        let labels = call.values.texts(LABELS);
        let template = call.values.text(HYPOTHESIS_TEMPLATE);
        if labels.is_empty() {
            return Err(ApiError::invalid(
                "there are no labels to choose from; send them as `parameters.labels`, a list of texts",
            )
            .of_param(LABELS));
        }
        if !template.contains("{}") {
            return Err(ApiError::invalid(
                "`hypothesis_template` has no `{}`, where the label goes",
            )
            .of_param(HYPOTHESIS_TEMPLATE));
        }
        let inputs = runner.timing().measure(Phase::Decode, || {
            let texts: Vec<Cow<str>> = labels
                .iter()
                .map(|label| Cow::Owned(template.replace("{}", label)))
                .collect();
            let texts = text::encode(call.accepts, &texts, None, call.limits)?;
            let mut inputs = images::prepare(pictures, call.accepts, call.limits)?.inputs;
            inputs.extend(whole(&texts, call.card, self.spec.pad_to_max)?);
            // In the card's order, as the graph takes them.
            let place = |name: &str| call.card.inputs.iter().position(|input| input.name == name);
            inputs.sort_by_key(|(name, _)| place(name));
            Ok::<_, ApiError>(inputs)
        })?;
        let outputs = runner.run(inputs)?;
        if !call.wanted.predictions {
            return Ok(Outcome::tensors(outputs));
        }
        let predictions = runner.timing().measure(Phase::Encode, || {
            let name = &self.spec.output;
            let values = array::floats(output(&outputs, name)?)?;
            if values.shape() != [pictures.len(), labels.len()] {
                return Err(ApiError::internal(format!(
                    "output `{name}` has shape {:?} for {} images and {} texts",
                    values.shape(),
                    pictures.len(),
                    labels.len()
                )));
            }
            let rows = values.rows().into_iter().map(|row| {
                let mut scores = row.to_vec();
                activate(&mut scores, self.spec.activation);
                check_finite(name, "label", &scores)?;
                let scored = best(&scores, scores.len()).into_iter();
                Ok(scored
                    .map(|place| Prediction {
                        label: labels[place].clone(),
                        score: scores[place],
                    })
                    .collect::<Vec<_>>())
            });
            rows.collect::<Result<Vec<_>, _>>()
        })?;
        Ok(Outcome {
            predictions: Some(Box::new(predictions) as Box<dyn ToJson>),
            drawing: None,
            outputs,
        })
    }

    fn schema(&self) -> Option<Schema> {
        Some(Schema {
            name: "LabelScore",
            value: json!({
                "type": "object",
                "required": ["label", "score"],
                "additionalProperties": false,
                "properties": { "label": { "type": "string" }, "score": { "type": "number" } },
            }),
        })
    }

    fn description(&self) -> Map<String, Value> {
        let facts =
            json!({ "labels": self.labels, "hypothesis_template": self.spec.hypothesis_template });
        Map::from_iter([("zero_shot".to_owned(), facts)])
    }
}
