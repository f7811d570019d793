//! The operations that do not depend on the model.

use infer_model_card::Task;
use infer_routes::{ErrorForm, Handler, Route};
use serde_json::{Map, Value, json};

use super::operation::{operation_id, tag};
use super::schema::{self, reference};
use crate::catalog::ability::Ability;
use crate::catalog::{Model, Models};
use crate::http::settings::Settings;

/// The error statuses of `GET`, of `GET` for a model, and of `POST`.
const ERRORS: [u16; 5] = [405, 406, 500, 503, 504];
const MODEL_ERRORS: [u16; 7] = [400, 404, 405, 406, 500, 503, 504];
const POST_ERRORS: [u16; 10] = [400, 404, 405, 406, 413, 415, 500, 501, 503, 504];

/// The path item of a route; `None` if this service does not have it.
pub fn item(route: &Route, models: &Models, settings: &Settings) -> Option<Value> {
    let text = json!({ "type": "string" });
    let ready = json!({ "const": true });
    let content = match route.handler {
        Handler::RepositoryIndex => return Some(json!({ "post": repository_index(route) })),
        Handler::Embeddings => {
            return Some(json!({ "post": embeddings(route, models, settings)? }));
        }
        Handler::Transcriptions => {
            return Some(json!({ "post": transcriptions(route, models)? }));
        }
        // These differ from model to model.
        Handler::Infer
        | Handler::Input
        | Handler::ModelInfer
        | Handler::V1Predict
        | Handler::HuggingFace => return None,
        // These are those of other services.
        Handler::TeiEmbed
        | Handler::TeiEmbedAll
        | Handler::TeiEmbedSparse
        | Handler::TeiPredict
        | Handler::TeiRerank
        | Handler::TeiSimilarity
        | Handler::TeiTokenize
        | Handler::TeiDecode
        | Handler::TeiInfo
        | Handler::Rerank
        | Handler::DeepStack => return None,
        Handler::Page if !settings.playground => return None,
        Handler::Page => json!({ "text/html": { "schema": text } }),
        Handler::OpenApi => json_content(json!({
            "type": "object", "required": ["openapi", "info", "paths"],
        })),
        Handler::Server => json_content(record(json!({
            "name": text,
            "version": text,
            "extensions": { "type": "array", "items": text },
        }))),
        Handler::ServerLive => json_content(record(json!({ "live": { "const": true } }))),
        Handler::ServerReady => json_content(record(json!({ "ready": ready }))),
        Handler::Model => json_content(record(json!({
            "name": text,
            "versions": { "type": "array", "items": text },
            "platform": text,
            "inputs": { "type": "array", "items": reference("TensorMetadata") },
            "outputs": { "type": "array", "items": reference("TensorMetadata") },
        }))),
        Handler::ModelReady => json_content(record(json!({ "name": text, "ready": ready }))),
        Handler::ModelConfig => json_content(json!({
            "type": "object", "required": ["name", "platform", "max_batch_size", "input", "output"],
        })),
        Handler::V1Models => json_content(record(json!({
            "models": { "type": "array", "items": text },
            "object": { "const": "list" },
            "data": { "type": "array", "items": reference("OpenAiModel") },
        }))),
        Handler::V1Model => {
            let mut status = json!({
                "name": text,
                "ready": ready,
                "model_version_status": { "type": "array", "items": { "type": "object" } },
            });
            if !route.has_version() {
                status["id"] = text;
                status["object"] = json!({ "const": "model" });
                status["created"] = json!({ "const": 0 });
                status["owned_by"] = json!({ "type": "string" });
            }
            json_content(record(status))
        }
    };
    Some(reading(route, content, parameters(route.pattern, models)))
}

