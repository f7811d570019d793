//! `POST /v1/embeddings`: one vector for each text, in the form of OpenAI's API (reference, "Create embeddings").

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::catalog::ability::Ability;
use crate::catalog::{Model, Models};
use crate::http::error::{ApiError, quoted};
use crate::http::json::response_within;
use crate::http::limits::Limits;
use crate::http::negotiate::{ResponseType, response_type};
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::settings::Settings;
use crate::http::timing::{Phase, Timing};
use crate::input::body;
use crate::input::text::{self, Texts};
use crate::run::compute;
use crate::run::nn::Backend;
use crate::tasks::embedding::pooling::normalize;
use crate::tasks::parameters::Values;
use crate::tasks::{Inputs, Outputs, Wanted};
use crate::tensor::json::{self, object::Object};

/// A request, as far as its head says; the body names the model.
#[derive(Clone, Debug)]
pub struct Embeddings;

/// The members of a body. Others, such as `user`, are ignored.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    encoding_format: Option<&'a RawValue>,
    #[serde(borrow, default)]
    dimensions: Option<&'a RawValue>,
}

/// The encoding of a vector in the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// A list of numbers.
    Float,
    /// The bytes of little-endian FP32, in base64.
    Base64,
}

struct Request<'a> {
    model: &'a Model,
    texts: Texts,
    tokens: usize,
    encoding: Encoding,
    dimensions: Option<usize>,
}

#[derive(Serialize)]
struct EmbeddingsResponse<'a> {
    object: &'static str,
    data: Vec<Item>,
    model: &'a str,
    usage: Usage,
}

#[derive(Serialize)]
struct Item {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector {
    Float(Vec<f32>),
    Base64(String),
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: usize,
    total_tokens: usize,
}

impl Embeddings {
    /// Read the head.
    ///
    /// # Errors
    /// 415 and 406 for the media types.
    pub fn new(head: &Head) -> Result<Self, ApiError> {
        body::expect_json(head)?;
        response_type(head, &[ResponseType::Json])?;
        Ok(Self)
    }

    /// Decode the body, infer, and encode the response; `timing` gets the phases that ran.
    ///
    /// # Errors
    /// 400 for a body that is not such a request, 404 for an unknown model, and errors of the backend.
    pub fn respond(
        &self,
        body: &[u8],
        models: &Models,
        settings: &Settings,
        backend: &dyn Backend,
        timing: &mut Timing,
    ) -> Result<Response, ApiError> {
        let mut request = timing.measure(Phase::Decode, || decode(body, models, settings))?;
        let inputs = Inputs {
            texts: Some(std::mem::take(&mut request.texts)),
            ..Inputs::default()
        };
        let wanted = Wanted::tensors(Outputs::Default);
        let values = Values::defaults(&request.model.pipeline.parameters());
        let limits = &settings.limits;
        let outcome = compute::infer(
            request.model,
            inputs,
            wanted,
            &values,
            limits,
            backend,
            timing,
        )?;
        let (_, tensor) = outcome
            .outputs
            .into_iter()
            .next()
            .ok_or_else(|| ApiError::internal("the computation returned no vectors"))?;
        timing.measure(Phase::Encode, || {
            let size = tensor.shape.last().map_or(1, |size| *size as usize);
            encode(&request, &tensor.floats()?, size, &settings.limits)
        })
    }
}

fn decode<'a>(
    body: &[u8],
    models: &'a Models,
    settings: &Settings,
) -> Result<Request<'a>, ApiError> {
    let source = json::source(body, &settings.limits)?;
    let Object(body) = serde_json::from_slice::<Object<Body>>(&source).map_err(json::malformed)?;
    let name = body.model.map(|value| {
        serde_json::from_str::<Cow<str>>(value.get())
            .map_err(|_| wrong("model", value, "the name of a model"))
    });
    let model = models.with_ability(
        name.transpose()?.as_deref(),
        Ability::EMBEDS,
        "the JSON body has no `model`",
        settings,
    )?;
    let input = body.input.ok_or_else(|| {
        ApiError::invalid("the JSON body has no `input`, expected a text or a list of texts")
            .of_param("input")
    })?;
    let encoding = match body.encoding_format {
        None => Encoding::Float,
        Some(value) => match serde_json::from_str::<Cow<str>>(value.get()).as_deref() {
            Ok("float") => Encoding::Float,
            Ok("base64") => Encoding::Base64,
            _ => return Err(wrong("encoding_format", value, "float or base64")),
        },
    };
    let dimensions = body
        .dimensions
        .map(|value| match value.get().parse() {
            Ok(dimensions) if dimensions > 0 => Ok(dimensions),
            _ => Err(wrong("dimensions", value, "a whole number from 1")),
        })
        .transpose()?;
    if is_tokens(input) {
        return Err(ApiError::invalid(
            "`input` has token ids, expected texts: the ids of another tokenizer have another \
             meaning here (in LangChain, set `check_embedding_ctx_length=False`)",
        )
        .of_param("input"));
    }
    let texts = text::from_json("input", input)
        .and_then(|texts| text::encode(model.accepts(), &texts, None, &settings.limits))
        .map_err(|error| error.of_param("input"))?;
    Ok(Request {
        tokens: texts.tokens(),
        texts,
        model,
        encoding,
        dimensions,
    })
}

/// The error of a member whose value is wrong.
fn wrong(param: &'static str, value: &RawValue, expected: &str) -> ApiError {
    ApiError::invalid(format!(
        "`{param}` is {}, expected {expected}",
        quoted(value.get().trim_matches('"'))
    ))
    .of_param(param)
}

/// Whether the input is a list of token ids, or a list of such lists, which OpenAI accepts too.
fn is_tokens(input: &RawValue) -> bool {
    let inside = input
        .get()
        .trim_start_matches(|c: char| c == '[' || c.is_whitespace());
    input.get().starts_with('[') && inside.starts_with(|c: char| c.is_ascii_digit())
}

fn encode(
    request: &Request,
    values: &[f32],
    size: usize,
    limits: &Limits,
) -> Result<Response, ApiError> {
    let dimensions = request.dimensions.unwrap_or(size);
    if dimensions > size {
        return Err(ApiError::invalid(format!(
            "`dimensions` is {dimensions}, expected at most {size}, the dimensions of model `{}`",
            request.model.name
        ))
        .of_param("dimensions"));
    }
    let data = values
        .chunks(size.max(1))
        .enumerate()
        .map(|(index, vector)| {
            let mut vector = vector[..dimensions].to_vec();
            if dimensions < size {
                // Normalize a shortened vector to length 1 again, as OpenAI does.
                normalize(vector.as_mut_slice().into());
            }
            if request.encoding == Encoding::Float
                && let Some(value) = vector.iter().find(|value| !value.is_finite())
            {
                return Err(ApiError::invalid(format!(
                    "the embedding of text {index} has a component {value}, which JSON cannot represent; ask \
                     for `encoding_format` base64"
                ))
                .of_param("encoding_format"));
            }
            Ok(Item {
                object: "embedding",
                index,
                embedding: match request.encoding {
                    Encoding::Float => Vector::Float(vector),
                    Encoding::Base64 => {
                        let bytes: Vec<u8> =
                            vector.iter().flat_map(|value| value.to_le_bytes()).collect();
                        Vector::Base64(BASE64_STANDARD.encode(bytes))
                    }
                },
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let tokens = request.tokens;
    response_within(
        &EmbeddingsResponse {
            object: "list",
            data,
            model: request.model.name.as_str(),
            usage: Usage {
                prompt_tokens: tokens,
                total_tokens: tokens,
            },
        },
        limits,
    )
}
