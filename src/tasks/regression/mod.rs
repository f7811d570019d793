//! Regression: numbers for a record.

use infer_model_card::RegressionSpec;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::pipeline::{Call, Outcome, Pipeline, Runner, Schema, output};
use crate::http::error::ApiError;
use crate::http::json::ToJson;
use crate::http::timing::Phase;
use crate::tensor::array;

/// The pipeline of a model that computes numbers.
#[derive(Debug)]
pub(super) struct Regressor {
    spec: RegressionSpec,
}

#[derive(Debug, Serialize)]
struct Prediction {
    value: f32,
}

impl Regressor {
    pub(super) fn new(spec: RegressionSpec) -> Self {
        Self { spec }
    }
}

impl Pipeline for Regressor {
    fn infer(&self, call: Call, runner: &mut dyn Runner) -> Result<Outcome, ApiError> {
        let wanted = call.wanted;
        let outputs = runner.run(call.inputs.tensors)?;
        if !wanted.predictions {
            return Ok(Outcome::tensors(outputs));
        }
        let predictions = runner.timing().measure(Phase::Encode, || {
            let name = &self.spec.output;
            let values = array::floats(output(&outputs, name)?)?;
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return Err(ApiError::invalid(format!(
                    "output `{name}` has the value {value}, which JSON cannot represent; send \
                     `Accept: application/octet-stream`"
                )));
            }
            let rows = values.outer_iter();
            let predictions: Vec<Vec<Prediction>> = rows
                .map(|row| {
                    row.iter()
                        .map(|value| Prediction { value: *value })
                        .collect()
                })
                .collect();
            Ok(predictions)
        })?;
        Ok(Outcome {
            predictions: Some(Box::new(predictions) as Box<dyn ToJson>),
            drawing: None,
            outputs,
        })
    }

    fn schema(&self) -> Option<Schema> {
        Some(Schema {
            name: "Number",
            value: json!({
                "type": "object",
                "required": ["value"],
                "additionalProperties": false,
                "properties": { "value": { "type": "number" } },
            }),
        })
    }

    fn description(&self) -> Map<String, Value> {
        Map::from_iter([("regression".to_owned(), json!(true))])
    }
}