/// The path item of `GET` and `HEAD`.
fn reading(route: &Route, content: Value, parameters: Vec<Value>) -> Value {
    let words = route
        .pattern
        .split(['/', '{', '}', '.'])
        .filter(|word| !word.is_empty());
    let words: Vec<&str> = std::iter::once("get").chain(words).collect();
    let (id, tag, summary) = (operation_id(&words), tag(route.protocol), route.summary);
    let statuses = if parameters.is_empty() {
        &ERRORS[..]
    } else {
        &MODEL_ERRORS
    };
    let mut responses = schema::errors(statuses, ErrorForm::of(route.pattern));
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
        json!({ "description": "Success", "content": content }),
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

/// The parameters of a path, with their possible values.
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
fn repository_index(route: &Route) -> Value {
    let entry = record(json!({
        "name": { "type": "string" },
        "version": { "type": "string" },
        "state": { "enum": ["READY", "UNAVAILABLE"] },
        "reason": { "type": "string" },
    }));
    let mut responses = schema::errors(&POST_ERRORS, ErrorForm::of(route.pattern));
    responses.insert(
        "200".to_owned(),
        json!({
            "description": "The models",
            "content": json_content(json!({ "type": "array", "items": entry })),
        }),
    );
    json!({
        "operationId": "v2_repository_index",
        "tags": [tag(route.protocol)],
        "summary": route.summary,
        "requestBody": { "content": { "application/json": {
            "schema": {
                "type": "object",
                "properties": { "ready": { "type": "boolean", "description": "Whether to list ready models only" } },
            },
            "examples": { "ready": { "value": { "ready": true } } },
        } } },
        "responses": responses,
    })
}

/// `POST /v1/embeddings`; `None` if no model embeds.
fn embeddings(route: &Route, models: &Models, settings: &Settings) -> Option<Value> {
    let embeds = |name: &&str| models.get(name).is_ok_and(Model::embeds);
    let names: Vec<&str> = models.names().filter(embeds).collect();
    let first = names.first()?;
    let mut choices: Vec<Value> = names.iter().map(|name| json!(name)).collect();
    let mut required = vec!["input"];
    match models.with_ability(None, Ability::EMBEDS, "", settings) {
        Ok(_) => choices.push(Value::Null),
        Err(_) => required.push("model"),
    }
    let vector = json!({ "anyOf": [
        { "type": "array", "items": { "type": "number" } },
        { "type": "string", "contentEncoding": "base64" },
    ] });
    let mut responses = schema::errors(&POST_ERRORS, ErrorForm::of(route.pattern));
    responses.insert(
        "200".to_owned(),
        json!({
            "description": "The vectors",
            "headers": { "Server-Timing": { "$ref": "#/components/headers/Server-Timing" } },
            "content": json_content(record(json!({
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
        "tags": [tag(route.protocol)],
        "summary": route.summary,
        "requestBody": { "required": true, "content": { "application/json": {
            "schema": {
                "type": "object",
                "required": required,
                "properties": {
                    "input": super::body::texts(&settings.limits),
                    "model": { "enum": choices },
                    "encoding_format": { "enum": ["float", "base64", null], "default": "float" },
                },
            },
            "examples": { "text": { "value": { "model": first, "input": super::example::TEXT } } },
        } } },
        "responses": responses,
    }))
}

/// `POST /v1/audio/transcriptions`; `None` if no model recognizes speech.
fn transcriptions(route: &Route, models: &Models) -> Option<Value> {
    let is_able = |name: &&str| {
        let model = models.get(name);
        model.is_ok_and(|model| matches!(model.card.task, Task::Transcription(_)))
    };
    let names: Vec<&str> = models.names().filter(is_able).collect();
    names.first()?;
    let mut responses = schema::errors(&POST_ERRORS, ErrorForm::of(route.pattern));
    responses.insert(
        "200".to_owned(),
        json!({
            "description": "The text",
            "headers": { "Server-Timing": { "$ref": "#/components/headers/Server-Timing" } },
            "content": {
                "application/json": { "schema": {
                    "type": "object",
                    "required": ["text"],
                    "properties": { "text": { "type": "string" } },
                } },
                "text/plain": { "schema": { "type": "string" } },
            },
        }),
    );
    Some(json!({
        "operationId": "v1_audio_transcriptions",
        "tags": [tag(route.protocol)],
        "summary": route.summary,
        "requestBody": { "required": true, "content": { "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file", "model"],
                "additionalProperties": false,
                "properties": {
                    "file": { "type": "string", "format": "binary" },
                    "model": { "enum": names },
                    "response_format": {
                        "enum": ["json", "text", "verbose_json", "srt", "vtt"], "default": "json",
                    },
                    "language": { "type": "string" },
                },
            },
            "encoding": { "file": { "contentType": "audio/wav" } },
        } } },
        "responses": responses,
    }))
}

fn json_content(schema: Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

/// An object with exactly these members.
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
