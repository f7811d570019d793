//! Embedding: one vector per text.

pub mod pooling;

use infer_model_card::{EmbeddingSpec, ModelCard};
use serde_json::{Map, Value, json};

use super::parameters::{Kind, NORMALIZE, Parameter};
use super::pipeline::{Call, NamedTensors, Outcome, Outputs, Pipeline, Runner, output};
use super::texts;
use crate::http::error::ApiError;
use crate::input::text::{SENTENCE_EMBEDDING, Texts};
use crate::tensor::array;
use ndarray::{Axis, concatenate};
use pooling::pool;

/// The pipeline of a model that embeds texts.
#[derive(Debug)]
pub(super) struct Embedder {
    spec: EmbeddingSpec,
}

impl Embedder {
    pub(super) fn new(spec: EmbeddingSpec) -> Self {
        Self { spec }
    }

    /// The vectors of texts as the first output; with `all_outputs`, the graph's outputs follow.
    fn embed(
        &self,
        card: &ModelCard,
        texts: &Texts,
        (normalize, all_outputs): (bool, bool),
        runner: &mut dyn Runner,
    ) -> Result<NamedTensors, ApiError> {
        let spec = EmbeddingSpec {
            normalize,
            ..self.spec.clone()
        };
        let side = card.text.as_ref().map(|text| text.padding_side);
        let side = side.unwrap_or_default();
        let mut vectors = Vec::new();
        let mut pool_batch = |lengths: &[usize], outputs: &mut NamedTensors| {
            let tokens = output(outputs, &spec.output)?;
            vectors.push(pool(tokens, &spec, lengths, side)?);
            if !all_outputs {
                outputs.clear();
            }
            Ok(())
        };
        let mut outputs = texts::run(card, texts, all_outputs, runner, &mut pool_batch)?;
        let batches: Vec<_> = vectors.iter().map(|batch| batch.view()).collect();
        let vectors = concatenate(Axis(0), &batches).map_err(|error| {
            ApiError::internal(format!("the vectors of several batches: {error}"))
        })?;
        outputs.retain(|(name, _)| name != SENTENCE_EMBEDDING);
        outputs.insert(
            0,
            (SENTENCE_EMBEDDING.to_owned(), array::to_tensor(&vectors)?),
        );
        Ok(outputs)
    }
}

impl Pipeline for Embedder {
    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter {
            name: NORMALIZE,
            description: "Whether vectors are scaled to length 1",
            kind: Kind::Flag {
                default: self.spec.normalize,
            },
        }]
    }

    fn infer(&self, call: Call, runner: &mut dyn Runner) -> Result<Outcome, ApiError> {
        let outputs = match &call.inputs.texts {
            Some(texts) => {
                let all_outputs = call.wanted.outputs == Outputs::All;
                let normalize = call.values.flag(NORMALIZE);
                self.embed(call.card, texts, (normalize, all_outputs), runner)?
            }
            None => runner.run(call.inputs.tensors)?,
        };
        Ok(Outcome::tensors(outputs))
    }

    fn description(&self) -> Map<String, Value> {
        Map::from_iter([("embedding".to_owned(), json!(true))])
    }
}
