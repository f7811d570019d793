//! `POST /infer`: from a request to an answer.
//!
//! In two steps, because the body is read between them: [`Plan::new`] decides from the head alone
//! whether the body is worth reading, [`Plan::answer`] does the rest.

use infer_model_card::{Datatype, ModelCard};

use crate::answer::{self, JsonAnswer, JsonOutput};
use crate::body::{self, BodyKind, Declared};
use crate::classify::classify;
use crate::error::{ApiError, ErrorKind, quoted};
use crate::image::{self, ImageError};
use crate::json::{self, JsonRequest};
use crate::models::{Model, Models};
use crate::negotiate::{AnswerType, answer_type};
use crate::nn::{Backend, OutputTensor};
use crate::raw;
use crate::request::Head;
use crate::response::Response;
use crate::router::{Route, route};
use crate::settings::Settings;
use crate::tensor::Tensor;
use crate::timing::{Phase, Timing};

/// What the head of a request says is to be done.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    model: &'a Model,
    declared: Declared,
    answer: AnswerType,
    top_k: Option<usize>,
    with_outputs: bool,
}

impl<'a> Plan<'a> {
    /// Decide from the head.
    ///
    /// # Errors
    /// 404 and 405 for the route, 404 for the model, 413 for the declared length, 415 and 406 for
    /// the media types, 400 for the query.
    pub fn new(head: &Head, models: &'a Models, settings: &Settings) -> Result<Self, ApiError> {
        let Route::Infer { model } = route(head)?;
        let model = match model {
            Some(name) => models.get(&name)?,
            None => models.default(settings)?,
        };
        if let Some(length) = head.content_length()?
            && length > settings.max_body_bytes
        {
            return Err(too_large(settings, &format!("came {length}")));
        }
        let plan = Self {
            model,
            declared: body::declared(head, model)?,
            answer: answer_type(head)?,
            top_k: top_k(head)?,
            with_outputs: flag(head, "outputs")?,
        };
        if plan.top_k.is_some() && model.card.classification.is_none() {
            return Err(ApiError::invalid(format!(
                "`top_k` is for classifiers, and model `{}` is none",
                model.name
            )));
        }
        Ok(plan)
    }

    /// Decode the body, infer, and word the answer; `timing` gets the phases that ran.
    ///
    /// # Errors
    /// 400 for a body that does not fit the model, and what the backend refuses.
    pub fn answer(
        &self,
        body: Vec<u8>,
        backend: &dyn Backend,
        timing: &mut Timing,
    ) -> Result<Response, ApiError> {
        let request = timing.measure(Phase::Decode, || self.decode(body))?;
        let context = timing.measure(Phase::Load, || backend.load(&self.model.name))?;
        let outputs = timing.measure(Phase::Compute, || context.compute(request.inputs))?;
        let outputs = declared_outputs(&self.model.card, outputs)?;
        self.word(request.id.as_deref(), &request.outputs, outputs)
    }

    fn decode(&self, body: Vec<u8>) -> Result<JsonRequest, ApiError> {
        if body.is_empty() {
            return Err(ApiError::invalid(format!(
                "the body is empty; model `{}` takes {}",
                self.model.name,
                self.model.media_types().join(", ")
            )));
        }
        let kind = match self.declared {
            Declared::Kind(kind) => kind,
            Declared::Bytes => body::sniff(&body, self.model)?,
        };
        let card = &self.model.card;
        let input = match kind {
            BodyKind::Json => return json::decode(&body, card),
            BodyKind::Raw => raw::decode(body, card)?,
            BodyKind::Image => image_tensor(&body, self.model)?,
        };
        Ok(JsonRequest {
            inputs: vec![input],
            ..JsonRequest::default()
        })
    }

