//! Inference requests: JSON, or JSON with the bytes of tensors behind it.
//!
//! The JSON is parsed once, and the text of its arrays is kept. Then the text of each array is converted directly to the
//! bytes of a tensor, without a tree of values between.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use infer_model_card::TensorSpec;
use infer_tensor::{Datatype, convert};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::binary::{self, HEADER, Tensors};
pub(crate) use super::input::Input;
use super::parameters::TensorParameters;
use super::texts;
use crate::catalog::Model;
use crate::http::error::{ApiError, quoted};
use crate::http::limits::Limits;
use crate::input::content::{Content, EncodedImage, Form};
use crate::input::images;
use crate::input::sounds;
use crate::run::inference::{
    InferenceRequest, PREDICTIONS, RequestedOutput, check_outputs, has_predictions,
};
use crate::tensor::byte_strings;
use crate::tensor::inputs::{in_order, known_input, refused};
use crate::tensor::json::{self, object::Object};
use crate::tensor::{Tensor, check_shape, elements, shown};

/// The JSON of a request. Unknown members are ignored, as the protocol requires.
#[derive(Deserialize)]
pub(crate) struct Body<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) parameters: Option<Object<RequestParameters<'a>>>,
    #[serde(borrow, default)]
    pub(crate) inputs: Option<Vec<Object<Input<'a>>>>,
    #[serde(borrow, default)]
    pub(crate) outputs: Option<Vec<Object<Output<'a>>>>,
}

#[derive(Default, Deserialize)]
pub(crate) struct RequestParameters<'a> {
    #[serde(borrow, default)]
    binary_data_output: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(crate) struct Output<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    parameters: Option<Object<TensorParameters<'a>>>,
}

/// Read a request for a model; `header_length` is what [`binary::header_length`] found.
///
/// # Errors
/// 400 for malformed JSON; for an unknown, repeated or missing input; for a shape, datatype, count, size or value that does
/// not fit; for an unknown or repeated output. 413 for JSON, images and texts over their limits.
pub fn decode(
    body: &[u8],
    header_length: Option<u64>,
    model: &Model,
    limits: &Limits,
) -> Result<InferenceRequest, ApiError> {
    let (json, tensors) = match header_length {
        None => (body, None),
        Some(length) => {
            let (json, tensors) = binary::split(body, length)?;
            (json, Some(Tensors(tensors)))
        }
    };
    let source = json::source(json, limits)?;
    let Object(body) = serde_json::from_slice::<Object<Body>>(&source).map_err(json::malformed)?;
    from_body(body, tensors, model, limits)
}

/// Read the inputs of a request's JSON, with the tensors behind it, and the requested outputs.
pub(crate) fn from_body(
    mut body: Body,
    tensors: Option<Tensors>,
    model: &Model,
    limits: &Limits,
) -> Result<InferenceRequest, ApiError> {
    let inputs = body.inputs.take().ok_or_else(|| {
        ApiError::invalid("the JSON body has no `inputs`, expected a list of tensors")
    })?;
    for Object(input) in &inputs {
        input.check_parameters()?;
    }
    if let [Object(input)] = inputs.as_slice()
        && texts::is_texts(input, model)
    {
        let texts = texts::read(input, tensors)?;
        let requested = requested(body, model)?;
        return texts::request(texts, requested, model, limits);
    }
    if let [Object(input)] = inputs.as_slice()
        && model.accepts().form == Form::Images
        && wants_predictions(&body, model)
        && let Some(spec) = images_input(input, model)
    {
        let requested = requested(body, model)?;
        let images = read_images(spec, input, tensors)?;
        return Ok(InferenceRequest {
            content: Some(Content::Images(images)),
            ..requested
        });
    }
    let inputs = named_inputs(model, inputs, tensors, limits)?;
    Ok(InferenceRequest {
        inputs,
        ..requested(body, model)?
    })
}

fn wants_predictions(body: &Body, model: &Model) -> bool {
    let mut outputs = body.outputs.iter().flatten();
    has_predictions(model) && outputs.any(|Object(output)| output.name == PREDICTIONS)
}

