//! Fill-mask: the tokens for a mask in a text, as in `FillMaskPipeline` of `transformers`.

use std::collections::BTreeSet;

use infer_model_card::{FillMaskSpec, ModelCard};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::parameters::{Kind, Parameter, TARGETS, TOP_K};
use super::pipeline::{Call, Hints, NamedTensors, Outcome, Outputs, Pipeline, Runner, Schema};
use super::rows::{Row, padding_side};
use super::scores::{best, check_finite, softmax};
use super::texts::{self, Budget, not_encoded, which};
use crate::http::error::{ApiError, quoted};
use crate::http::timing::Phase;
use crate::input::content::{Content, Form};
use crate::input::text::{Encoder, Texts};

/// The most tokens for one mask.
const MAX_TOP_K: u32 = 1000;

/// The most tokens to choose from in a request.
const MAX_TARGETS: usize = 1000;

/// The least bytes of a prediction in JSON, beside its text.
const FILLED_BYTES: usize = r#"{"label":"","index":0,"score":0,"text":""},"#.len();

/// The pipeline of a masked language model.
#[derive(Debug)]
pub(super) struct MaskFiller {
    spec: FillMaskSpec,
    /// The token of padding, which is no part of a text.
    pad_id: u32,
}

/// A token for a mask.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Filled {
    label: String,
    index: usize,
    score: f32,
    text: String,
}

/// What is known before the model runs.
struct Prepared<'a> {
    encoder: &'a Encoder,
    texts: Texts,
    /// The places of the masks in each text.
    masks: Vec<Vec<usize>>,
    /// The tokens to choose from; empty for the whole vocabulary.
    targets: Vec<usize>,
    top_k: usize,
}

impl MaskFiller {
    pub(super) fn new(mut spec: FillMaskSpec, card: &ModelCard) -> Self {
        spec.top_k = spec.top_k.min(MAX_TOP_K);
        Self {
            spec,
            pad_id: card.text.as_ref().map_or(0, |text| text.pad_id),
        }
    }

    fn prepare<'a>(&self, call: &Call<'a>, sent: &[String]) -> Result<Prepared<'a>, ApiError> {
        let encoder = texts::encoder(call)?;
        let token = &self.spec.mask_token;
        let mask = encoder.id(token).ok_or_else(|| {
            ApiError::internal(format!(
                "the tokenizer has no mask token `{token}`, which the card names"
            ))
        })?;
        let targets = targets(encoder, call.values.texts(TARGETS))?;
        let mut top_k = call.values.integer(TOP_K);
        if !targets.is_empty() {
            top_k = top_k.min(targets.len());
        }
        let mut texts = Texts::default();
        let mut masks = Vec::with_capacity(sent.len());
        for (index, text) in sent.iter().enumerate() {
            let which = which("text", index, sent.len());
            let tokens = encoder
                .encode(text, None)
                .map_err(|reason| not_encoded(&which, &reason))?;
            let ids = tokens.ids.iter().enumerate();
            let places: Vec<usize> = ids
                .filter_map(|(place, id)| (*id == mask).then_some(place))
                .collect();
            if places.is_empty() {
                return Err(ApiError::invalid(format!(
                    "{which} has no mask, expected `{token}` in place of a word{}",
                    if text.contains(token.as_str()) {
                        ", within as many tokens as the model takes"
                    } else {
                        ""
                    }
                )));
            }
            texts.rows.push(tokens);
            masks.push(places);
        }
        Ok(Prepared {
            encoder,
            texts,
            masks,
            targets,
            top_k,
        })
    }

    fn fill(
        &self,
        call: &Call,
        sent: &[String],
        runner: &mut dyn Runner,
    ) -> Result<Outcome, ApiError> {
        let prepared = runner
            .timing()
            .measure(Phase::Decode, || self.prepare(call, sent))?;
        let keeps_outputs = call.wanted.outputs != Outputs::Needed;
        let side = padding_side(call.card);
        let mut predictions: Vec<Vec<Filled>> = Vec::new();
        let mut budget = Budget::new(call.limits);
        let mut each = |lengths: &[usize], outputs: &mut NamedTensors| {
            for (row, tokens) in lengths.iter().enumerate() {
                let row = Row {
                    outputs,
                    rows: lengths.len(),
                    row,
                    tokens: *tokens,
                    side,
                };
                if call.wanted.predictions {
                    let filled = self.of_text(&prepared, predictions.len(), &row, &mut budget)?;
                    predictions.push(filled);
                }
            }
            if !keeps_outputs {
                outputs.clear();
            }
            Ok(())
        };
        let outputs = texts::run(call.card, &prepared.texts, keeps_outputs, runner, &mut each)?;
        Ok(Outcome {
            predictions: texts::wanted(call, predictions),
            drawing: None,
            outputs,
        })
    }

    /// The best tokens for each mask of a text, one mask after the other.
    fn of_text(
        &self,
        prepared: &Prepared,
        text: usize,
        row: &Row,
        budget: &mut Budget,
    ) -> Result<Vec<Filled>, ApiError> {
        let masks = prepared.masks.get(text).map_or(&[][..], Vec::as_slice);
        let ids = prepared
            .texts
            .rows
            .get(text)
            .map_or(&[][..], |row| row.ids.as_slice());
        let values = row.of_tokens(&self.spec.output)?;
        let mut filled = Vec::new();
        for mask in masks {
            let mut scores = values.token(*mask)?;
            softmax(&mut scores);
            check_finite(&self.spec.output, "token", &scores)?;
            let chosen: Vec<usize> = if prepared.targets.is_empty() {
                best(&scores, prepared.top_k)
            } else {
                let targets = prepared.targets.iter();
                let of_targets: Vec<f32> = targets
                    .map(|target| scores.get(*target).copied().unwrap_or_default())
                    .collect();
                best(&of_targets, prepared.top_k)
                    .into_iter()
                    .filter_map(|place| prepared.targets.get(place).copied())
                    .collect()
            };
            for index in chosen {
                let id = u32::try_from(index).unwrap_or(u32::MAX);
                let with_token = ids.iter().enumerate();
                let with_token: Vec<u32> = with_token
                    .map(|(place, before)| if place == *mask { id } else { *before })
                    .filter(|id| *id != self.pad_id)
                    .collect();
                let decode = |ids: &[u32], skips: bool| {
                    let text = prepared.encoder.decode(ids, skips);
                    text.map_err(|reason| ApiError::internal(format!("decoding tokens: {reason}")))
                };
                // The other masks are special tokens too.
                let text = decode(&with_token, masks.len() == 1)?;
                budget.spend(text.len() + FILLED_BYTES)?;
                filled.push(Filled {
                    label: decode(&[id], false)?,
                    index,
                    score: scores.get(index).copied().unwrap_or_default(),
                    text,
                });
            }
        }
        Ok(filled)
    }
}

