//! The request bodies of one model: their schemas, and an example of each form.

use serde_json::{Map, Value, json};

use super::example::{self, TEXT};
use super::schema::{self, reference};
use crate::catalog::Model;
use crate::http::limits::Limits;
use crate::input::content::Form;
use crate::run::inference::{PREDICTIONS, has_predictions};
use crate::tasks::Hints;
use crate::tasks::parameters::{Kind, Parameter};
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
                if model.takes_sounds() {
                    forms.push(json!({
                        "type": "object", "required": ["audio"], "properties": { "audio": base64_sound() },
                    }));
                    let value = json!({ "audio": example::sound_base64() });
                    examples.insert("sound".to_owned(), example("A sound in base64", value));
                }
                if let Some(content) = Content::of(model, limits) {
                    forms.push(content.body(model));
                    let value = content.example_body();
                    examples.insert("texts".to_owned(), example(content.summary, value));
                }
                forms.extend(v1_request(model, limits, &mut examples));
                forms.extend(v2_request(model, &mut examples));
                if forms.is_empty() {
                    continue;
                }
                let own = own_text(model, media_type).map(serde_json::from_str);
                if let Some(Ok(value)) = own {
                    examples.insert("example".to_owned(), example("The model's example", value));
                }
                json!({ "schema": { "anyOf": forms }, "examples": examples })
            }
            "text/plain" => {
                let hints = model.pipeline.hints();
                if hints.required.is_some() {
                    continue;
                }
                let mut schema = text_schema(&hints);
                schema["minLength"] = json!(1);
                let text = own_text(model, media_type).unwrap_or_else(|| text_example(&hints));
                json!({
                    "schema": schema,
                    "examples": { "text": example("A text", json!(text)) },
                })
            }
            "text/csv" => json!({
                "schema": { "type": "string", "minLength": 1 },
                "examples": {
                    "table": example("Columns by name, and one record", json!(own_text(model, media_type).map_or_else(|| csv_example(model), str::to_owned))),
                },
            }),
            "multipart/form-data" => form(model),
            "application/x-npy" => binary(npy_example(model), media_type, "One array"),
            "application/octet-stream" => binary(
                example::raw_zeros(model),
                media_type,
                "One tensor: row-major little-endian elements and nothing else",
            ),
            name if name.starts_with("audio/") => {
                let made = || (name == "audio/wav").then(example::sound);
                binary(own(model, name).or_else(made), name, "One sound")
            }
            name => {
                let made = || (name == "image/png").then(example::image);
                binary(own(model, name).or_else(made), name, "One image")
            }
        };
        content.insert(media_type.to_owned(), body);
    }
    Value::Object(content)
}

/// The model's own example, if it is of a media type.
fn own(model: &Model, media_type: &str) -> Option<Vec<u8>> {
    let example = model.example.as_ref()?;
    (example.media_type == media_type).then(|| example.bytes.clone())
}

/// The text of the model's own example, if it is of a media type.
fn own_text<'a>(model: &'a Model, media_type: &str) -> Option<&'a str> {
    model.example.as_ref()?.text(media_type)
}

/// A form: a batch of images or sounds, and the parameters of the query.
fn form(model: &Model) -> Value {
    let (noun, content_type) = match model.takes_sounds() {
        true => ("audio", "audio/wav"),
        false => ("image", "image/png"),
    };
    let mut properties = json!({
        noun: {
            "type": "array",
            "items": { "type": "string", "format": "binary" },
            "minItems": 1,
        },
        "outputs": { "enum": ["true", "false", ""] },
    });
    // A choice is left out: clients that generate requests send a list without elements for a wrong one, which is no field.
    let is_choice = |parameter: &Parameter| matches!(parameter.kind, Kind::Choice { .. });
    for parameter in model.pipeline.parameters() {
        if !is_choice(&parameter) {
            properties[parameter.name] = parameter.schema();
        }
    }
    json!({
        "schema": {
            "type": "object",
            "description": format!(
                "A batch: one {} in each file, whatever the name of its field. A text field is a parameter of the query, \
                 which overrides it",
                if noun == "audio" { "sound" } else { noun }
            ),
            "properties": properties,
            "required": [noun],
            "additionalProperties": false,
        },
        "encoding": { noun: { "contentType": content_type } },
    })
}

