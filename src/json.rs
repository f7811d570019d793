//! JSON bodies: an Open Inference Protocol request, `{"instances": …}`, or a bare array.
//!
//! The body is parsed once without looking into its arrays (their text is kept as it is), then each
//! array's text goes straight into a tensor's bytes: [`array`]. There is no tree of values between.

mod array;

use std::borrow::Cow;
use std::collections::BTreeMap;

use infer_model_card::{Datatype, ModelCard, TensorSpec};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::carry;
use crate::error::{ApiError, listed, quoted};
use crate::tensor::{Tensor, check_shape, elements};
use array::Array;

/// What a JSON body asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonRequest {
    /// Echoed in the answer.
    pub id: Option<String>,
    /// The inputs by name, each there once, in the card's order.
    pub inputs: Vec<(String, Tensor)>,
    /// The outputs that are asked for; all when empty.
    pub outputs: Vec<String>,
}

/// Members of no meaning here are passed over, as the protocol wants it.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    inputs: Option<Vec<Input<'a>>>,
    #[serde(borrow, default)]
    outputs: Option<Vec<Output<'a>>>,
    #[serde(borrow, default)]
    instances: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    datatype: Cow<'a, str>,
    shape: Vec<u64>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

/// Whether a body looks like JSON that could be a request: it begins as an object or an array.
#[must_use]
pub fn begins(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// Whether a body is well-formed JSON.
#[must_use]
pub fn is_well_formed(body: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(body).is_ok()
}

/// Read a JSON body for a model.
///
/// # Errors
/// 400 for malformed JSON, an unknown, repeated or missing input, a shape, datatype, count or value
/// that does not fit, and an output that does not exist.
pub fn decode(body: &[u8], card: &ModelCard) -> Result<JsonRequest, ApiError> {
    let malformed = |error: serde_json::Error| {
        ApiError::invalid(format!("the JSON body cannot be read: {error}"))
    };
    match body.trim_ascii_start().first() {
        Some(b'[') => {
            let array: &RawValue = serde_json::from_slice(body).map_err(malformed)?;
            let spec = only_input(card, "a bare array")?;
            let tensor = whole_tensor(spec, array, true)?;
            return Ok(JsonRequest {
                inputs: vec![(spec.name.clone(), tensor)],
                ..JsonRequest::default()
            });
        }
        Some(b'{') => {}
        _ => {
            // For its message: what is no JSON at all is told so.
            serde_json::from_slice::<&RawValue>(body).map_err(malformed)?;
            return Err(ApiError::invalid(
                "the JSON body is neither an object nor an array, expected an Open Inference Protocol \
                 request, `{\"instances\": […]}` or the input's array",
            ));
        }
    }
    let body: Body = serde_json::from_slice(body).map_err(malformed)?;
    let inputs = match (body.inputs, body.instances) {
        (Some(inputs), None) => named_inputs(card, inputs)?,
        (None, Some(instances)) => from_instances(card, instances)?,
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid(
                "the JSON body has both `inputs` and `instances`, expected one of them",
            ));
        }
        (None, None) => {
            return Err(ApiError::invalid(
                "the JSON body has neither `inputs` nor `instances`, expected one of them",
            ));
        }
    };
    let outputs = body.outputs.unwrap_or_default();
    Ok(JsonRequest {
        id: body.id.map(Cow::into_owned),
        inputs,
        outputs: outputs
            .into_iter()
            .map(|output| known_output(card, &output.name))
            .collect::<Result<_, _>>()?,
    })
}

fn known_output(card: &ModelCard, name: &str) -> Result<String, ApiError> {
    if card.outputs.iter().any(|output| output.name == name) {
        return Ok(name.to_owned());
    }
    Err(ApiError::invalid(format!(
        "there is no output {}; the model has {}",
        quoted(name),
        listed(
            card.outputs.iter().map(|output| output.name.as_str()),
            "and"
        )
    )))
}

fn only_input<'a>(card: &'a ModelCard, what: &str) -> Result<&'a TensorSpec, ApiError> {
    match card.inputs.as_slice() {
        [spec] => Ok(spec),
        inputs => Err(ApiError::invalid(format!(
            "{what} needs a model with one input, this one has {}: {}; name them",
            inputs.len(),
            input_names(card)
        ))),
    }
}

fn input_names(card: &ModelCard) -> String {
    listed(card.inputs.iter().map(|input| input.name.as_str()), "and")
}

/// The inputs in the card's order, each there once.
fn in_order(
    card: &ModelCard,
    mut tensors: BTreeMap<String, Tensor>,
) -> Result<Vec<(String, Tensor)>, ApiError> {
    card.inputs
        .iter()
        .map(|spec| {
            tensors.remove_entry(&spec.name).ok_or_else(|| {
                ApiError::invalid(format!(
                    "input {} is missing; the model needs {}",
                    quoted(&spec.name),
                    input_names(card)
                ))
            })
        })
        .collect()
}