/// The tokens of targets, each once. A target that is no token stands for its first one.
fn targets(encoder: &Encoder, targets: &[String]) -> Result<Vec<usize>, ApiError> {
    let mut ids = BTreeSet::new();
    for target in targets {
        let id = match encoder.id(target) {
            Some(id) => Some(id),
            None => encoder
                .piece(target)
                .map_err(|reason| not_encoded(&format!("target {}", quoted(target)), &reason))?
                .ids()
                .first()
                .copied(),
        };
        let id = id.ok_or_else(|| {
            ApiError::invalid(format!(
                "target {} has no tokens, expected a word of the vocabulary",
                quoted(target)
            ))
            .of_param(TARGETS)
        })?;
        ids.insert(id as usize);
    }
    Ok(ids.into_iter().collect())
}

/// The regular expression of a text.
fn escaped(text: &str) -> String {
    let is_special = |c: char| r"\.+*?()|[]{}^$/".contains(c);
    let of_char = |c: char| is_special(c).then_some('\\').into_iter().chain([c]);
    text.chars().flat_map(of_char).collect()
}

impl Pipeline for MaskFiller {
    fn parameters(&self) -> Vec<Parameter> {
        vec![
            Parameter {
                name: TOP_K,
                description: "The maximum number of tokens for each mask, best first. The tokens for a second mask follow those \
                              for the first",
                kind: Kind::Integer {
                    min: 1,
                    max: MAX_TOP_K,
                    default: self.spec.top_k,
                },
            },
            Parameter {
                name: TARGETS,
                description: "The words to choose from, in place of the whole vocabulary. A word of several tokens stands for its \
                              first token",
                kind: Kind::Texts {
                    min: 0,
                    max: MAX_TARGETS,
                    default: Vec::new(),
                },
            },
        ]
    }

    fn form(&self) -> Form {
        Form::Texts
    }

    fn hints(&self) -> Hints {
        let mask = &self.spec.mask_token;
        Hints {
            text: Some(format!("Paris is the {mask} of France.")),
            pattern: Some(escaped(mask)),
            ..Hints::default()
        }
    }

    fn infer(&self, mut call: Call, runner: &mut dyn Runner) -> Result<Outcome, ApiError> {
        match call.inputs.content.take() {
            Some(Content::Texts(sent)) => self.fill(&call, &sent, runner),
            _ => Ok(Outcome::tensors(texts::outputs(call, runner)?)),
        }
    }

    fn schema(&self) -> Option<Schema> {
        Some(Schema {
            name: "FilledMask",
            value: json!({
                "type": "object",
                "required": ["label", "index", "score", "text"],
                "additionalProperties": false,
                "properties": {
                    "label": { "type": "string", "description": "The token as text" },
                    "index": { "type": "integer", "minimum": 0, "description": "The token's id" },
                    "score": { "type": "number", "minimum": 0, "maximum": 1 },
                    "text": { "type": "string", "description": "The text with the token in place of the mask" },
                },
                "examples": [
                    { "label": "paris", "index": 3000, "score": 0.9981, "text": "paris is the capital of france." },
                ],
            }),
        })
    }

    fn description(&self) -> Map<String, Value> {
        let facts = json!({
            "output": self.spec.output,
            "mask_token": self.spec.mask_token,
            "top_k": self.spec.top_k,
        });
        Map::from_iter([("fill_mask".to_owned(), facts)])
    }
}