    /// `wanted` are the outputs that the request names; none means all.
    fn word(
        &self,
        id: Option<&str>,
        wanted: &[String],
        outputs: Vec<(String, Tensor)>,
    ) -> Result<Response, ApiError> {
        let model = self.model;
        let is_wanted = |name: &String| wanted.is_empty() || wanted.contains(name);
        if self.answer != AnswerType::Json {
            let first = outputs.into_iter().find(|(name, _)| is_wanted(name));
            let (_, tensor) =
                first.ok_or_else(|| ApiError::internal("the backend gave no output"))?;
            return match self.answer {
                AnswerType::Npy => answer::npy(&tensor),
                _ => Ok(answer::raw(tensor)),
            };
        }
        let predictions = model
            .card
            .classification
            .as_ref()
            .map(|spec| {
                let output = outputs.iter().find(|(name, _)| *name == spec.output);
                let (_, tensor) = output.ok_or_else(|| {
                    ApiError::internal(format!("the backend gave no output `{}`", spec.output))
                })?;
                classify(
                    tensor,
                    spec,
                    &model.labels,
                    self.top_k.unwrap_or(spec.top_k),
                )
            })
            .transpose()?;
        let with_outputs = self.with_outputs || !wanted.is_empty() || predictions.is_none();
        let json_outputs = with_outputs
            .then(|| {
                outputs
                    .iter()
                    .filter(|(name, _)| is_wanted(name))
                    .map(|(name, tensor)| JsonOutput::new(name, tensor))
                    .collect::<Result<Vec<_>, _>>()
            })
            .transpose()?;
        answer::json(&JsonAnswer {
            model_name: model.name.as_str(),
            model_version: &model.card.version,
            id,
            predictions,
            outputs: json_outputs,
        })
    }
}

/// The refusal of a body over the limit.
#[must_use]
pub fn too_large(settings: &Settings, came: &str) -> ApiError {
    ApiError::too_large(format!(
        "the body has more than {} bytes, {came}; the limit is the setting `{}`",
        settings.max_body_bytes,
        crate::settings::MAX_BODY_BYTES
    ))
}

fn top_k(head: &Head) -> Result<Option<usize>, ApiError> {
    let Some(value) = head.query_parameter("top_k")? else {
        return Ok(None);
    };
    match value.parse() {
        Ok(top_k) if top_k > 0 => Ok(Some(top_k)),
        _ => Err(ApiError::invalid(format!(
            "`top_k` is {}, expected a whole number from 1",
            quoted(&value)
        ))),
    }
}

fn flag(head: &Head, name: &str) -> Result<bool, ApiError> {
    match head.query_parameter(name)?.as_deref() {
        None | Some("false") => Ok(false),
        Some("true" | "") => Ok(true),
        Some(other) => Err(ApiError::invalid(format!(
            "`{name}` is {}, expected true or false",
            quoted(other)
        ))),
    }
}

fn image_tensor(body: &[u8], model: &Model) -> Result<(String, Tensor), ApiError> {
    let (spec, input) = model.card.image_input().ok_or_else(|| {
        ApiError::unsupported_media_type(format!("model `{}` takes no images", model.name))
    })?;
    let data = image::to_tensor(body, spec, input.datatype).map_err(|error| {
        let kind = match error {
            ImageError::TooManyPixels { .. } => ErrorKind::TooLarge,
            _ => ErrorKind::Invalid,
        };
        ApiError::new(kind, error.to_string())
    })?;
    let channels = u32::try_from(spec.channels.count()).unwrap_or(u32::MAX);
    let shape = match spec.layout {
        infer_model_card::Layout::Nchw => vec![1, channels, spec.height, spec.width],
        infer_model_card::Layout::Nhwc => vec![1, spec.height, spec.width, channels],
    };
    let wide: Vec<u64> = shape.iter().copied().map(u64::from).collect();
    input.check_shape(&wide).map_err(|error| {
        ApiError::invalid(format!(
            "one image does not fill input `{}`: {error}",
            input.name
        ))
    })?;
    let tensor = Tensor {
        datatype: input.datatype,
        shape,
        data,
    };
    Ok((input.name.clone(), tensor))
}

/// The outputs that the card declares, in its order and with its datatypes.
fn declared_outputs(
    card: &ModelCard,
    mut outputs: Vec<(String, OutputTensor)>,
) -> Result<Vec<(String, Tensor)>, ApiError> {
    card.outputs
        .iter()
        .map(|spec| {
            let position = outputs.iter().position(|(name, _)| *name == spec.name);
            let (name, output) = position.map(|at| outputs.swap_remove(at)).ok_or_else(|| {
                ApiError::internal(format!("the backend gave no output `{}`", spec.name))
            })?;
            let tensor = Tensor {
                datatype: spec.datatype,
                shape: output.shape,
                data: output.data,
            };
            if !tensor.is_whole() || spec.datatype == Datatype::Bytes {
                return Err(ApiError::internal(format!(
                    "the backend's output `{name}` has {} bytes in shape {:?} of {}",
                    tensor.data.len(),
                    tensor.shape,
                    tensor.datatype
                )));
            }
            Ok((name, tensor))
        })
        .collect()
}