/// A CSV file with one record.
fn csv_example(model: &Model) -> String {
    let columns = model
        .card
        .table
        .as_ref()
        .map(|table| table.columns.as_slice());
    let columns = columns.unwrap_or_default();
    let quote = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
    let names: Vec<String> = columns.iter().map(quote).collect();
    format!(
        "{}\n{}\n",
        names.join(","),
        vec!["0"; columns.len()].join(",")
    )
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
pub fn base64_image() -> Value {
    json!({
        "type": "string",
        "contentEncoding": "base64",
        "contentMediaType": "image/png",
        "enum": [example::image_base64()],
        "description": "An encoded image in base64: any PNG, JPEG, WebP, GIF or BMP. JSON Schema cannot \
                        describe that, so this schema allows a sample only",
    })
}

/// Requests in the form of a model's task that are not tensors: their texts.
struct Content {
    /// The members of a body, by name. All are required.
    members: Vec<(&'static str, Value)>,
    /// One item of a batch, as `instances` has it.
    item: Value,
    /// An example of an item.
    example: Value,
    /// The examples in one line.
    summary: &'static str,
    /// A parameter that every request must have, with an example.
    required: Option<(&'static str, Value)>,
}

impl Content {
    /// `None` for a model that takes no texts.
    fn of(model: &Model, limits: &Limits) -> Option<Self> {
        model.text.as_ref()?;
        let hints = model.pipeline.hints();
        // Every text but an empty one.
        let filled = json!({ "type": "string", "pattern": "\\S" });
        let list = |item: &Value| {
            json!({
                "type": ["string", "array"],
                "pattern": item.get("pattern"),
                "items": item,
                "minItems": 1,
                "maxItems": limits.max_texts,
            })
        };
        let object = |members: &[(&'static str, Value)]| {
            let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
            let properties: Map<String, Value> = members
                .iter()
                .map(|(name, schema)| ((*name).to_owned(), schema.clone()))
                .collect();
            json!({
                "type": "object",
                "required": names,
                "properties": properties,
            })
        };
        let content = match model.accepts().form {
            Form::Questions => Self {
                // A list needs as many contexts as questions, which JSON Schema cannot describe.
                members: vec![("question", filled.clone()), ("context", filled.clone())],
                item: object(&[("question", filled.clone()), ("context", filled)]),
                example: json!({
                    "question": "Where does Ada live?",
                    "context": "Ada Lovelace lives in London.",
                }),
                summary: "A question about a context",
                required: hints.required,
            },
            Form::Queries => {
                let text = json!({ "type": "string" });
                let documents = json!({
                    "type": "array",
                    "items": text,
                    "minItems": 1,
                    "maxItems": limits.max_texts,
                });
                let members = vec![("query", text), ("documents", documents)];
                Self {
                    item: object(&members),
                    members,
                    example: json!({
                        "query": "Where does Ada live?",
                        "documents": ["Ada Lovelace lives in London.", TEXT],
                    }),
                    summary: "Documents for a query",
                    required: hints.required,
                }
            }
            // Texts are parameters of these.
            Form::Images | Form::Sounds => return None,
            Form::Prepared | Form::Texts => {
                let item = text_schema(&hints);
                let mut texts = list(&item);
                if hints.pattern.is_none() {
                    texts = self::texts(limits);
                }
                Self {
                    members: vec![("text", texts)],
                    item,
                    example: json!(text_example(&hints)),
                    summary: "Texts",
                    required: hints.required,
                }
            }
        };
        Some(content)
    }

    /// The schema of a body. A model whose task prepares its requests takes parameters beside them.
    fn body(&self, model: &Model) -> Value {
        let mut required: Vec<&str> = self.members.iter().map(|(name, _)| *name).collect();
        let mut properties = Map::new();
        for (name, schema) in &self.members {
            properties.insert((*name).to_owned(), schema.clone());
        }
        let declared = model.pipeline.parameters();
        if !declared.is_empty() {
            let of_task: Map<String, Value> = declared
                .iter()
                .map(|parameter| {
                    let is_required =
                        (self.required.as_ref()).is_some_and(|(name, _)| *name == parameter.name);
                    let schema = match is_required {
                        true => parameter.schema(),
                        false => json!({ "anyOf": [parameter.schema(), { "type": "null" }] }),
                    };
                    (parameter.name.to_owned(), schema)
                })
                .collect();
            let mut schema = json!({ "type": ["object", "null"], "properties": of_task });
            if let Some((name, _)) = &self.required {
                schema["type"] = json!("object");
                schema["required"] = json!([name]);
                required.push("parameters");
            }
            properties.insert("parameters".to_owned(), schema);
        }
        json!({ "type": "object", "required": required, "properties": properties })
    }

    /// An example of a body.
    fn example_body(&self) -> Value {
        let mut body = match &self.example {
            Value::String(text) if text == TEXT => json!({ "text": [text, "Another one."] }),
            Value::String(text) => json!({ "text": text }),
            item => item.clone(),
        };
        if let Some((name, value)) = &self.required {
            body["parameters"] = json!({ *name: value });
        }
        body
    }
}

pub fn text_schema(hints: &Hints) -> Value {
    let mut schema = json!({ "type": "string" });
    if let Some(pattern) = &hints.pattern {
        schema["pattern"] = json!(pattern);
    }
    schema
}

pub fn text_example(hints: &Hints) -> &str {
    hints.text.as_deref().unwrap_or(TEXT)
}

/// An encoded sound in base64; the schema has a sample only, as that of [`base64_image`].
pub fn base64_sound() -> Value {
    json!({
        "type": "string",
        "contentEncoding": "base64",
        "contentMediaType": "audio/wav",
        "enum": [example::sound_base64()],
        "description": "An encoded sound in base64: any WAV, FLAC, MP3 or Ogg. JSON Schema cannot describe that, so this \
                        schema allows a sample only",
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
    if model.takes_sounds() {
        let batch = model
            .card
            .audio_input()
            .map_or(1, |(_, input)| example::batch(input));
        forms.push(json!({
            "type": "array",
            "minItems": batch,
            "items": {
                "type": "object",
                "required": ["b64"],
                "additionalProperties": false,
                "properties": { "b64": base64_sound() },
            },
        }));
        let value = json!({ "instances": vec![json!({ "b64": example::sound_base64() }); batch] });
        examples.insert("sounds".to_owned(), example("Sounds in base64", value));
    }
    if let Some(content) = Content::of(model, limits).filter(|content| content.required.is_none()) {
        forms.push(json!({
            "type": "array",
            "items": content.item,
            "minItems": 1,
            "maxItems": limits.max_texts,
        }));
        let value = json!({ "instances": [content.example] });
        examples.insert("instances".to_owned(), example(content.summary, value));
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
    if let (true, [spec]) = (model.takes_sounds(), model.card.inputs.as_slice()) {
        let batch = example::batch(spec);
        forms.push(bytes(&spec.name, base64_sound(), batch));
        let data = vec![example::sound_base64(); batch];
        let input =
            json!({ "name": spec.name, "datatype": "BYTES", "shape": [batch], "data": data });
        let value = json!({ "inputs": [input] });
        examples.insert("sound".to_owned(), example("A sound as BYTES", value));
    }
    if forms.is_empty() {
        return None;
    }
    let mut outputs: Vec<&str> = model
        .card
        .outputs
        .iter()
        .map(|spec| spec.name.as_str())
        .collect();
    let takes_every_input = matches!(model.accepts().form, Form::Prepared | Form::Texts);
    if takes_every_input && has_predictions(model) {
        outputs.push(PREDICTIONS);
    }
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
                // JSON Schema cannot say that each name may be there once.
                "maxItems": 1,
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
