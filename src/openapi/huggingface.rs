//! The bodies of Hugging Face's API for a model, by its task.

use infer_model_card::{Activation, TableSpec, Task};
use serde_json::{Map, Value, json};

use super::body;
use super::example::{self, TEXT};
use super::services::many;
use crate::catalog::Model;
use crate::http::limits::Limits;
use crate::input::content::Form;

/// The bodies of Hugging Face's API for a model, and what the response is; `None` for a model without a task, and for one
/// that takes neither images nor texts.
pub fn bodies(model: &Model, limits: &Limits) -> Option<(Value, Value)> {
    let task = model.card.task_name?;
    let accepts = model.accepts();
    let mut content = Map::new();
    let required = model.pipeline.hints().required;
    // A body of bytes has no parameters.
    let images = model
        .media_types()
        .into_iter()
        .filter(|_| required.is_none());
    for media_type in images.filter(|media_type| media_type.starts_with("image/")) {
        let mut body = json!({ "schema": { "type": "string", "format": "binary" } });
        if media_type == "image/png" {
            let url = example::data_url(media_type, &example::image());
            body["examples"] =
                json!({ "sample": { "summary": "One image", "externalValue": url } });
        }
        content.insert(media_type.to_owned(), body);
    }
    let (schema, example) = match &model.card.table {
        Some(table) => columns(table),
        None => inputs(model, limits)?,
    };
    let mut properties = json!({ "inputs": schema });
    if model.embeds() {
        properties["normalize"] = json!({ "type": ["boolean", "null"], "default": true });
        properties["encoding_format"] = json!({ "enum": ["float", null] });
    } else {
        properties["parameters"] = parameters(model);
    }
    let mut members = vec!["inputs"];
    let mut example = json!({ "inputs": example });
    if let Some((name, value)) = required {
        members.push("parameters");
        properties["parameters"]["type"] = json!("object");
        properties["parameters"]["required"] = json!([own_name(name)]);
        properties["parameters"]["properties"][own_name(name)] = model
            .pipeline
            .parameters()
            .into_iter()
            .find(|parameter| parameter.name == name)
            .map_or_else(|| json!({}), |parameter| parameter.schema());
        example["parameters"] = json!({ own_name(name): value });
    }
    content.insert(
        "application/json".to_owned(),
        json!({
            "schema": { "type": "object", "required": members, "properties": properties },
            "examples": { "request": { "value": example } },
        }),
    );
    let response = match (task, accepts.form) {
        ("depth-estimation" | "automatic-speech-recognition", _) => {
            json!({ "type": ["object", "array"] })
        }
        (_, Form::Questions) => json!({ "type": ["object", "array"] }),
        _ => json!({ "type": "array" }),
    };
    Some((Value::Object(content), response))
}

/// The table of a model's columns, and an example. Every column has one value: JSON Schema cannot say that they are as long.
fn columns(table: &TableSpec) -> (Value, Value) {
    let column = json!({
        "type": "array", "items": { "type": "number", "minimum": -1e30, "maximum": 1e30 }, "minItems": 1, "maxItems": 1,
    });
    let all = |value: &Value| -> Map<String, Value> {
        let names = table.columns.iter();
        names.map(|name| (name.clone(), value.clone())).collect()
    };
    let data = json!({
        "type": "object", "required": table.columns, "properties": all(&column), "additionalProperties": false,
    });
    (
        json!({ "type": "object", "required": ["data"], "properties": { "data": data } }),
        json!({ "data": all(&json!([0])) }),
    )
}

/// The member `inputs` of a model's task, and an example.
fn inputs(model: &Model, limits: &Limits) -> Option<(Value, Value)> {
    let accepts = model.accepts();
    let text = json!({ "type": "string" });
    let filled = json!({ "type": "string", "pattern": "\\S" });
    let pair = |first: &str, second: &str, second_schema: &Value, required: &[&str]| {
        json!({
            "type": "object",
            "required": required,
            "properties": { first: text, second: second_schema },
        })
    };
    let one_or_many = |item: Value| {
        json!({ "anyOf": [
            item, { "type": "array", "items": item, "minItems": 1, "maxItems": limits.max_texts },
        ] })
    };
    Some(match accepts.form {
        Form::Questions => (
            one_or_many(json!({
                "type": "object",
                "required": ["question", "context"],
                "properties": { "question": filled, "context": filled },
            })),
            json!({ "question": "Who is it?", "context": "It is Ada." }),
        ),
        Form::Queries => (
            // Several queries may have more texts together than a request.
            pair("query", "texts", &many(limits), &["query", "texts"]),
            json!({ "query": TEXT, "texts": ["Another one."] }),
        ),
        _ if accepts.sounds() => (body::base64_sound(), json!(example::sound_base64())),
        _ if accepts.images() => (body::base64_image(), json!(example::image_base64())),
        _ if model.embeds() => (
            json!({ "anyOf": [body::texts(limits), {
                "type": "object",
                "required": ["source_sentence", "sentences"],
                "properties": {
                    "source_sentence": { "type": "string", "minLength": 1 },
                    "sentences": {
                        "type": "array",
                        "items": { "type": "string", "minLength": 1 },
                        "minItems": 1,
                        "maxItems": limits.max_texts.saturating_sub(1),
                    },
                },
            }] }),
            json!(TEXT),
        ),
        Form::Texts if accepts.texts() => {
            let hints = model.pipeline.hints();
            let text = body::text_schema(&hints);
            (one_or_many(text), json!(body::text_example(&hints)))
        }
        _ if accepts.texts() => {
            let nullable = json!({ "type": ["string", "null"] });
            let pairs = one_or_many(pair("text", "text_pair", &nullable, &["text"]));
            (
                json!({ "anyOf": [body::texts(limits), pairs] }),
                json!(TEXT),
            )
        }
        _ => return None,
    })
}

/// The API's name of a parameter.
fn own_name(name: &str) -> &str {
    match name {
        "labels" => "candidate_labels",
        name => name,
    }
}

/// The member `parameters`: those of the task, under the API's names.
fn parameters(model: &Model) -> Value {
    let mut properties = Map::new();
    let mut add = |name: &str, schema: Value| {
        properties.insert(
            name.to_owned(),
            json!({ "anyOf": [schema, { "type": "null" }] }),
        );
    };
    for parameter in model.pipeline.parameters() {
        add(own_name(parameter.name), parameter.schema());
    }
    match &model.card.task {
        Task::Classification(spec) => {
            let own = match spec.activation {
                Activation::None => "none",
                Activation::Softmax => "softmax",
                Activation::Sigmoid => "sigmoid",
            };
            add("function_to_apply", json!({ "enum": [own] }));
        }
        Task::Segmentation(_) => add("subtask", json!({ "enum": ["semantic"] })),
        Task::Detection(_) => add("subtask", json!({ "enum": ["instance"] })),
        _ => {}
    }
    json!({ "type": ["object", "null"], "properties": properties, "additionalProperties": { "type": "null" } })
}
