//! The request bodies of one model: their schemas, and an example of each form.

use serde_json::{Map, Value, json};

use super::example::{self, TEXT};
use super::schema::{self, reference};
use crate::catalog::Model;
use crate::http::limits::Limits;
use crate::tensor::Tensor;
use crate::tensor::npy;

/// The bodies of `/infer`, by media type.
pub fn bodies(model: &Model, limits: &Limits) -> Value {
    let mut content = Map::new();
    for media_type in model.media_types() {
        let body = match media_type {
            "application/json" => {
                let mut examples = Map::new();
                let mut forms = Vec::new();
                if let Some((spec, _)) = only_tensor(model) {
                    forms.push(spec);
                    let zeros = model.card.inputs.first().and_then(example::nested_zeros);
                    if let Some(zeros) = zeros {
                        examples.insert("array".to_owned(), example("The bare array", zeros));
                    }
                }
                if model.text.is_some() {
                    forms.push(json!({
                        "type": "object", "required": ["text"], "properties": { "text": texts(limits) },
                    }));
                    let value = json!({ "text": [TEXT, "Another one."] });
                    examples.insert("texts".to_owned(), example("A batch of texts", value));
                }
                forms.extend(v1_request(model, limits, &mut examples));
                forms.extend(v2_request(model, &mut examples));
                if forms.is_empty() {
                    continue;
                }
                json!({ "schema": { "anyOf": forms }, "examples": examples })
            }
            "text/plain" => json!({
                "schema": { "type": "string", "minLength": 1 },
                "examples": { "text": example("A text", json!(TEXT)) },
            }),
            "multipart/form-data" => form(model),
            "application/x-npy" => binary(npy_example(model), media_type, "One array"),
            "application/octet-stream" => binary(
                example::raw_zeros(model),
                media_type,
                "One tensor: row-major little-endian elements and nothing else",
            ),
            "image/png" => binary(Some(example::image()), media_type, "One image"),
            _ => binary(None, media_type, "One image"),
        };
        content.insert(media_type.to_owned(), body);
    }
    Value::Object(content)
}

/// A form: a batch of images, and the parameters of the query.
fn form(model: &Model) -> Value {
    let mut properties = json!({
        "image": {
            "type": "array",
            "items": { "type": "string", "format": "binary" },
            "minItems": 1,
        },
        "outputs": { "enum": ["true", "false"] },
    });
    for parameter in model.pipeline.parameters() {
        properties[parameter.name] = parameter.schema();
    }
    json!({
        "schema": {
            "type": "object",
            "description": "A batch: one image in each file, whatever the name of its field. A text field is a parameter \
                            of the query, which overrides it",
            "properties": properties,
            "required": ["image"],
            "additionalProperties": false,
        },
        "encoding": { "image": { "contentType": "image/png" } },
    })
}

/// A binary body. The bytes of the example are in its URL.
fn binary(bytes: Option<Vec<u8>>, media_type: &str, summary: &str) -> Value {
    let mut body = json!({ "schema": { "type": "string", "format": "binary" } });
    if let Some(bytes) = bytes {
        let url = example::data_url(media_type, &bytes);
        body["examples"] = json!({ "sample": { "summary": summary, "externalValue": url } });
    }
    body
}

fn npy_example(model: &Model) -> Option<Vec<u8>> {
    let spec = model.card.inputs.first()?;
    let tensor = Tensor {
        datatype: spec.datatype,
        shape: spec.usual_shape(),
        data: example::raw_zeros(model)?,
    };
    npy::encode(&tensor).ok()
}

fn example(summary: &str, value: Value) -> Value {
    json!({ "summary": summary, "value": value })
}

/// An encoded image in base64. JSON Schema cannot describe any image, and any string would allow invalid requests, so the
/// schema has a sample only.
fn base64_image() -> Value {
    json!({
        "type": "string",
        "contentEncoding": "base64",
        "contentMediaType": "image/png",
        "enum": [example::image_base64()],
        "description": "An encoded image in base64: any PNG, JPEG, WebP, GIF or BMP. JSON Schema cannot \
                        describe that, so this schema allows a sample only",
    })
}

/// One text, or a list of them.
pub fn texts(limits: &Limits) -> Value {
    json!({
        "type": ["string", "array"],
        "items": { "type": "string" },
        "minItems": 1,
        "maxItems": limits.max_texts,
    })
}

/// The nested lists of the only input, for a model that takes no texts.
fn only_tensor(model: &Model) -> Option<(Value, &str)> {
    match model.card.inputs.as_slice() {
        [spec] if model.text.is_none() => Some((schema::nested(spec)?, &spec.name)),
        _ => None,
    }
}