fn known_input<'a>(card: &'a ModelCard, name: &str) -> Result<&'a TensorSpec, ApiError> {
    card.inputs
        .iter()
        .find(|spec| spec.name == name)
        .ok_or_else(|| {
            ApiError::invalid(format!(
                "there is no input {}; the model has {}",
                quoted(name),
                input_names(card)
            ))
        })
}

fn named_inputs(card: &ModelCard, inputs: Vec<Input>) -> Result<Vec<(String, Tensor)>, ApiError> {
    let mut tensors = BTreeMap::new();
    for input in inputs {
        let spec = known_input(card, &input.name)?;
        let tensor = declared_tensor(spec, &input)?;
        if tensors.insert(spec.name.clone(), tensor).is_some() {
            return Err(ApiError::invalid(format!(
                "input {} is there twice",
                quoted(&spec.name)
            )));
        }
    }
    in_order(card, tensors)
}

fn refused(spec: &TensorSpec, problem: impl std::fmt::Display) -> ApiError {
    ApiError::invalid(format!("input {}: {problem}", quoted(&spec.name)))
}

/// A tensor whose datatype and shape the request declares; its data are nested accordingly, or flat.
fn declared_tensor(spec: &TensorSpec, input: &Input) -> Result<Tensor, ApiError> {
    let sent: Datatype = input
        .datatype
        .parse()
        .map_err(|error| refused(spec, error))?;
    carry::check(sent, spec.datatype).map_err(|error| refused(spec, error))?;
    let shape = check_shape(spec, &input.shape).map_err(|error| refused(spec, error))?;
    let expected = elements(&shape).unwrap_or(u64::MAX);
    let array = read(spec, input.data, sent)?;
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

fn read(spec: &TensorSpec, json: &RawValue, sent: Datatype) -> Result<Array, ApiError> {
    array::read(json.get(), sent, spec.datatype).map_err(|error| refused(spec, error))
}

/// A tensor whose shape is that of its nesting. With `may_lack_batch`, a free first dimension may be
/// missing: the array is a batch of one then.
fn whole_tensor(
    spec: &TensorSpec,
    json: &RawValue,
    may_lack_batch: bool,
) -> Result<Tensor, ApiError> {
    let mut array = read(spec, json, spec.datatype)?;
    let has_free_batch = matches!(spec.shape.first(), Some(-1 | 1));
    if may_lack_batch && has_free_batch && array.shape.len() + 1 == spec.shape.len() {
        array.shape.insert(0, 1);
    }
    Ok(Tensor {
        datatype: spec.datatype,
        shape: check_shape(spec, &array.shape).map_err(|error| refused(spec, error))?,
        data: array.data,
    })
}

/// One item of the batch an entry: its value for a model with one input, or an object with a value
/// for each input.
fn from_instances(
    card: &ModelCard,
    instances: &RawValue,
) -> Result<Vec<(String, Tensor)>, ApiError> {
    let wrong = |error: serde_json::Error| {
        ApiError::invalid(format!("`instances` cannot be read: {error}"))
    };
    let after_bracket = instances.get().strip_prefix('[').unwrap_or_default();
    if !after_bracket.trim_ascii_start().starts_with('{') {
        let spec = only_input(card, "a list of plain instances")?;
        return Ok(vec![(
            spec.name.clone(),
            whole_tensor(spec, instances, false)?,
        )]);
    }
    let items: Vec<BTreeMap<Cow<str>, &RawValue>> =
        serde_json::from_str(instances.get()).map_err(wrong)?;
    let mut stacked: BTreeMap<String, Array> = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        for (name, value) in item {
            let spec = known_input(card, name)?;
            let array = read(spec, value, spec.datatype)?;
            let all = stacked.entry(spec.name.clone()).or_insert_with(|| Array {
                shape: std::iter::once(0)
                    .chain(array.shape.iter().copied())
                    .collect(),
                data: Vec::new(),
            });
            let (count, shape) = all.shape.split_first().unwrap_or((&0, &[]));
            if usize::try_from(*count) != Ok(index) || shape != array.shape {
                return Err(refused(
                    spec,
                    format!(
                        "instance {index} has the shape {:?}, expected {shape:?} in every instance",
                        array.shape
                    ),
                ));
            }
            if let Some(count) = all.shape.first_mut() {
                *count += 1;
            }
            all.data.extend(array.data);
        }
    }
    let mut tensors = BTreeMap::new();
    for (name, array) in stacked {
        let spec = known_input(card, &name)?;
        let tensor = Tensor {
            datatype: spec.datatype,
            shape: check_shape(spec, &array.shape).map_err(|error| refused(spec, error))?,
            data: array.data,
        };
        if array
            .shape
            .first()
            .and_then(|count| usize::try_from(*count).ok())
            != Some(items.len())
        {
            return Err(refused(spec, "not every instance has it"));
        }
        tensors.insert(name, tensor);
    }
    in_order(card, tensors)
}

#[cfg(test)]
mod tests;
