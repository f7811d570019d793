//! Ranking: documents in the order of their scores for a query.

use infer_model_card::{Activation, RankingSpec};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::parameters::{Kind, Parameter, RAW_SCORES, RETURN_DOCUMENTS, TOP_N};
use super::parts::{self, ItemPart};
use super::pipeline::{Call, Outcome, Pipeline, Runner, Schema};
use super::rows::Row;
use super::scores::{best, check_finite, sigmoid};
use super::texts::{self, not_encoded, which};
use crate::http::error::ApiError;
use crate::input::content::{Content, Form, Query};
use crate::input::text::Encoder;
use crate::input::text::parts::{Part, Piece, longest_first};

/// The pipeline of a cross-encoder.
#[derive(Debug)]
pub(super) struct Ranker {
    spec: RankingSpec,
}

/// A document with its score.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Ranked {
    index: usize,
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl Ranker {
    pub(super) fn new(spec: RankingSpec) -> Self {
        Self { spec }
    }

    fn rank(
        &self,
        call: &Call,
        queries: Vec<Query>,
        runner: &mut dyn Runner,
    ) -> Result<Outcome, ApiError> {
        let encoder = texts::encoder(call)?;
        let divide = |item: usize| match queries.get(item) {
            Some(query) => pairs(encoder, item, query, queries.len()),
            None => Ok(Vec::new()),
        };
        let is_raw = call.values.flag(RAW_SCORES) || self.spec.activation == Activation::None;
        let mut scores: Vec<Vec<f32>> = vec![Vec::new(); queries.len()];
        let mut each = |part: &ItemPart, row: &Row| {
            let (true, Some(scores)) = (call.wanted.predictions, scores.get_mut(part.item)) else {
                return Ok(());
            };
            let values = row.values(&self.spec.output)?;
            let [value] = values.as_slice() else {
                return Err(ApiError::internal(format!(
                    "output `{}` has {} values for each pair, expected one",
                    self.spec.output,
                    values.len()
                )));
            };
            scores.push(if is_raw { *value } else { sigmoid(*value) });
            Ok(())
        };
        let outputs = parts::run(call, queries.len(), &divide, runner, &mut each)?;
        for scores in &scores {
            check_finite(&self.spec.output, "document", scores)?;
        }
        let top_n = call.values.integer(TOP_N);
        let has_text = call.values.flag(RETURN_DOCUMENTS);
        let of_query = |(scores, mut query): (Vec<f32>, Query)| -> Vec<Ranked> {
            let ranked = best(&scores, top_n).into_iter();
            ranked
                .map(|index| Ranked {
                    index,
                    score: scores.get(index).copied().unwrap_or_default(),
                    text: query
                        .documents
                        .get_mut(index)
                        .filter(|_| has_text)
                        .map(std::mem::take),
                })
                .collect()
        };
        let predictions: Vec<_> = scores.into_iter().zip(queries).map(of_query).collect();
        Ok(Outcome {
            predictions: texts::wanted(call, predictions),
            drawing: None,
            outputs,
        })
    }
}

/// The query with each of its documents. The query is encoded once.
fn pairs(
    encoder: &Encoder,
    item: usize,
    query: &Query,
    queries: usize,
) -> Result<Vec<ItemPart>, ApiError> {
    let name = which("query", item, queries);
    let first = encoder
        .prompted_piece(&query.query)
        .map_err(|reason| not_encoded(&name, &reason))?;
    let documents = query.documents.iter().enumerate();
    documents
        .map(|(index, document)| {
            let part = encoder
                .piece(document)
                .and_then(|second| pair(encoder, &first, &second, document.is_empty()));
            let name = || which("document", index, query.documents.len());
            let part = part.map_err(|reason| not_encoded(&name(), &reason))?;
            if part.places.is_empty() {
                return Err(ApiError::invalid(format!(
                    "{} has no tokens, expected at least one",
                    name()
                )));
            }
            Ok(ItemPart {
                item,
                first: 0,
                part,
            })
        })
        .collect()
}

/// A query with a document, the longer one truncated first. `transformers` ignores a second text that is empty.
fn pair(encoder: &Encoder, first: &Piece, second: &Piece, is_alone: bool) -> Result<Part, String> {
    let room = |is_pair| {
        encoder
            .max_tokens()
            .saturating_sub(encoder.special(is_pair))
    };
    let side = encoder.truncation_side();
    if is_alone {
        return encoder.join(&first.cut(room(false), side), None);
    }
    let (one, two) = longest_first(first.len(), second.len(), room(true));
    encoder.join(&first.cut(one, side), Some(&second.cut(two, side)))
}

impl Pipeline for Ranker {
    fn parameters(&self) -> Vec<Parameter> {
        let flag = |name, description| Parameter {
            name,
            description,
            kind: Kind::Flag { default: false },
        };
        vec![
            Parameter {
                name: TOP_N,
                description: "The maximum number of documents in the response, best first; all by default",
                kind: Kind::Integer {
                    min: 1,
                    max: u32::MAX,
                    default: u32::MAX,
                },
            },
            flag(
                RAW_SCORES,
                "Whether scores are the model's values, without sigmoid",
            ),
            flag(
                RETURN_DOCUMENTS,
                "Whether the response has the documents' texts",
            ),
        ]
    }

    fn form(&self) -> Form {
        Form::Queries
    }

    fn infer(&self, mut call: Call, runner: &mut dyn Runner) -> Result<Outcome, ApiError> {
        match call.inputs.content.take() {
            Some(Content::Queries(queries)) => self.rank(&call, queries, runner),
            _ => Ok(Outcome::tensors(texts::outputs(call, runner)?)),
        }
    }

    fn schema(&self) -> Option<Schema> {
        Some(Schema {
            name: "RankedDocument",
            value: json!({
                "type": "object",
                "required": ["index", "score"],
                "additionalProperties": false,
                "properties": {
                    "index": {
                        "type": "integer",
                        "minimum": 0,
                        "description": "The document's place in the request",
                    },
                    "score": { "type": "number" },
                    "text": { "type": "string", "description": "The document, if `return_documents` is true" },
                },
                "examples": [{ "index": 1, "score": 0.9981 }],
            }),
        })
    }

    fn description(&self) -> Map<String, Value> {
        let facts = json!({ "output": self.spec.output });
        Map::from_iter([("ranking".to_owned(), facts)])
    }
}
