//! Documents in the order of their scores for a query, by a cross-encoder: a model with that task, or a classifier of pairs
//! of texts with one class.

use std::borrow::Cow;

use infer_model_card::{Activation, ClassificationSpec, Task};
use serde_json::Value;

use super::{Service, prediction};
use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::timing::{Phase, Timing};
use crate::input::content::{Content, Query};
use crate::input::text::{self, Texts};
use crate::run::compute;
use crate::tasks::parameters::{Given, RAW_SCORES, Values};
use crate::tasks::scores::sigmoid;
use crate::tasks::{Inputs, Outputs, Wanted};

/// A document's place in the request, and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// The place.
    pub index: usize,
    /// The score.
    pub score: f32,
}

/// Rank all documents, best first. `is_raw` leaves the model's values as they are.
///
/// # Errors
/// 400 and 413 for the texts, 400 for scores that JSON cannot represent; errors of the backend.
pub fn rank(
    model: &Model,
    query: &Query,
    is_raw: bool,
    service: Service,
    timing: &mut Timing,
) -> Result<Vec<Ranked>, ApiError> {
    let mut ranked = match &model.card.task {
        Task::Classification(spec) => {
            let texts = timing.measure(Phase::Decode, || pairs(model, query, service))?;
            scores(model, spec, texts, is_raw, service, timing)?
        }
        _ => by_task(model, vec![query.clone()], is_raw, service, timing)?
            .pop()
            .unwrap_or_default(),
    };
    // The sort is stable, so equal scores stay in the order of the documents.
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    Ok(ranked)
}

/// The scores of several queries' documents, by a model with the task.
///
/// # Errors
/// Those of [`rank`].
pub fn by_task(
    model: &Model,
    queries: Vec<Query>,
    is_raw: bool,
    service: Service,
    timing: &mut Timing,
) -> Result<Vec<Vec<Ranked>>, ApiError> {
    let declared = model.pipeline.parameters();
    let values = Values::parse(&declared, model.name.as_str(), |name| {
        Ok((name == RAW_SCORES).then_some(Given::Json(Value::Bool(is_raw))))
    })?;
    let content = Content::Queries(queries).checked(service.limits())?;
    let inputs = Inputs {
        content: Some(content),
        ..Inputs::default()
    };
    let items = prediction::predictions(model, inputs, &values, service, timing)?;
    let ranked = |prediction: Value| {
        let index = prediction.get("index").and_then(Value::as_u64);
        let score = prediction.get("score").and_then(Value::as_f64);
        let index = index.and_then(|index| usize::try_from(index).ok());
        index
            .zip(score)
            .map(|(index, score)| Ranked {
                index,
                score: score as f32,
            })
            .ok_or_else(|| ApiError::internal("a rank has no index or no score"))
    };
    let items = items.into_iter();
    items
        .map(|item| item.into_iter().map(ranked).collect())
        .collect()
}

fn pairs(model: &Model, query: &Query, service: Service) -> Result<Texts, ApiError> {
    let documents: Vec<Cow<str>> = query
        .documents
        .iter()
        .map(|document| document.as_str().into())
        .collect();
    let queries = vec![Cow::from(query.query.as_str()); documents.len()];
    text::encode(
        model.accepts(),
        &queries,
        Some(&documents),
        service.limits(),
    )
}

/// The scores of texts by a classifier with one class, in the order of the texts.
///
/// # Errors
/// Those of [`rank`].
pub fn scores(
    model: &Model,
    spec: &ClassificationSpec,
    texts: Texts,
    is_raw: bool,
    service: Service,
    timing: &mut Timing,
) -> Result<Vec<Ranked>, ApiError> {
    let rows = class_values(model, texts, service, timing)?;
    // A softmax over one class would always be 1, so `transformers` takes the sigmoid.
    let is_raw = is_raw || spec.activation == Activation::None;
    let score = |(index, row): (usize, Vec<f32>)| {
        let [value] = row.as_slice() else {
            return Err(ApiError::internal(format!(
                "output `{}` has {} values for each pair, expected one",
                spec.output,
                row.len()
            )));
        };
        Ok(Ranked {
            index,
            score: if is_raw { *value } else { sigmoid(*value) },
        })
    };
    rows.into_iter().enumerate().map(score).collect()
}

/// The values of a classifier's classes for each text, without activation.
///
/// # Errors
/// 400 for values that JSON cannot represent; errors of the backend.
pub fn class_values(
    model: &Model,
    texts: Texts,
    service: Service,
    timing: &mut Timing,
) -> Result<Vec<Vec<f32>>, ApiError> {
    let count = texts.rows.len();
    let inputs = Inputs {
        texts: Some(texts),
        ..Inputs::default()
    };
    let values = Values::defaults(&model.pipeline.parameters());
    let wanted = Wanted::tensors(Outputs::Needed);
    let (limits, backend) = (service.limits(), service.backend);
    let outcome = compute::infer(model, inputs, wanted, &values, limits, backend, timing)?;
    let (name, tensor) = outcome
        .outputs
        .into_iter()
        .next()
        .ok_or_else(|| ApiError::internal("the computation returned no classes"))?;
    let values = tensor.floats()?;
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(ApiError::invalid(format!(
            "output `{name}` has a value {value}, which JSON cannot represent"
        )));
    }
    let classes = values.len().checked_div(count).unwrap_or(0);
    if classes == 0 || classes * count != values.len() {
        return Err(ApiError::internal(format!(
            "output `{name}` has shape {:?}, which does not fit {count} texts",
            tensor.shape
        )));
    }
    Ok(values.chunks(classes).map(<[f32]>::to_vec).collect())
}
