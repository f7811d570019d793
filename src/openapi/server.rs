//! The operations that are the same for every model, or need none.

use serde_json::{Map, Value, json};

use super::operation_id;
use super::schema::{self, reference};
use crate::catalog::Models;
use crate::http::limits::Limits;
use crate::http::settings::Settings;

/// What reading may be refused with, and reading of a model.
const REFUSALS: [u16; 5] = [405, 406, 500, 503, 504];
const MODEL_REFUSALS: [u16; 7] = [400, 404, 405, 406, 500, 503, 504];
const POST_REFUSALS: [u16; 10] = [400, 404, 405, 406, 413, 415, 500, 501, 503, 504];

/// Add their paths.
pub fn add(paths: &mut Map<String, Value>, models: &Models, settings: &Settings) {
    let text = json!({ "type": "string" });
    let mut read = |path: &str, tag: &str, summary: &str, answer: Value| {
        let words: Vec<&str> = path
            .split(['/', '{', '}', '.'])
            .filter(|word| !word.is_empty())
            .collect();
        let id = operation_id(&[&["get"], &words[..]].concat());
        let item = reading(&id, tag, summary, answer, parameters(path, models));
        paths.insert(path.to_owned(), item);
    };
    if settings.playground {
        let page = json!({ "text/html": { "schema": text } });
        read("/", "service", "A page to try a model in", page);
    }
    let object = json_answer(json!({ "type": "object", "required": ["openapi", "info", "paths"] }));
    read("/openapi.json", "service", "This document", object);
    read(
        "/v2",
        "v2",
        "The server's metadata",
        json_answer(record(json!({
            "name": text,
            "version": text,
            "extensions": { "type": "array", "items": text },
        }))),
    );
    let live = json_answer(record(json!({ "live": { "const": true } })));
    read("/v2/health/live", "v2", "Whether the server lives", live);
    let ready = json_answer(record(json!({ "ready": { "const": true } })));
    read(
        "/v2/health/ready",
        "v2",
        "Whether every model can compute",
        ready,
    );
    for (at, of) in [
        ("/v2/models/{model}", ""),
        ("/v2/models/{model}/versions/{version}", ", in one version"),
    ] {
        let metadata = json_answer(record(json!({
            "name": text,
            "versions": { "type": "array", "items": text },
            "platform": text,
            "inputs": { "type": "array", "items": reference("TensorMetadata") },
            "outputs": { "type": "array", "items": reference("TensorMetadata") },
        })));
        read(at, "v2", &format!("A model's metadata{of}"), metadata);
        let ready = json_answer(record(json!({ "name": text, "ready": { "const": true } })));
        let summary = format!("Whether a model can compute{of}");
        read(&format!("{at}/ready"), "v2", &summary, ready);
        let config = json_answer(json!({
            "type": "object", "required": ["name", "platform", "max_batch_size", "input", "output"],
        }));
        let summary = format!("A model's configuration, as Triton has it{of}");
        read(&format!("{at}/config"), "v2", &summary, config);
    }
    let list = json_answer(record(
        json!({ "models": { "type": "array", "items": text } }),
    ));
    read("/v1/models", "v1", "The models", list);
    for (at, of) in [
        ("/v1/models/{model}", "of every version of a model"),
        (
            "/v1/models/{model}/versions/{version}",
            "of one version of a model",
        ),
    ] {
        let status = json_answer(record(json!({
            "name": text,
            "ready": { "const": true },
            "model_version_status": { "type": "array", "items": { "type": "object" } },
        })));
        read(at, "v1", &format!("The status {of}"), status);
    }
    paths.insert(
        "/v2/repository/index".to_owned(),
        json!({ "post": repository_index() }),
    );
    if let Some(operation) = embeddings(models, &settings.limits) {
        paths.insert("/v1/embeddings".to_owned(), json!({ "post": operation }));
    }
}

