//! Bare tensors: the response is the graph's outputs, as the Open Inference Protocol has them.

use infer_model_card::{ModelCard, TensorSpec};
use serde_json::{Map, Value};

use super::pipeline::{Call, Outcome, Pipeline, Runner};
use super::texts;
use crate::http::error::ApiError;

/// The pipeline of a model without a task.
#[derive(Debug)]
pub(super) struct Tensors;

impl Pipeline for Tensors {
    fn infer(&self, call: Call, runner: &mut dyn Runner) -> Result<Outcome, ApiError> {
        let outputs = match &call.inputs.texts {
            Some(texts) => texts::run(call.card, texts, true, runner, &mut |_, _| Ok(()))?,
            None => runner.run(call.inputs.tensors)?,
        };
        Ok(Outcome::tensors(outputs))
    }

    fn response_outputs<'a>(&self, card: &'a ModelCard) -> &'a [TensorSpec] {
        &card.outputs
    }

    fn description(&self) -> Map<String, Value> {
        Map::new()
    }
}
