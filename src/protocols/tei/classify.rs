//! `/predict` and `/rerank`.

use std::borrow::Cow;

use infer_model_card::Task;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::request::{encoded, model};
use crate::catalog::Model;
use crate::catalog::ability::Ability;
use crate::http::error::ApiError;
use crate::http::response::Response;
use crate::http::timing::{Phase, Timing};
use crate::input::content::Query;
use crate::input::text;
use crate::protocols::common::Service;
use crate::protocols::common::members::{Members, wrong};
use crate::protocols::common::prediction::predictions;
use crate::protocols::common::rank::{self, by_task, class_values, rank};
use crate::protocols::common::text_options::{TextOptions, check_content};
use crate::tasks::Inputs;
use crate::tasks::parameters::{Given, TOP_K, Values};

/// The label of a class without a name, as `transformers` has it.
const FIRST_LABEL: &str = "LABEL_0";

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Prediction {
    score: f32,
    label: String,
}

/// Texts or pairs of texts; the second text of a single one is empty.
struct Sequences<'a> {
    first: Vec<Cow<'a, str>>,
    second: Vec<Cow<'a, str>>,
    is_batch: bool,
}

impl<'a> Sequences<'a> {
    /// Read a text, a pair as a list of two texts, or a list of lists of one or two texts.
    fn read(value: &'a RawValue) -> Result<Self, ApiError> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Input<'a> {
            Text(#[serde(borrow)] Cow<'a, str>),
            Pair(#[serde(borrow)] Vec<Cow<'a, str>>),
            Batch(#[serde(borrow)] Vec<Vec<Cow<'a, str>>>),
        }
        let expected = "a text, a pair of texts, or a list of lists of one or two texts";
        let refused = || wrong("inputs", value, expected);
        let (rows, is_batch) = match serde_json::from_str(value.get()) {
            Ok(Input::Text(text)) => (vec![vec![text]], false),
            Ok(Input::Pair(texts)) if texts.is_empty() => (Vec::new(), true),
            Ok(Input::Pair(texts)) => (vec![texts], false),
            Ok(Input::Batch(rows)) => (rows, true),
            Err(_) => return Err(refused()),
        };
        let mut sequences = Self {
            first: Vec::with_capacity(rows.len()),
            second: Vec::with_capacity(rows.len()),
            is_batch,
        };
        for row in rows {
            let mut texts = row.into_iter();
            let (first, second, more) = (texts.next(), texts.next(), texts.next());
            sequences.first.push(first.ok_or_else(refused)?);
            sequences.second.push(second.unwrap_or_default());
            if more.is_some() {
                return Err(refused());
            }
        }
        let empty = sequences.first.iter().position(|text| text.is_empty());
        check_content("inputs", sequences.first.len(), empty)?;
        Ok(sequences)
    }
}

/// `POST /predict`: all classes of each text or pair, best first.
pub(super) fn predict(
    members: &Members,
    service: Service,
    timing: &mut Timing,
) -> Result<Response, ApiError> {
    let model = model(members, Ability::CLASSIFIES_TEXTS, service)?;
    let is_raw = members.flag("raw_scores")?.unwrap_or(false);
    let sequences = timing.measure(Phase::Decode, || {
        let expected = "a text, a pair of texts, or a list of them";
        let sequences = Sequences::read(members.required("inputs", expected)?)?;
        let options = TextOptions::read(members, model)?;
        options.check_lengths(&sequences.first, Some(&sequences.second), model)?;
        Ok::<_, ApiError>(sequences)
    })?;
    let rows = if (Ability::RANKS.has)(model) {
        scored(model, &sequences, is_raw, service, timing)?
    } else {
        classified(model, &sequences, is_raw, service, timing)?
    };
    if sequences.is_batch {
        return encoded(&rows, service, timing);
    }
    encoded(
        &rows.into_iter().next().unwrap_or_default(),
        service,
        timing,
    )
}

/// The score of each pair, by a cross-encoder.
fn scored(
    model: &Model,
    sequences: &Sequences,
    is_raw: bool,
    service: Service,
    timing: &mut Timing,
) -> Result<Vec<Vec<Prediction>>, ApiError> {
    let scores = match &model.card.task {
        Task::Classification(spec) => {
            let texts = encode(model, sequences, service, timing)?;
            rank::scores(model, spec, texts, is_raw, service, timing)?
        }
        _ => {
            let pairs = sequences.first.iter().zip(&sequences.second);
            let queries = pairs.map(|(first, second)| Query {
                query: first.to_string(),
                documents: vec![second.to_string()],
            });
            by_task(model, queries.collect(), is_raw, service, timing)?
                .into_iter()
                .flatten()
                .collect()
        }
    };
    let label = match &model.card.task {
        Task::Classification(spec) => label(model, &spec.output, 0),
        _ => FIRST_LABEL.to_owned(),
    };
    let scores = scores.into_iter();
    Ok(scores
        .map(|ranked| {
            vec![Prediction {
                score: ranked.score,
                label: label.clone(),
            }]
        })
        .collect())
}

fn label(model: &Model, output: &str, index: usize) -> String {
    let labels = model.pipeline.labels(output);
    let label = labels.and_then(|labels| labels.get(index));
    label.map_or_else(|| format!("LABEL_{index}"), str::to_owned)
}

fn encode(
    model: &Model,
    sequences: &Sequences,
    service: Service,
    timing: &mut Timing,
) -> Result<text::Texts, ApiError> {
    timing.measure(Phase::Decode, || {
        let pairs = Some(sequences.second.as_slice());
        text::encode(model.accepts(), &sequences.first, pairs, service.limits())
    })
}

fn classified(
    model: &Model,
    sequences: &Sequences,
    is_raw: bool,
    service: Service,
    timing: &mut Timing,
) -> Result<Vec<Vec<Prediction>>, ApiError> {
    let texts = encode(model, sequences, service, timing)?;
    let Task::Classification(spec) = &model.card.task else {
        return Err(ApiError::internal("the model is no classifier"));
    };
    if is_raw {
        let rows = class_values(model, texts, service, timing)?;
        let of_row = |row: Vec<f32>| {
            let scores = row.into_iter().enumerate();
            let mut all: Vec<Prediction> = scores
                .map(|(index, score)| Prediction {
                    score,
                    label: label(model, &spec.output, index),
                })
                .collect();
            all.sort_by(|a, b| b.score.total_cmp(&a.score));
            all
        };
        return Ok(rows.into_iter().map(of_row).collect());
    }
    let declared = model.pipeline.parameters();
    let values = Values::parse(&declared, model.name.as_str(), |name| {
        Ok((name == TOP_K).then(|| Given::Json(Value::from(u32::MAX))))
    })?;
    let inputs = Inputs {
        texts: Some(texts),
        ..Inputs::default()
    };
    let rows = predictions(model, inputs, &values, service, timing)?.into_iter();
    let prediction = |value: Value| Prediction {
        score: value
            .get("score")
            .and_then(Value::as_f64)
            .unwrap_or_default() as f32,
        label: value
            .get("label")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
    };
    Ok(rows
        .map(|row| row.into_iter().map(prediction).collect())
        .collect())
}

/// `POST /rerank`: the texts' places, best first.
pub(super) fn rerank(
    members: &Members,
    service: Service,
    timing: &mut Timing,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Rank<'a> {
        index: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        score: f32,
    }
    let model = model(members, Ability::RANKS, service)?;
    let (query, is_raw, has_text) = timing.measure(Phase::Decode, || {
        let query = members.text("query", "a text")?;
        if query.is_none() {
            members.required("query", "a text")?;
        }
        let query = query.unwrap_or_default();
        let texts = members.list("texts")?;
        check_content("texts", texts.len(), None)?;
        let options = TextOptions::read(members, model)?;
        let queries = vec![query.clone(); texts.len()];
        options.check_lengths(&queries, Some(&texts), model)?;
        let query = Query {
            query: query.into_owned(),
            documents: texts.into_iter().map(Cow::into_owned).collect(),
        };
        let is_raw = members.flag("raw_scores")?.unwrap_or(false);
        let has_text = members.flag("return_text")?.unwrap_or(false);
        Ok::<_, ApiError>((query, is_raw, has_text))
    })?;
    let ranked = rank(model, &query, is_raw, service, timing)?.into_iter();
    let ranks: Vec<Rank> = ranked
        .map(|ranked| Rank {
            index: ranked.index,
            text: (query.documents.get(ranked.index))
                .map(String::as_str)
                .filter(|_| has_text),
            score: ranked.score,
        })
        .collect();
    encoded(&ranks, service, timing)
}