/// `GET`, and `HEAD` beside it.
fn reading(id: &str, tag: &str, summary: &str, content: Value, parameters: Vec<Value>) -> Value {
    let statuses = if parameters.is_empty() {
        &REFUSALS[..]
    } else {
        &MODEL_REFUSALS
    };
    let mut responses = schema::refusals(statuses);
    let mut heads: Map<String, Value> = statuses
        .iter()
        .map(|status| {
            (
                status.to_string(),
                json!({ "description": "As GET, without a body" }),
            )
        })
        .collect();
    responses.insert(
        "200".to_owned(),
        json!({ "description": "The answer", "content": content }),
    );
    heads.insert(
        "200".to_owned(),
        json!({ "description": "As GET, without a body" }),
    );
    json!({
        "parameters": parameters,
        "get": { "operationId": id, "tags": [tag], "summary": summary, "responses": responses },
        "head": {
            "operationId": format!("{id}_head"),
            "tags": [tag],
            "summary": format!("{summary}: the headers alone"),
            "responses": heads,
        },
    })
}

/// The parameters that stand in a path, with the values that there are.
fn parameters(path: &str, models: &Models) -> Vec<Value> {
    let names: Vec<&str> = models.names().collect();
    let mut versions: Vec<&str> = models
        .all()
        .map(|model| model.card.version.as_str())
        .collect();
    versions.sort_unstable();
    versions.dedup();
    [("model", names), ("version", versions)]
        .into_iter()
        .filter(|(name, _)| path.contains(&format!("{{{name}}}")))
        .map(|(name, values)| {
            json!({
                "name": name,
                "in": "path",
                "required": true,
                "schema": { "type": "string", "enum": values },
            })
        })
        .collect()
}

/// `POST /v2/repository/index`
fn repository_index() -> Value {
    let entry = record(json!({
        "name": { "type": "string" },
        "version": { "type": "string" },
        "state": { "enum": ["READY", "UNAVAILABLE"] },
        "reason": { "type": "string" },
    }));
    let mut responses = schema::refusals(&POST_REFUSALS);
    responses.insert(
        "200".to_owned(),
        json!({
            "description": "The models",
            "content": json_answer(json!({ "type": "array", "items": entry })),
        }),
    );
    json!({
        "operationId": "v2_repository_index",
        "tags": ["v2"],
        "summary": "The models and whether they are ready",
        "requestBody": { "content": { "application/json": {
            "schema": {
                "type": "object",
                "properties": { "ready": { "type": "boolean", "description": "Only those that are" } },
            },
            "examples": { "ready": { "value": { "ready": true } } },
        } } },
        "responses": responses,
    })
}

/// `POST /v1/embeddings`, where a model embeds.
fn embeddings(models: &Models, limits: &Limits) -> Option<Value> {
    let embeds = |name: &&str| {
        models
            .get(name)
            .is_ok_and(|model| model.card.embedding.is_some())
    };
    let names: Vec<&str> = models.names().filter(embeds).collect();
    let first = names.first()?;
    let vector = json!({ "anyOf": [
        { "type": "array", "items": { "type": "number" } },
        { "type": "string", "contentEncoding": "base64" },
    ] });
    let mut responses = schema::refusals(&POST_REFUSALS);
    responses.insert(
        "200".to_owned(),
        json!({
            "description": "The vectors",
            "headers": { "Server-Timing": { "$ref": "#/components/headers/Server-Timing" } },
            "content": json_answer(record(json!({
                "object": { "const": "list" },
                "model": { "type": "string" },
                "data": { "type": "array", "items": record(json!({
                    "object": { "const": "embedding" },
                    "index": { "type": "integer" },
                    "embedding": vector,
                })) },
                "usage": record(json!({
                    "prompt_tokens": { "type": "integer" },
                    "total_tokens": { "type": "integer" },
                })),
            }))),
        }),
    );
    Some(json!({
        "operationId": "v1_embeddings",
        "tags": ["v1"],
        "summary": "One vector a text, as OpenAI's API has it",
        "requestBody": { "required": true, "content": { "application/json": {
            "schema": {
                "type": "object",
                "required": ["input", "model"],
                "properties": {
                    "input": super::body::texts(limits),
                    "model": { "enum": names },
                    "encoding_format": { "enum": ["float", "base64", null], "default": "float" },
                },
            },
            "examples": { "text": { "value": { "model": first, "input": super::example::TEXT } } },
        } } },
        "responses": responses,
    }))
}

fn json_answer(schema: Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

/// An object with just these members.
fn record(properties: Value) -> Value {
    let required: Vec<&String> = properties
        .as_object()
        .map(|members| members.keys().collect())
        .unwrap_or_default();
    json!({
        "type": "object",
        "required": required,
        "additionalProperties": false,
        "properties": properties,
    })
}
