//! The bodies of the API become the inputs and the parameters of a task.

use std::borrow::Cow;

use infer_model_card::{Activation, Task};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::catalog::Model;
use crate::http::error::{ApiError, listed, quoted};
use crate::http::limits::Limits;
use crate::input::content::{Content, Form, Query, Question};
use crate::input::images;
use crate::input::sounds;
use crate::input::text::{self, Texts};
use crate::protocols::common::members::{Members, wrong};
use crate::protocols::common::text_options::{self, TextInput, TextOptions};
use crate::protocols::common::vectors::Shape;
use crate::protocols::tei::embed::{Sentences, shape};
use crate::run::inference::InferenceRequest;
use crate::tasks::Inputs;
use crate::tasks::parameters::{Given, LABELS, Values};
use crate::tensor::json::{self, without_mark};

/// The kind of a body as `Content-Type` declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    /// JSON, or the bytes of an image or a text.
    Unknown,
    /// The bytes of an image or a text.
    Bytes,
}

/// A decoded body.
pub(super) enum Decoded {
    /// Texts for their vectors.
    Embedding {
        texts: Texts,
        shape: Shape,
        /// Whether the first text is compared to the others.
        is_similarity: bool,
    },
    /// The request of another task.
    Task(Request),
}

/// The request of a task.
pub(super) struct Request {
    pub(super) inputs: Inputs,
    pub(super) values: Values,
    /// Whether the request has a list, so that the response has one too.
    pub(super) is_batch: bool,
}

/// Decode a body for a model.
///
/// # Errors
/// 400 for a body that does not fit the model's task, 415 for bytes that the model does not take.
pub(super) fn decode(
    body: &[u8],
    model: &Model,
    kind: Kind,
    limits: &Limits,
) -> Result<Decoded, ApiError> {
    if body.is_empty() {
        return Err(ApiError::invalid(
            "the body is empty, expected an object with `inputs`, or the bytes of an image or a text",
        ));
    }
    let is_json = match kind {
        Kind::Json => true,
        Kind::Bytes => false,
        Kind::Unknown => json::begins(body),
    };
    if is_json {
        let source = json::source(body, limits)?;
        return of_json(&Members::of_body(&source)?, model, limits);
    }
    let accepts = model.accepts();
    if accepts.images() {
        let images = images::placed(&[body]);
        let request = InferenceRequest::of_images(images, accepts, limits)?;
        return task(request, false, &[], model);
    }
    if accepts.sounds() {
        let sounds = sounds::placed(vec![body.to_vec()]);
        let request = InferenceRequest::of_sounds(sounds, accepts, limits)?;
        return task(request, false, &[], model);
    }
    if accepts.texts() {
        let text: Cow<str> = text::from_bytes(without_mark(body))?.into();
        if model.embeds() {
            let texts = text::encode(accepts, &[text], None, limits)?;
            let shape = shape(&Members::default())?;
            return Ok(embedding(texts, shape, false));
        }
        let request = of_texts(vec![text], None, model, limits)?;
        return task(request, false, &[], model);
    }
    Err(ApiError::unsupported_media_type(format!(
        "model `{}` takes JSON on this route, expected `application/json`",
        model.name
    )))
}

fn of_json(members: &Members, model: &Model, limits: &Limits) -> Result<Decoded, ApiError> {
    if model.embeds() {
        return of_embedding(members, model, limits);
    }
    let expected = expected(model);
    let accepts = model.accepts();
    let parameters = parameters(members, model)?;
    if model.card.table.is_some() {
        let inputs = super::table::inputs(members, model, limits)?;
        let request = InferenceRequest {
            inputs,
            ..InferenceRequest::default()
        };
        return task(request, true, &parameters, model);
    }
    if accepts.form == Form::Queries && members.get("inputs").is_none() {
        // As in Text Embeddings Inference, whose requests have no `inputs`.
        let query = query(members).ok_or_else(|| {
            ApiError::invalid(format!(
                "the JSON body has no `inputs`, expected {expected}"
            ))
            .of_param("inputs")
        })?;
        let content = Content::Queries(vec![query]).checked(limits)?;
        return task(
            InferenceRequest::of_content(content),
            false,
            &parameters,
            model,
        );
    }
    let inputs = members.required("inputs", expected)?;
    let is_batch = inputs.get().starts_with('[');
    let refused = || wrong("inputs", inputs, expected);
    let request = match accepts.form {
        Form::Sounds | Form::Prepared if accepts.sounds() => {
            let sounds = sounds::from_json("inputs", inputs)?;
            InferenceRequest::of_sounds(sounds, accepts, limits)?
        }
        Form::Images | Form::Prepared if accepts.images() => {
            let images = images::from_json("inputs", inputs)?;
            InferenceRequest::of_images(images, accepts, limits)?
        }
        Form::Prepared | Form::Texts if accepts.texts() => {
            let (texts, pairs) = texts(inputs).ok_or_else(refused)?;
            of_texts(texts, pairs, model, limits)?
        }
        Form::Questions => {
            let questions = items(inputs, question).ok_or_else(refused)?;
            InferenceRequest::of_content(Content::Questions(questions).checked(limits)?)
        }
        Form::Queries => {
            let queries = items(inputs, query).ok_or_else(refused)?;
            InferenceRequest::of_content(Content::Queries(queries).checked(limits)?)
        }
        _ => {
            return Err(ApiError::invalid(format!(
                "model `{}` takes neither images nor texts; send its tensors to `/infer/{}`",
                model.name, model.name
            )));
        }
    };
    task(request, is_batch, &parameters, model)
}

