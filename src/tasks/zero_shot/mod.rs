//! Zero-shot classification: a model of textual entailment scores any labels, as in `ZeroShotClassificationPipeline` of
//! `transformers`.

use infer_model_card::{Labels, ZeroShotSpec};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::parameters::{HYPOTHESIS_TEMPLATE, Kind, LABELS, MULTI_LABEL, Parameter};
use super::parts::{self, ItemPart};
use super::pipeline::{Call, Hints, Outcome, Pipeline, Runner, Schema};
use super::rows::Row;
use super::scores::{best, check_finite, softmax};
use super::texts::{self, not_encoded, which};
use crate::http::error::{ApiError, quoted};
use crate::input::content::{Content, Form};
use crate::input::text::Encoder;
use crate::input::text::parts::Piece;

/// The most labels of a request. Each is an inference for each text.
const MAX_LABELS: usize = 1000;

/// The place of the label in a template.
const PLACE: &str = "{}";

/// The pipeline of a model of textual entailment.
#[derive(Debug)]
pub(super) struct ZeroShot {
    spec: ZeroShotSpec,
    /// Labels of requests that give none.
    labels: Vec<String>,
}

/// A label with its score.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Scored {
    label: String,
    score: f32,
}

/// The values of entailment and contradiction for a label.
#[derive(Clone, Copy)]
struct Entailment {
    yes: f32,
    no: f32,
}

impl ZeroShot {
    pub(super) fn new(spec: ZeroShotSpec, labels: &Labels) -> Self {
        Self {
            spec,
            labels: labels.iter().map(str::to_owned).collect(),
        }
    }

    fn classify(
        &self,
        call: &Call,
        sent: &[String],
        runner: &mut dyn Runner,
    ) -> Result<Outcome, ApiError> {
        let encoder = texts::encoder(call)?;
        let labels = call.values.texts(LABELS);
        let hypotheses = hypotheses(encoder, labels, call.values.text(HYPOTHESIS_TEMPLATE))?;
        let divide = |item: usize| {
            let text = sent.get(item).map_or("", String::as_str);
            let which = which("text", item, sent.len());
            pairs(encoder, item, text, &hypotheses).map_err(|reason| not_encoded(&which, &reason))
        };
        let mut values: Vec<Vec<Entailment>> = vec![Vec::new(); sent.len()];
        let mut each = |part: &ItemPart, row: &Row| {
            if let Some(values) = values.get_mut(part.item) {
                values.push(self.entailment(row)?);
            }
            Ok(())
        };
        let outputs = parts::run(call, sent.len(), &divide, runner, &mut each)?;
        let mut predictions = Vec::new();
        if call.wanted.predictions {
            let is_multi = call.values.flag(MULTI_LABEL) || labels.len() == 1;
            for values in values {
                let scores = scores(&values, is_multi);
                check_finite(&self.spec.output, "label", &scores)?;
                let scored = best(&scores, scores.len()).into_iter();
                let scored = scored.filter_map(|place| {
                    Some(Scored {
                        label: labels.get(place)?.clone(),
                        score: *scores.get(place)?,
                    })
                });
                predictions.push(scored.collect::<Vec<_>>());
            }
        }
        Ok(Outcome {
            predictions: texts::wanted(call, predictions),
            drawing: None,
            outputs,
        })
    }

    fn entailment(&self, row: &Row) -> Result<Entailment, ApiError> {
        let values = row.values(&self.spec.output)?;
        let class = |class: u32| {
            values.get(class as usize).copied().ok_or_else(|| {
                ApiError::internal(format!(
                    "output `{}` has {} classes, and class {class} is in the card",
                    self.spec.output,
                    values.len()
                ))
            })
        };
        Ok(Entailment {
            yes: class(self.spec.entailment)?,
            no: class(self.spec.contradiction)?,
        })
    }
}

/// The score of each label: of its entailment against its contradiction if several labels can be right, else of its entailment
/// against the other labels'.
fn scores(values: &[Entailment], is_multi: bool) -> Vec<f32> {
    if is_multi {
        let of_label = |value: &Entailment| {
            let mut pair = [value.yes, value.no];
            softmax(&mut pair);
            let [yes, _] = pair;
            yes
        };
        return values.iter().map(of_label).collect();
    }
    let mut scores: Vec<f32> = values.iter().map(|value| value.yes).collect();
    softmax(&mut scores);
    scores
}

