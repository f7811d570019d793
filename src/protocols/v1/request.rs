//! Requests of V1: `{"instances": […]}` has an entry for each item of the batch, `{"inputs": …}` a tensor for each input.

use std::borrow::Cow;
use std::collections::BTreeMap;

use infer_model_card::TensorSpec;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::catalog::Model;
use crate::http::error::{ApiError, quoted};
use crate::http::limits::Limits;
use crate::input::content::{self, Content, Form};
use crate::input::images;
use crate::input::sounds;
use crate::input::table;
use crate::input::text::{self, Texts};
use crate::run::inference::InferenceRequest;
use crate::tensor::Tensor;
use crate::tensor::inputs::{in_order, known_input, only_input, refused};
use crate::tensor::json::{self, Array, object::Object};

/// A request of V1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The inputs by name, each once, in the card's order.
    pub inputs: Vec<(String, Tensor)>,
    /// Texts instead of inputs.
    pub texts: Option<Texts>,
    /// Content that the task prepares, instead of inputs.
    pub content: Option<Content>,
    /// The number of instances; `None` for the columnar form.
    pub rows: Option<usize>,
}

/// The members of a body. Others, such as `signature_name`, are ignored.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    instances: Option<&'a RawValue>,
    #[serde(borrow, default)]
    inputs: Option<&'a RawValue>,
}

/// Bytes in JSON, in TensorFlow Serving's form: an encoded image or sound.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoded<'a> {
    #[serde(borrow)]
    b64: Cow<'a, str>,
}

/// The named values of one instance.
type Row<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Read a body of `:predict`.
///
/// # Errors
/// 400 for malformed JSON and values that do not fit the inputs, 413 for a body over a limit.
pub fn decode(body: &[u8], model: &Model, limits: &Limits) -> Result<Request, ApiError> {
    let source = json::source(body, limits)?;
    let Object(body) = serde_json::from_slice::<Object<Body>>(&source).map_err(json::malformed)?;
    match (body.instances, body.inputs) {
        (Some(rows), None) => instances(model, rows, limits),
        (None, Some(columns)) => columnar(model, columns, limits),
        (Some(_), Some(_)) => Err(ApiError::invalid(
            "the JSON body has both `instances` and `inputs`, expected one of them",
        )),
        (None, None) => Err(ApiError::invalid(
            "the JSON body has neither `instances` nor `inputs`, expected one of them",
        )),
    }
}

/// Read a list with an entry for each item of the batch.
///
/// An entry is the value of the only input, or an object with a value for each input. The value of an image input may be
/// an encoded image, `{"b64": "…"}`, and that of a sound input an encoded sound; if the model takes texts, an entry may be a text.
///
/// # Errors
/// 400 if the value is not a list, or does not fit the inputs.
pub(crate) fn instances(
    model: &Model,
    json: &RawValue,
    limits: &Limits,
) -> Result<Request, ApiError> {
    let wrong = |error: serde_json::Error| {
        ApiError::invalid(format!("`instances` cannot be read: {error}"))
    };
    let Some(after_bracket) = json.get().strip_prefix('[') else {
        return Err(ApiError::invalid(format!(
            "`instances` is {}, expected a list",
            quoted(json.get())
        )));
    };
    let form = model.accepts().form;
    if let Some(content) = content::from_instances(json, form, limits)? {
        return Ok(Request {
            content: Some(content),
            ..Request::default()
        });
    }
    if let Some(files) = encoded_files(model, json) {
        return of_files(files?, model, limits);
    }
    let first = after_bracket.trim_ascii_start();
    if model.text.is_some() && form == Form::Prepared && first.starts_with('"') {
        let texts = text::encode(
            model.accepts(),
            &text::from_json("instances", json)?,
            None,
            limits,
        )?;
        return Ok(Request {
            rows: Some(texts.rows.len()),
            texts: Some(texts),
            ..Request::default()
        });
    }
    if model.card.table.is_some() && first.starts_with('{') {
        let inputs = table::from_records(json, &model.card, limits)?;
        return Ok(Request {
            rows: inputs
                .first()
                .and_then(|(_, tensor)| Some(*tensor.shape.first()? as usize)),
            inputs,
            ..Request::default()
        });
    }
    if !first.starts_with('{') {
        let spec = only_input(&model.card, "a list of plain instances")?;
        let array = json::read(spec, json, spec.datatype)?;
        return Ok(Request {
            rows: array.shape.first().map(|rows| *rows as usize),
            inputs: vec![(spec.name.clone(), json::whole(spec, array)?)],
            ..Request::default()
        });
    }
    let rows: Vec<Row> = serde_json::from_str(json.get()).map_err(wrong)?;
    let mut columns: BTreeMap<&str, Vec<&RawValue>> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        for (name, value) in row {
            let spec = known_input(&model.card, name)?;
            let column = columns.entry(&spec.name).or_default();
            if column.len() != index {
                return Err(refused(spec, "not every instance has it"));
            }
            column.push(value);
        }
    }
    let mut tensors = BTreeMap::new();
    for (name, values) in columns {
        let spec = known_input(&model.card, name)?;
        if values.len() != rows.len() {
            return Err(refused(spec, "not every instance has it"));
        }
        tensors.insert(spec.name.clone(), column(spec, &values, model, limits)?);
    }
    Ok(Request {
        inputs: in_order(&model.card, tensors)?,
        rows: Some(rows.len()),
        ..Request::default()
    })
}