/// Read the id and the requested outputs of a request's JSON.
pub(crate) fn requested(body: Body, model: &Model) -> Result<InferenceRequest, ApiError> {
    let mut outputs = body
        .outputs
        .unwrap_or_default()
        .into_iter()
        .map(|Object(output)| requested_output(output))
        .collect::<Result<Vec<_>, _>>()?;
    let place = outputs
        .iter()
        .position(|output| output.name == PREDICTIONS && has_predictions(model));
    let predictions = place.map(|place| outputs.remove(place));
    if predictions.is_some() && outputs.iter().any(|output| output.name == PREDICTIONS) {
        return Err(ApiError::invalid(format!(
            "output `{PREDICTIONS}` is repeated, expected each output once"
        )));
    }
    if predictions
        .as_ref()
        .is_some_and(|output| output.classes.is_some())
    {
        return Err(ApiError::invalid(format!(
            "output `{PREDICTIONS}` has the parameter `classification`, which is for tensors"
        )));
    }
    check_outputs(&model.card, &outputs)?;
    let Object(parameters) = body.parameters.unwrap_or_default();
    Ok(InferenceRequest {
        id: body.id.map(Cow::into_owned),
        inputs: Vec::new(),
        texts: None,
        content: None,
        outputs,
        predictions,
        binary_output: truth("`binary_data_output`", parameters.binary_data_output)?
            .unwrap_or(false),
    })
}

fn requested_output(output: Output) -> Result<RequestedOutput, ApiError> {
    let Object(parameters) = output.parameters.unwrap_or_default();
    parameters.check_shared_memory().map_err(|problem| {
        ApiError::invalid(format!("output {}: {problem}", quoted(&output.name)))
    })?;
    let of = |parameter| format!("output {}: `{parameter}`", quoted(&output.name));
    let classes = parameters
        .classification
        .map(|value| {
            // Any count of up to 64 bits: if the model has fewer classes, the response has all of them.
            let count: Option<u64> = value.get().parse().ok();
            count
                .map(|count| usize::try_from(count).unwrap_or(usize::MAX))
                .and_then(NonZeroUsize::new)
                .ok_or_else(|| {
                    ApiError::invalid(format!(
                        "{} is {}, expected a whole number from 1",
                        of("classification"),
                        quoted(value.get())
                    ))
                })
        })
        .transpose()?;
    Ok(RequestedOutput {
        binary: truth(&of("binary_data"), parameters.binary_data)?,
        classes,
        name: output.name.into_owned(),
    })
}

fn truth(what: &str, value: Option<&RawValue>) -> Result<Option<bool>, ApiError> {
    value
        .map(|value| {
            value.get().parse().map_err(|_| {
                ApiError::invalid(format!(
                    "{what} is {}, expected true or false",
                    quoted(value.get())
                ))
            })
        })
        .transpose()
}

fn named_inputs(
    model: &Model,
    inputs: Vec<Object<Input>>,
    tensors: Option<Tensors>,
    limits: &Limits,
) -> Result<Vec<(String, Tensor)>, ApiError> {
    let is_only = inputs.len() == 1;
    let has_binary = tensors.is_some();
    let mut tensors = tensors.unwrap_or(Tensors(&[]));
    let mut named = BTreeMap::new();
    for Object(input) in inputs {
        let spec = known_input(&model.card, &input.name)?;
        if named.contains_key(&spec.name) {
            return Err(ApiError::invalid(format!(
                "input {} is repeated, expected each input once",
                quoted(&spec.name)
            )));
        }
        let tensor = match source(spec, &input, has_binary, is_only, &mut tensors)? {
            Source::Json(data) => from_json(spec, &input, data, model, limits)?,
            Source::Bytes(bytes) => from_bytes(spec, &input, bytes, model, limits)?,
        };
        named.insert(spec.name.clone(), tensor);
    }
    tensors.finish()?;
    in_order(&model.card, named)
}