/// The hypothesis of each label.
fn hypotheses(
    encoder: &Encoder,
    labels: &[String],
    template: &str,
) -> Result<Vec<Piece>, ApiError> {
    if labels.is_empty() {
        return Err(ApiError::invalid(
            "the model has no labels of its own; send `parameters.labels`, a list of the labels to choose from",
        )
        .of_param(LABELS));
    }
    if !template.contains(PLACE) {
        return Err(ApiError::invalid(format!(
            "`{HYPOTHESIS_TEMPLATE}` is {}, expected a text with `{PLACE}`, where the label goes",
            quoted(template)
        ))
        .of_param(HYPOTHESIS_TEMPLATE));
    }
    // At least one token of a text.
    let room = encoder
        .max_tokens()
        .saturating_sub(encoder.special(true) + 1);
    labels
        .iter()
        .map(|label| {
            let piece = encoder.piece(&template.replace(PLACE, label));
            let which = || format!("label {}", quoted(label));
            let piece = piece.map_err(|reason| not_encoded(&which(), &reason))?;
            if piece.len() > room {
                return Err(ApiError::invalid(format!(
                    "{} has {} tokens with `{HYPOTHESIS_TEMPLATE}`, expected at most {room}",
                    which(),
                    piece.len()
                ))
                .of_param(LABELS));
            }
            Ok(piece)
        })
        .collect()
}

/// The text with each hypothesis. The text is truncated, the hypothesis is not.
fn pairs(
    encoder: &Encoder,
    item: usize,
    text: &str,
    hypotheses: &[Piece],
) -> Result<Vec<ItemPart>, String> {
    let piece = encoder.prompted_piece(text)?;
    let room = encoder.max_tokens().saturating_sub(encoder.special(true));
    let pair = |hypothesis: &Piece| {
        let premise = piece.cut(
            room.saturating_sub(hypothesis.len()),
            encoder.truncation_side(),
        );
        let part = encoder.join(&premise, Some(&hypothesis.whole()))?;
        Ok(ItemPart {
            item,
            first: 0,
            part,
        })
    };
    hypotheses.iter().map(pair).collect()
}

impl Pipeline for ZeroShot {
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
                name: MULTI_LABEL,
                description: "Whether several labels can be right: then each has a score of its own, else the scores' sum is 1",
                kind: Kind::Flag {
                    default: self.spec.multi_label,
                },
            },
            Parameter {
                name: HYPOTHESIS_TEMPLATE,
                description: "The sentence that a label makes, which stands for `{}`",
                kind: Kind::Text {
                    default: self.spec.hypothesis_template.clone(),
                },
            },
        ]
    }

    fn form(&self) -> Form {
        Form::Texts
    }

    fn hints(&self) -> Hints {
        let example = json!(["travel", "music", "science"]);
        Hints {
            required: (self.labels.is_empty()).then_some((LABELS, example)),
            ..Hints::default()
        }
    }

    fn infer(&self, mut call: Call, runner: &mut dyn Runner) -> Result<Outcome, ApiError> {
        match call.inputs.content.take() {
            Some(Content::Texts(sent)) => self.classify(&call, &sent, runner),
            _ => Ok(Outcome::tensors(texts::outputs(call, runner)?)),
        }
    }

    fn schema(&self) -> Option<Schema> {
        Some(Schema {
            name: "ScoredLabel",
            value: json!({
                "type": "object",
                "required": ["label", "score"],
                "additionalProperties": false,
                "properties": {
                    "label": { "type": "string" },
                    "score": { "type": "number", "minimum": 0, "maximum": 1 },
                },
                "examples": [{ "label": "travel", "score": 0.9981 }],
            }),
        })
    }

    fn description(&self) -> Map<String, Value> {
        let facts = json!({
            "output": self.spec.output,
            "labels": self.labels,
            "multi_label": self.spec.multi_label,
            "hypothesis_template": self.spec.hypothesis_template,
        });
        Map::from_iter([("zero_shot".to_owned(), facts)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_labels() {
        let two = [(0.0, 0.0), (0.0, 1000.0)];
        type Row<'a> = (&'a [(f32, f32)], bool, &'a [f32]);
        let rows: [Row; 5] = [
            (&[], false, &[]),
            (&two, false, &[0.5, 0.5]),
            (&two, true, &[0.5, 0.0]),
            (&[(3.0, 3.0)], true, &[0.5]),
            (&[(1000.0, 0.0), (0.0, 1000.0)], false, &[1.0, 0.0]),
        ];
        let wrong: Vec<_> = rows
            .into_iter()
            .filter_map(|(values, is_multi, expected)| {
                let values: Vec<_> = values
                    .iter()
                    .map(|(yes, no)| Entailment { yes: *yes, no: *no })
                    .collect();
                let actual = scores(&values, is_multi);
                (actual != expected).then_some((actual, expected))
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