/// Stack the values of one input in every instance into a tensor.
fn column(
    spec: &TensorSpec,
    values: &[&RawValue],
    model: &Model,
    limits: &Limits,
) -> Result<Tensor, ApiError> {
    let is = |input: Option<&TensorSpec>| input.is_some_and(|input| input.name == spec.name);
    let is_image = is(model.card.image_input().map(|(_, input)| input));
    if is_image || is(model.card.audio_input().map(|(_, input)| input)) {
        let files: Result<Vec<Object<Encoded>>, _> = values
            .iter()
            .map(|value| serde_json::from_str(value.get()))
            .collect();
        if let Ok(files) = files {
            let files = decoded(&files, if is_image { "image" } else { "sound" })?;
            if !is_image {
                return sounds::only_tensor(&sounds::placed(files), model.accepts(), limits);
            }
            let images: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
            return images::only_tensor(&images::placed(&images), model.accepts(), limits);
        }
    }
    let mut stacked: Option<Array> = None;
    for (index, value) in values.iter().enumerate() {
        let array = json::read(spec, value, spec.datatype)?;
        let Some(all) = &mut stacked else {
            stacked = Some(Array {
                shape: std::iter::once(1).chain(array.shape).collect(),
                data: array.data,
            });
            continue;
        };
        let (count, shape) = match all.shape.split_first_mut() {
            Some((count, shape)) => (count, &*shape),
            None => continue,
        };
        if shape != array.shape {
            return Err(refused(
                spec,
                format!(
                    "instance {index} has the shape {:?}, expected {shape:?} in every instance",
                    array.shape
                ),
            ));
        }
        *count += 1;
        all.data.extend(array.data);
    }
    let array = stacked.ok_or_else(|| refused(spec, "there is no instance"))?;
    json::whole(spec, array)
}

/// Read the tensor of the only input, or an object with a tensor for each input.
fn columnar(model: &Model, json: &RawValue, limits: &Limits) -> Result<Request, ApiError> {
    if let Some(files) = encoded_files(model, json) {
        return Ok(Request {
            rows: None,
            ..of_files(files?, model, limits)?
        });
    }
    if !json.get().starts_with('{') {
        let spec = only_input(&model.card, "a bare tensor")?;
        return Ok(Request {
            inputs: vec![(spec.name.clone(), json::tensor(spec, json)?)],
            ..Request::default()
        });
    }
    let named: Row = serde_json::from_str(json.get())
        .map_err(|error| ApiError::invalid(format!("`inputs` cannot be read: {error}")))?;
    let mut tensors = BTreeMap::new();
    for (name, value) in named {
        let spec = known_input(&model.card, &name)?;
        tensors.insert(spec.name.clone(), json::tensor(spec, value)?);
    }
    Ok(Request {
        inputs: in_order(&model.card, tensors)?,
        ..Request::default()
    })
}

/// Read `{"b64": "…"}`, or a list of them, for a model that an image or a sound alone is a request to; `None` for every other
/// value.
fn encoded_files(model: &Model, json: &RawValue) -> Option<Result<Vec<Vec<u8>>, ApiError>> {
    let text = json.get();
    let first = text.trim_start_matches(['[', ' ', '\t', '\n', '\r']);
    let noun = match (model.takes_images(), model.takes_sounds()) {
        (true, _) => "image",
        (false, true) => "sound",
        (false, false) => return None,
    };
    if !first.starts_with('{') {
        return None;
    }
    let files = serde_json::from_str::<Vec<Object<Encoded>>>(text)
        .or_else(|_| serde_json::from_str(text).map(|one| vec![one]))
        .ok()?;
    (!files.is_empty()).then(|| decoded(&files, noun))
}

fn decoded(files: &[Object<Encoded>], noun: &str) -> Result<Vec<Vec<u8>>, ApiError> {
    let files = files.iter().enumerate();
    files
        .map(|(index, file)| {
            images::from_base64(&file.0.b64).map_err(|error| {
                let text = quoted(&file.0.b64);
                ApiError::invalid(format!("{noun} {index} is not base64: {text}: {error}"))
            })
        })
        .collect()
}

/// A request with one image or sound for each row.
fn of_files(files: Vec<Vec<u8>>, model: &Model, limits: &Limits) -> Result<Request, ApiError> {
    let rows = Some(files.len());
    let request = if model.takes_images() {
        let images: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
        InferenceRequest::of_images(images::placed(&images), model.accepts(), limits)?
    } else {
        InferenceRequest::of_sounds(sounds::placed(files), model.accepts(), limits)?
    };
    Ok(Request {
        inputs: request.inputs,
        content: request.content,
        rows,
        ..Request::default()
    })
}