/// The inputs of a model's task, for messages.
fn expected(model: &Model) -> &'static str {
    let accepts = model.accepts();
    match accepts.form {
        Form::Questions => "an object with `question` and `context`",
        Form::Queries => "an object with `query`, a text, and `texts`, a list of texts",
        _ if accepts.images() => "an encoded image in base64",
        _ if accepts.sounds() => "an encoded sound in base64",
        Form::Prepared => {
            "a text, a list of texts, or an object with the texts `text` and `text_pair`"
        }
        _ => "a text or a list of texts",
    }
}

/// Texts, and second texts if every first text has one.
type Pairs<'a> = (Vec<Cow<'a, str>>, Option<Vec<Cow<'a, str>>>);

fn texts(inputs: &RawValue) -> Option<Pairs<'_>> {
    if let Ok(texts) = text::from_json("inputs", inputs) {
        return Some((texts, None));
    }
    let pairs = items(inputs, |members| {
        let text = members.text("text", "").ok()??;
        let pair = members.text("text_pair", "").ok()?;
        Some((text, pair.unwrap_or_default()))
    })?;
    let (first, second) = pairs.into_iter().unzip();
    Some((first, Some(second)))
}

fn question(members: &Members) -> Option<Question> {
    Some(Question {
        question: members.text("question", "").ok()??.into_owned(),
        context: members.text("context", "").ok()??.into_owned(),
    })
}

fn query(members: &Members) -> Option<Query> {
    let documents = members
        .list("texts")
        .or_else(|_| members.list("documents"))
        .ok()?;
    Some(Query {
        query: members.text("query", "").ok()??.into_owned(),
        documents: documents.into_iter().map(Cow::into_owned).collect(),
    })
}

/// One object, or a list of objects.
fn items<'a, T>(inputs: &'a RawValue, read: impl Fn(&Members<'a>) -> Option<T>) -> Option<Vec<T>> {
    if let Some(members) = Members::of_value(inputs) {
        return Some(vec![read(&members)?]);
    }
    let list: Vec<&RawValue> = serde_json::from_str(inputs.get()).ok()?;
    let items = list.into_iter();
    items.map(|item| read(&Members::of_value(item)?)).collect()
}

fn of_texts(
    texts: Vec<Cow<str>>,
    pairs: Option<Vec<Cow<str>>>,
    model: &Model,
    limits: &Limits,
) -> Result<InferenceRequest, ApiError> {
    let accepts = model.accepts();
    if accepts.form == Form::Texts {
        if pairs.is_some() {
            return Err(ApiError::invalid(format!(
                "model `{}` takes no pairs of texts, expected a text or a list of texts",
                model.name
            ))
            .of_param("inputs"));
        }
        let texts = texts.into_iter().map(Cow::into_owned).collect();
        let content = Content::Texts(texts).checked(limits)?;
        return Ok(InferenceRequest::of_content(content));
    }
    let texts = text::encode(accepts, &texts, pairs.as_deref(), limits)?;
    Ok(InferenceRequest::of_texts(texts))
}

fn task(
    mut request: InferenceRequest,
    is_batch: bool,
    parameters: &[(String, Given)],
    model: &Model,
) -> Result<Decoded, ApiError> {
    let declared = model.pipeline.parameters();
    let values = Values::parse(&declared, model.name.as_str(), |wanted| {
        let given = parameters.iter().find(|(name, _)| name == wanted);
        Ok(given.map(|(_, value)| value.clone()))
    })?;
    Ok(Decoded::Task(Request {
        inputs: request.take_inputs(),
        values,
        is_batch,
    }))
}

