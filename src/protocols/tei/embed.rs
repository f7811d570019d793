//! `/embed`, `/embed_all`, `/embed_sparse` and `/similarity`.

use std::borrow::Cow;

use infer_model_card::{Pooling, Side, Task};
use serde_json::value::RawValue;

use super::request::{encoded, model};
use crate::catalog::Model;
use crate::catalog::ability::Ability;
use crate::http::error::{ApiError, ErrorKind};
use crate::http::response::Response;
use crate::http::timing::{Phase, Timing};
use crate::input::text::Texts;
use crate::protocols::common::Service;
use crate::protocols::common::members::{Members, wrong};
use crate::protocols::common::prediction::predictions;
use crate::protocols::common::text_options::{TextInput, TextOptions};
use crate::protocols::common::vectors::{Shape, check_finite, similarities, vectors};
use crate::run::compute;
use crate::tasks::parameters::Values;
use crate::tasks::{Inputs, Outputs, Wanted};

/// The texts of a request, which may be token ids.
fn inputs<'a>(members: &Members<'a>) -> Result<TextInput<'a>, ApiError> {
    TextInput::read("inputs", members.required("inputs", "a text or texts")?)
}

fn texts(members: &Members, model: &Model, service: Service) -> Result<Texts, ApiError> {
    let options = TextOptions::read(members, model)?;
    options.encode(&inputs(members)?, model, service.limits())
}

/// `POST /embed`: one vector for each text.
pub(super) fn embed(
    members: &Members,
    service: Service,
    timing: &mut Timing,
) -> Result<Response, ApiError> {
    let model = model(members, Ability::EMBEDS, service)?;
    let (texts, shape) = timing.measure(Phase::Decode, || {
        let shape = shape(members)?;
        Ok::<_, ApiError>((texts(members, model, service)?, shape))
    })?;
    let vectors = vectors(model, texts, shape, service, timing)?;
    encoded(&vectors, service, timing)
}

/// The members that decide what becomes of the vectors.
pub(crate) fn shape(members: &Members) -> Result<Shape, ApiError> {
    Ok(Shape {
        normalize: members.flag("normalize")?.unwrap_or(true),
        dimensions: members.count("dimensions")?,
    })
}

/// `POST /embed_all`: one vector for each token, as the graph has them.
pub(super) fn embed_all(
    members: &Members,
    service: Service,
    timing: &mut Timing,
) -> Result<Response, ApiError> {
    let model = model(members, Ability::EMBEDS, service)?;
    let output = match &model.card.task {
        Task::Embedding(spec) if spec.pooling != Pooling::None => spec.output.as_str(),
        _ => {
            return Err(ApiError::new(
                ErrorKind::FailedDependency,
                format!(
                    "model `{}` has no vectors of tokens, because its graph pools them; `/embed` has those of texts",
                    model.name
                ),
            ));
        }
    };
    let texts = timing.measure(Phase::Decode, || texts(members, model, service))?;
    let lengths: Vec<usize> = texts.rows.iter().map(|row| row.ids.len()).collect();
    let inputs = Inputs {
        texts: Some(texts),
        ..Inputs::default()
    };
    let values = Values::defaults(&model.pipeline.parameters());
    let (limits, backend) = (service.limits(), service.backend);
    let wanted = Wanted::tensors(Outputs::All);
    let outcome = compute::infer(model, inputs, wanted, &values, limits, backend, timing)?;
    let tensor = outcome.outputs.iter().find(|(name, _)| name == output);
    let (_, tensor) = tensor
        .ok_or_else(|| ApiError::internal(format!("the computation returned no `{output}`")))?;
    let side = model.card.text.as_ref().map(|text| text.padding_side);
    let rows = timing.measure(Phase::Encode, || {
        let [_, width, size] = tensor.shape.as_slice() else {
            return Err(ApiError::internal(format!(
                "output `{output}` has shape {:?}, expected [batch, tokens, size]",
                tensor.shape
            )));
        };
        let (width, size) = (*width as usize, (*size as usize).max(1));
        let values = tensor.floats()?;
        let texts = values.chunks((width * size).max(1)).zip(&lengths);
        let texts = texts.enumerate().map(|(index, (values, length))| {
            let from = match side {
                Some(Side::Left) => width.saturating_sub(*length),
                _ => 0,
            };
            let tokens = values.chunks(size).skip(from).take(*length);
            let tokens = tokens.map(|token| {
                check_finite(index, token)?;
                Ok(token.to_vec())
            });
            tokens.collect::<Result<Vec<Vec<f32>>, ApiError>>()
        });
        texts.collect::<Result<Vec<_>, _>>()
    })?;
    encoded(&rows, service, timing)
}

/// `POST /embed_sparse`: the weights of the vocabulary's entries for each text.
pub(super) fn embed_sparse(
    members: &Members,
    service: Service,
    timing: &mut Timing,
) -> Result<Response, ApiError> {
    let model = model(members, Ability::EMBEDS_SPARSELY, service)?;
    let texts = timing.measure(Phase::Decode, || texts(members, model, service))?;
    let inputs = Inputs {
        texts: Some(texts),
        ..Inputs::default()
    };
    let values = Values::defaults(&model.pipeline.parameters());
    let rows = predictions(model, inputs, &values, service, timing)?;
    encoded(&rows, service, timing)
}

/// A sentence with those that it is compared to.
pub(crate) struct Sentences<'a>(pub(crate) Vec<Cow<'a, str>>);

impl<'a> Sentences<'a> {
    /// Read the object of a request.
    pub(crate) fn read(value: &'a RawValue) -> Result<Self, ApiError> {
        let expected = "an object with `source_sentence`, a text, and `sentences`, a list of texts";
        let members = Members::of_value(value).ok_or_else(|| wrong("inputs", value, expected))?;
        let source = members.text("source_sentence", "a text")?;
        let source = source.ok_or_else(|| wrong("inputs", value, expected))?;
        let mut texts = vec![source];
        texts.extend(members.list("sentences")?);
        let empty = texts.iter().position(|text| text.is_empty());
        let count = texts.len() - 1;
        crate::protocols::common::text_options::check_content("sentences", count, None)?;
        crate::protocols::common::text_options::check_content("inputs", texts.len(), empty)?;
        Ok(Self(texts))
    }
}

/// `POST /similarity`: the cosine similarity of a sentence to others.
pub(super) fn similarity(
    members: &Members,
    service: Service,
    timing: &mut Timing,
) -> Result<Response, ApiError> {
    let model = model(members, Ability::EMBEDS, service)?;
    let texts = timing.measure(Phase::Decode, || {
        let expected = "an object with `source_sentence` and `sentences`";
        let Sentences(sentences) = Sentences::read(members.required("inputs", expected)?)?;
        let parameters = match members.get("parameters") {
            None => Members::default(),
            Some(value) => {
                Members::of_value(value).ok_or_else(|| wrong("parameters", value, "an object"))?
            }
        };
        let options = TextOptions::read(&parameters, model)?;
        options.encode(&TextInput::Texts(sentences), model, service.limits())
    })?;
    let shape = Shape {
        normalize: true,
        dimensions: None,
    };
    let vectors = vectors(model, texts, shape, service, timing)?;
    encoded(&similarities(&vectors), service, timing)
}
