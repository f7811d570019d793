//! Sparse embedding: one weight per entry of the vocabulary, of which few are not 0, as SPLADE has it.

use infer_model_card::{Side, SparseEmbeddingSpec};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::pipeline::{Call, NamedTensors, Outcome, Outputs, Pipeline, Runner, Schema, output};
use super::rows::{Row, padding_side};
use super::scores::check_finite;
use super::texts::{self, Budget};
use crate::http::error::ApiError;
use crate::http::timing::Phase;
use crate::input::text::Texts;

/// The least bytes of a weight in JSON.
const WEIGHT_BYTES: usize = r#"{"index":0,"value":0.1},"#.len();

/// The pipeline of a model that embeds texts in its vocabulary.
#[derive(Debug)]
pub(super) struct SparseEmbedder {
    spec: SparseEmbeddingSpec,
}

/// The weight of an entry of the vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Weight {
    index: usize,
    value: f32,
}

impl SparseEmbedder {
    pub(super) fn new(spec: SparseEmbeddingSpec) -> Self {
        Self { spec }
    }

    fn embed(
        &self,
        call: &Call,
        texts: &Texts,
        runner: &mut dyn Runner,
    ) -> Result<Outcome, ApiError> {
        let keeps_outputs = call.wanted.outputs != Outputs::Needed;
        let side = padding_side(call.card);
        let mut predictions = Vec::new();
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
                    let weights = self.weights(&row, &|_| true)?;
                    let weights = sparse(&self.spec.output, &weights)?;
                    budget.spend(weights.len() * WEIGHT_BYTES)?;
                    predictions.push(weights);
                }
            }
            if !keeps_outputs {
                outputs.clear();
            }
            Ok(())
        };
        let outputs = texts::run(call.card, texts, keeps_outputs, runner, &mut each)?;
        Ok(Outcome {
            predictions: texts::wanted(call, predictions),
            drawing: None,
            outputs,
        })
    }

    /// The predictions of a request of tensors, whose mask says which tokens are padding.
    fn of_tensors(&self, mut call: Call, runner: &mut dyn Runner) -> Result<Outcome, ApiError> {
        let tensors = std::mem::take(&mut call.inputs.tensors);
        let mask = call.card.text.as_ref().and_then(|text| {
            let (_, mask) = tensors
                .iter()
                .find(|(name, _)| *name == text.attention_mask)?;
            let size = mask.datatype.element_bytes()?;
            let elements = mask.data.chunks(size);
            Some(
                elements
                    .map(|element| element.iter().any(|byte| *byte != 0))
                    .collect::<Vec<_>>(),
            )
        });
        let outputs = runner.run(tensors)?;
        if !call.wanted.predictions {
            return Ok(Outcome::tensors(outputs));
        }
        let predictions = runner.timing().measure(Phase::Encode, || {
            let shape = &output(&outputs, &self.spec.output)?.shape;
            let size = |place: usize| shape.get(place).map_or(0, |size| *size as usize);
            let (rows, tokens) = (size(0), size(1));
            let of_row = |row: usize| {
                let is_token = |token: usize| {
                    let mask = mask
                        .as_ref()
                        .and_then(|mask| mask.get(row * tokens + token));
                    mask.copied().unwrap_or(true)
                };
                let row = Row {
                    outputs: &outputs,
                    rows,
                    row,
                    tokens,
                    side: Side::Right,
                };
                sparse(&self.spec.output, &self.weights(&row, &is_token)?)
            };
            (0..rows).map(of_row).collect::<Result<Vec<_>, ApiError>>()
        })?;
        Ok(Outcome {
            predictions: texts::wanted(&call, predictions),
            drawing: None,
            outputs,
        })
    }

    /// The weights of all entries for a text.
    fn weights(&self, row: &Row, is_token: &dyn Fn(usize) -> bool) -> Result<Vec<f32>, ApiError> {
        // The graph may have pooled already.
        if output(row.outputs, &self.spec.output)?.shape.len() == 2 {
            return row.values(&self.spec.output);
        }
        let values = row.of_tokens(&self.spec.output)?;
        let mut greatest = vec![f32::NEG_INFINITY; values.size];
        for token in (0..row.tokens).filter(|token| is_token(*token)) {
            maximize(&mut greatest, &values.token(token)?);
        }
        // The logarithm of the greatest value is the greatest logarithm.
        let weight = |value: f32| match value > 0.0 {
            true => f64::from(value).ln_1p() as f32,
            false if value.is_nan() => value,
            false => 0.0,
        };
        Ok(greatest.into_iter().map(weight).collect())
    }
}

/// The greater of each two values; not a number stays.
fn maximize(greatest: &mut [f32], values: &[f32]) {
    for (greatest, value) in greatest.iter_mut().zip(values) {
        if *value > *greatest || value.is_nan() {
            *greatest = *value;
        }
    }
}

/// The weights that are greater than 0, in the order of the vocabulary.
fn sparse(output: &str, weights: &[f32]) -> Result<Vec<Weight>, ApiError> {
    check_finite(output, "entry", weights)?;
    let weights = weights.iter().copied().enumerate();
    Ok(weights
        .filter(|(_, value)| *value > 0.0)
        .map(|(index, value)| Weight { index, value })
        .collect())
}

impl Pipeline for SparseEmbedder {
    fn infer(&self, mut call: Call, runner: &mut dyn Runner) -> Result<Outcome, ApiError> {
        match call.inputs.texts.take() {
            Some(texts) => self.embed(&call, &texts, runner),
            None => self.of_tensors(call, runner),
        }
    }

    fn schema(&self) -> Option<Schema> {
        Some(Schema {
            name: "Weight",
            value: json!({
                "type": "object",
                "required": ["index", "value"],
                "additionalProperties": false,
                "properties": {
                    "index": {
                        "type": "integer",
                        "minimum": 0,
                        "description": "The entry of the vocabulary: a token's id",
                    },
                    "value": { "type": "number", "exclusiveMinimum": 0 },
                },
                "examples": [{ "index": 3000, "value": 1.8125 }],
            }),
        })
    }

    fn description(&self) -> Map<String, Value> {
        let facts = json!({ "output": self.spec.output });
        Map::from_iter([("sparse_embedding".to_owned(), facts)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_positive_and_finite() {
        let mut greatest = [f32::NEG_INFINITY; 3];
        maximize(&mut greatest, &[-1.0, 0.5, 2.0]);
        maximize(&mut greatest, &[-2.0, 0.75, f32::NAN]);
        maximize(&mut greatest, &[-3.0, 0.25, 9.0]);
        assert_eq!(greatest[..2], [-1.0, 0.75]);
        assert!(greatest[2].is_nan());
        let weights = sparse("y", &[0.0, 0.5, -1.0, 2.0]).unwrap();
        let shown: Vec<_> = weights
            .iter()
            .map(|weight| (weight.index, weight.value))
            .collect();
        assert_eq!(shown, [(1, 0.5), (3, 2.0)]);
        for value in [f32::NAN, f32::INFINITY] {
            let error = sparse("y", &[0.5, value]).unwrap_err();
            assert_eq!(error.kind().status(), 400);
            assert!(error.to_string().contains("octet-stream"), "{error}");
        }
    }
}