/// The parameters of a body, with the names of tasks.
fn parameters(members: &Members, model: &Model) -> Result<Vec<(String, Given)>, ApiError> {
    let Some(value) = members.get("parameters") else {
        return Ok(Vec::new());
    };
    let refused = || wrong("parameters", value, "an object");
    let members = Members::of_value(value).ok_or_else(refused)?;
    let declared = model.pipeline.parameters();
    let mut parameters = Vec::new();
    for (name, value) in members.iter() {
        let value: Value = serde_json::from_str(value.get()).map_err(|_| refused())?;
        if is_settled(name, &value, model)? {
            continue;
        }
        let own = match name {
            CANDIDATE_LABELS => LABELS,
            name => name,
        };
        if !declared.iter().any(|parameter| parameter.name == own) {
            let known: Vec<&str> = declared
                .iter()
                .map(|parameter| match parameter.name {
                    LABELS => CANDIDATE_LABELS,
                    name => name,
                })
                .collect();
            return Err(ApiError::invalid(format!(
                "model `{}` does not take the parameter {}; it takes {}",
                model.name,
                quoted(name),
                listed(known, "and")
            ))
            .of_param("parameters"));
        }
        parameters.push((own.to_owned(), Given::Json(value)));
    }
    Ok(parameters)
}

/// The name of [`LABELS`] in the API.
const CANDIDATE_LABELS: &str = "candidate_labels";

/// Whether a parameter says what the model's card says too.
///
/// # Errors
/// 400 if it says something else.
fn is_settled(name: &str, value: &Value, model: &Model) -> Result<bool, ApiError> {
    let own = match (name, &model.card.task) {
        ("function_to_apply", Task::Classification(spec)) => match spec.activation {
            Activation::None => "none",
            Activation::Softmax => "softmax",
            Activation::Sigmoid => "sigmoid",
        },
        ("subtask", Task::Segmentation(_)) => "semantic",
        ("subtask", Task::Detection(_)) => "instance",
        _ => return Ok(false),
    };
    if value.as_str() == Some(own) {
        return Ok(true);
    }
    Err(ApiError::invalid(format!(
        "`{name}` is {}, expected `{own}`, which the card of model `{}` says",
        quoted(value.as_str().unwrap_or(&value.to_string())),
        model.name
    ))
    .of_param("parameters"))
}

/// The member of an embedding request that says how vectors are written.
const ENCODING_FORMAT: &str = "encoding_format";

/// Texts for their vectors, or sentences to compare. The parameters are beside `inputs`, or in `parameters`.
fn of_embedding(members: &Members, model: &Model, limits: &Limits) -> Result<Decoded, ApiError> {
    let expected = "a text, a list of texts, or an object with `source_sentence` and `sentences`";
    let inputs = members.required("inputs", expected)?;
    let nested = match members.get("parameters") {
        None => Members::default(),
        Some(value) => {
            Members::of_value(value).ok_or_else(|| wrong("parameters", value, "an object"))?
        }
    };
    let known = |name: &str| {
        text_options::NAMES.contains(&name)
            || ["normalize", "dimensions", ENCODING_FORMAT].contains(&name)
    };
    if let Some((name, _)) = nested.iter().find(|(name, _)| !known(name)) {
        return Err(ApiError::invalid(format!(
            "model `{}` does not take the parameter {}; it takes `normalize`, `dimensions`, `truncate` and \
             `truncation_direction`",
            model.name,
            quoted(name)
        ))
        .of_param("parameters"));
    }
    let has_nested = nested.iter().next().is_some();
    let parameters = if has_nested { &nested } else { members };
    parameters.choice(ENCODING_FORMAT, &["float"])?;
    let options = TextOptions::read(parameters, model)?;
    let shape = shape(parameters)?;
    if inputs.get().starts_with('{') {
        let Sentences(sentences) = Sentences::read(inputs)?;
        let texts = options.encode(&TextInput::Texts(sentences), model, limits)?;
        let shape = Shape {
            normalize: true,
            dimensions: None,
        };
        return Ok(embedding(texts, shape, true));
    }
    let texts = text::from_json("inputs", inputs).map_err(|_| wrong("inputs", inputs, expected))?;
    let texts = options.encode(&TextInput::Texts(texts), model, limits)?;
    Ok(embedding(texts, shape, false))
}

fn embedding(texts: Texts, shape: Shape, is_similarity: bool) -> Decoded {
    Decoded::Embedding {
        texts,
        shape,
        is_similarity,
    }
}