/// Where the data of an input are.
enum Source<'a> {
    Json(&'a RawValue),
    Bytes(&'a [u8]),
}

/// Find the data of an input, and take them if they are behind the JSON.
fn source<'a>(
    spec: &TensorSpec,
    input: &Input<'a>,
    has_binary: bool,
    is_only: bool,
    tensors: &mut Tensors<'a>,
) -> Result<Source<'a>, ApiError> {
    let problem = match (input.data, input.binary_size()) {
        (Some(data), None) => return Ok(Source::Json(data)),
        (None, Some(_)) if !has_binary => {
            format!(
                "`binary_data_size` says that its bytes follow the JSON, but the request has no header `{HEADER}`"
            )
        }
        (None, Some(size)) => {
            let taken = size.and_then(|size| tensors.take(size));
            return taken
                .map(Source::Bytes)
                .map_err(|problem| refused(spec, problem));
        }
        // The only tensor has the rest of the bytes, as in OpenVINO Model Server.
        (None, None) if is_only && has_binary => return Ok(Source::Bytes(tensors.take_rest())),
        (None, None) => {
            "it has neither `data` nor the parameter `binary_data_size`, expected one of them"
                .to_owned()
        }
        (Some(_), Some(_)) => {
            "it has both `data` and the parameter `binary_data_size`, expected one of them"
                .to_owned()
        }
    };
    Err(refused(spec, problem))
}

/// The datatype that the request declares.
fn sent_datatype(spec: &TensorSpec, input: &Input) -> Result<Datatype, ApiError> {
    input.datatype.parse().map_err(|error| refused(spec, error))
}

/// Whether the input is a list of encoded images: BYTES for the image input of the card.
fn is_images(spec: &TensorSpec, input: &Input, model: &Model) -> bool {
    let takes = model.card.image_input();
    input.datatype == Datatype::Bytes.name()
        && takes.is_some_and(|(_, image)| image.name == spec.name)
}

/// The number of images that a shape declares.
fn file_count(spec: &TensorSpec, input: &Input, noun: &str) -> Result<u64, ApiError> {
    match input.shape.as_slice() {
        // Triton's models of BYTES often have the second dimension.
        [count] | [count, 1] if *count > 0 => Ok(*count),
        _ => Err(refused(
            spec,
            format!(
                "encoded {noun}s as BYTES need the shape [n], one element for each {noun}, got {}",
                shown(&input.shape)
            ),
        )),
    }
}

/// Whether the input is a list of encoded sounds: BYTES for the sound input of the card.
fn is_sounds(spec: &TensorSpec, input: &Input, model: &Model) -> bool {
    let takes = model.card.audio_input();
    input.datatype == Datatype::Bytes.name()
        && takes.is_some_and(|(_, sound)| sound.name == spec.name)
}

/// The tensor of encoded sounds.
fn sound_tensor(
    files: Vec<EncodedImage>,
    model: &Model,
    limits: &Limits,
) -> Result<Tensor, ApiError> {
    let sounds = files.into_iter().map(|file| file.bytes).collect();
    sounds::only_tensor(&sounds::placed(sounds), model.accepts(), limits)
}

/// The image input of a model whose task takes images, if the input is a list of encoded ones.
fn images_input<'a>(input: &Input, model: &'a Model) -> Option<&'a TensorSpec> {
    let (_, spec) = model.card.image_input()?;
    let is_named = spec.name == input.name && model.accepts().images();
    (is_named && is_images(spec, input, model)).then_some(spec)
}

/// Read encoded images from the JSON, or from the bytes behind it.
fn read_images(
    spec: &TensorSpec,
    input: &Input,
    tensors: Option<Tensors>,
) -> Result<Vec<EncodedImage>, ApiError> {
    let count = file_count(spec, input, "image")?;
    let has_binary = tensors.is_some();
    let mut tensors = tensors.unwrap_or(Tensors(&[]));
    let images = match source(spec, input, has_binary, true, &mut tensors)? {
        Source::Json(data) => images_of_json(spec, count, data)?,
        Source::Bytes(bytes) => images_of_bytes(spec, count, bytes)?,
    };
    tensors.finish()?;
    Ok(images)
}

