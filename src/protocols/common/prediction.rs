//! The predictions of a task, to be rewritten in the form of another service.

use serde_json::Value;

use super::Service;
use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::json;
use crate::http::timing::{Phase, Timing};
use crate::run::compute;
use crate::tasks::parameters::Values;
use crate::tasks::{Inputs, Wanted};

/// Run a model's task: one list of predictions for each item of the batch, best first.
///
/// # Errors
/// Errors of the backend and of the task, 413 for predictions over the limit of responses.
pub fn predictions(
    model: &Model,
    inputs: Inputs,
    values: &Values,
    service: Service,
    timing: &mut Timing,
) -> Result<Vec<Vec<Value>>, ApiError> {
    let wanted = Wanted::predictions();
    let (limits, backend) = (service.limits(), service.backend);
    let outcome = compute::infer(model, inputs, wanted, values, limits, backend, timing)?;
    let predictions = outcome
        .predictions
        .ok_or_else(|| ApiError::internal(format!("model `{}` made no predictions", model.name)))?;
    timing.measure(Phase::Encode, || {
        let Value::Array(items) = json::to_value(&*predictions, limits)? else {
            return Err(ApiError::internal("the predictions are not a list"));
        };
        let items = items.into_iter();
        Ok(items
            .map(|item| match item {
                Value::Array(predictions) => predictions,
                other => vec![other],
            })
            .collect())
    })
}