/// A request of V1 with `instances`; `None` if JSON cannot represent the inputs.
pub fn v1_request(
    model: &Model,
    limits: &Limits,
    examples: &mut Map<String, Value>,
) -> Option<Value> {
    let mut forms = Vec::new();
    if let Some((nested, _)) = only_tensor(model) {
        forms.push(nested);
        let zeros = model.card.inputs.first().and_then(example::nested_zeros);
        if let Some(zeros) = zeros {
            let value = json!({ "instances": zeros });
            examples.insert(
                "instances".to_owned(),
                example("One entry for each item of the batch", value),
            );
        }
    } else if model.text.is_none() {
        forms.extend(rows(model, examples));
    }
    if model.takes_images() {
        let batch = model.card.inputs.first().map_or(1, example::batch);
        forms.push(json!({
            "type": "array",
            "minItems": batch,
            "items": {
                "type": "object",
                "required": ["b64"],
                "additionalProperties": false,
                "properties": { "b64": base64_image() },
            },
        }));
        let value = json!({ "instances": vec![json!({ "b64": example::image_base64() }); batch] });
        examples.insert("images".to_owned(), example("Images in base64", value));
    }
    if model.text.is_some() {
        forms.push(json!({
            "type": "array",
            "items": { "type": "string" },
            "minItems": 1,
            "maxItems": limits.max_texts,
        }));
        let value = json!({ "instances": [TEXT] });
        examples.insert("instances".to_owned(), example("Texts", value));
    }
    (!forms.is_empty()).then(|| {
        json!({
            "type": "object",
            "required": ["instances"],
            "properties": { "instances": { "anyOf": forms } },
        })
    })
}

/// Instances of a model with several inputs: objects with a value for each input.
fn rows(model: &Model, examples: &mut Map<String, Value>) -> Option<Value> {
    let item = |value: &Value| value.get("items").cloned();
    let inputs = &model.card.inputs;
    let properties: Option<Map<String, Value>> = inputs
        .iter()
        .map(|spec| Some((spec.name.clone(), item(&schema::nested(spec)?)?)))
        .collect();
    let zeros: Option<Map<String, Value>> = inputs
        .iter()
        .map(|spec| {
            Some((
                spec.name.clone(),
                example::nested_zeros(spec)?.get(0)?.clone(),
            ))
        })
        .collect();
    if let Some(zeros) = zeros {
        let value = json!({ "instances": [zeros] });
        examples.insert(
            "instances".to_owned(),
            example("One entry for each item of the batch", value),
        );
    }
    let names: Vec<&str> = inputs.iter().map(|spec| spec.name.as_str()).collect();
    Some(json!({
        "type": "array",
        "minItems": 1,
        "items": {
            "type": "object",
            "required": names,
            "additionalProperties": false,
            "properties": properties?,
        },
    }))
}

/// A request of the Open Inference Protocol; `None` if JSON cannot represent the inputs.
pub fn v2_request(model: &Model, examples: &mut Map<String, Value>) -> Option<Value> {
    let bytes = |name: &str, element: Value, count: usize| {
        json!({
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["name", "datatype", "shape", "data"],
                "properties": {
                    "name": { "const": name },
                    "datatype": { "const": "BYTES" },
                    "shape": { "const": [count] },
                    "data": { "type": "array", "items": element, "minItems": count, "maxItems": count },
                    "parameters": reference("TensorParameters"),
                },
            },
        })
    };
    let mut forms = Vec::new();
    if model.text.is_some() {
        forms.push(bytes("text", json!({ "type": "string" }), 1));
        let input = json!({ "name": "text", "datatype": "BYTES", "shape": [1], "data": [TEXT] });
        let value = json!({ "inputs": [input] });
        examples.insert("text".to_owned(), example("A text as BYTES", value));
    } else {
        let tensors: Option<Vec<Value>> = model.card.inputs.iter().map(schema::tensor).collect();
        if let Some(tensors) = tensors {
            forms.push(json!({
                "type": "array",
                "minItems": tensors.len(),
                "maxItems": tensors.len(),
                "prefixItems": tensors,
            }));
            if let Some(value) = example::zeros(&model.card) {
                examples.insert("tensors".to_owned(), example("Tensors by name", value));
            }
        }
    }
    if let (true, [spec]) = (model.takes_images(), model.card.inputs.as_slice()) {
        let batch = example::batch(spec);
        forms.push(bytes(&spec.name, base64_image(), batch));
        let data = vec![example::image_base64(); batch];
        let input =
            json!({ "name": spec.name, "datatype": "BYTES", "shape": [batch], "data": data });
        let value = json!({ "inputs": [input] });
        examples.insert("image".to_owned(), example("An image as BYTES", value));
    }
    if forms.is_empty() {
        return None;
    }
    let outputs: Vec<&str> = model
        .card
        .outputs
        .iter()
        .map(|spec| spec.name.as_str())
        .collect();
    Some(json!({
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": { "type": ["string", "null"] },
            "parameters": reference("Parameters"),
            "inputs": { "anyOf": forms },
            "outputs": {
                "type": ["array", "null"],
                "description": "The requested outputs, each at most once; empty requests all of them",
                "maxItems": outputs.len(),
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": { "enum": outputs },
                        "parameters": reference("TensorParameters"),
                    },
                },
            },
        },
    }))
}