fn images_of_json(
    spec: &TensorSpec,
    count: u64,
    data: &RawValue,
) -> Result<Vec<EncodedImage>, ApiError> {
    let texts: Vec<Cow<str>> = serde_json::from_str(data.get()).map_err(|_| {
        refused(
            spec,
            "`data` is not a flat list of encoded images in base64; to send them as they are, use \
             binary tensor data",
        )
    })?;
    if texts.len() as u64 != count {
        return Err(refused(
            spec,
            format!("the shape says {count} images, `data` has {}", texts.len()),
        ));
    }
    let images = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            images::from_base64(text)
                .map_err(|error| refused(spec, format!("image {index} is not base64: {error}")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let images: Vec<&[u8]> = images.iter().map(Vec::as_slice).collect();
    Ok(images::placed(&images))
}

fn images_of_bytes(
    spec: &TensorSpec,
    count: u64,
    bytes: &[u8],
) -> Result<Vec<EncodedImage>, ApiError> {
    let images = byte_strings::split(bytes, count).map_err(|error| refused(spec, error))?;
    Ok(images::placed(&images))
}

/// Read a tensor whose data are in the JSON, flat or nested like the shape.
fn from_json(
    spec: &TensorSpec,
    input: &Input,
    data: &RawValue,
    model: &Model,
    limits: &Limits,
) -> Result<Tensor, ApiError> {
    if is_images(spec, input, model) {
        let images = images_of_json(spec, file_count(spec, input, "image")?, data)?;
        return images::only_tensor(&images, model.accepts(), limits);
    }
    if is_sounds(spec, input, model) {
        let files = images_of_json(spec, file_count(spec, input, "sound")?, data)?;
        return sound_tensor(files, model, limits);
    }
    // Check for JSON first: its advice is more helpful than the expected datatype.
    let sent = sent_datatype(spec, input)?;
    json::check_datatype(sent).map_err(|error| refused(spec, error))?;
    convert::check(sent, spec.datatype).map_err(|error| refused(spec, error))?;
    let shape = check_shape(spec, &input.shape).map_err(|error| refused(spec, error))?;
    let expected = elements(&shape).unwrap_or(u64::MAX);
    let array = json::read(spec, data, sent)?;
    let is_flat = array.shape.len() == 1 && array.shape.first() == Some(&expected);
    if !is_flat && array.shape != input.shape {
        return Err(refused(
            spec,
            format!(
                "shape {:?} has {expected} values, `data` has the shape {:?}; expected that shape or a \
                 flat list",
                input.shape, array.shape
            ),
        ));
    }
    Ok(Tensor {
        datatype: spec.datatype,
        shape,
        data: array.data,
    })
}

/// Read a tensor whose bytes follow the JSON.
fn from_bytes(
    spec: &TensorSpec,
    input: &Input,
    bytes: &[u8],
    model: &Model,
    limits: &Limits,
) -> Result<Tensor, ApiError> {
    if is_images(spec, input, model) {
        let images = images_of_bytes(spec, file_count(spec, input, "image")?, bytes)?;
        return images::only_tensor(&images, model.accepts(), limits);
    }
    if is_sounds(spec, input, model) {
        let files = images_of_bytes(spec, file_count(spec, input, "sound")?, bytes)?;
        return sound_tensor(files, model, limits);
    }
    let sent = sent_datatype(spec, input)?;
    convert::check(sent, spec.datatype).map_err(|error| refused(spec, error))?;
    let shape = check_shape(spec, &input.shape).map_err(|error| refused(spec, error))?;
    let expected = elements(&shape)
        .and_then(|count| count.checked_mul(sent.element_bytes()? as u64))
        .unwrap_or(u64::MAX);
    if bytes.len() as u64 != expected {
        return Err(refused(
            spec,
            format!(
                "shape {:?} of {sent} has {expected} bytes, got {}",
                input.shape,
                bytes.len()
            ),
        ));
    }
    let data =
        convert::convert(bytes, sent, spec.datatype).map_err(|error| refused(spec, error))?;
    Ok(Tensor {
        datatype: spec.datatype,
        shape,
        data,
    })
}
