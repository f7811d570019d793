//! `GET /openapi.json`: the contract as OpenAPI 3.1, made at request time of the models that are there.
//!
//! What differs from model to model has a path of its own for each ([`model`]), so that its schemas can
//! say which names, datatypes and shapes that very model takes; the rest is in [`server`]. [`body`] has
//! what is sent to them, [`schema`] what that is made of, [`example`] values that work.
//!
//! The schemas are as exact as JSON Schema can be: `tests/clients.rs` lets a tester make requests up from
//! them, and what they allow must be accepted and what they forbid refused.

mod body;
mod example;
mod model;
mod schema;
mod server;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use crate::catalog::Models;
use crate::http::settings::Settings;

/// Groups of operations, in the order in which they are shown.
const TAGS: [(&str, &str); 4] = [
    (
        "infer",
        "The convenient door: an image, a text, JSON or a tensor in, labels, vectors or tensors out.",
    ),
    (
        "v2",
        "The Open Inference Protocol, version 2, as KServe's and Triton's clients speak it.",
    ),
    (
        "v1",
        "TensorFlow Serving's and KServe's V1, and OpenAI's embeddings.",
    ),
    ("service", "What the service says of itself."),
];

/// The document.
#[must_use]
pub fn document(models: &Models, settings: &Settings) -> Value {
    let mut paths = Map::new();
    server::add(&mut paths, models, settings);
    for model in models.all() {
        model::add(&mut paths, model, models, &settings.limits);
    }
    if let Ok(default) = models.default(settings) {
        let operation = model::infer(default, &settings.limits, "infer");
        paths.insert("/infer".to_owned(), json!({ "post": operation }));
    }
    let tags: Vec<Value> = TAGS
        .iter()
        .map(|(name, description)| json!({ "name": name, "description": description }))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "infer",
            "summary": "Inference as a WebAssembly component",
            "description": description(models, settings),
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "paths": paths,
        "components": schema::components(),
        // Not OpenAPI's own: what a page needs to know of the models' cards.
        "x-models": models.names().filter_map(|name| models.get(name).ok())
            .map(|model| model::facts(model, models)).collect::<Vec<_>>(),
    })
}

fn description(models: &Models, settings: &Settings) -> String {
    let mut text = format!(
        "Bodies of up to {} bytes; gzip and deflate both ways. An error is always \
         `{{\"error\": \"one sentence\"}}`. `HEAD` is wherever `GET` is.",
        settings.limits.max_body_bytes
    );
    if let Err(error) = models.default(settings) {
        text.push_str(" `POST /infer` without a model is refused here: ");
        text.push_str(&error.to_string());
        text.push('.');
    }
    text
}

/// An operation's name: unique, and one that a program can have. Names of models may have `-`, `.` and `_`;
/// they become their codes, so that an underscore stands between words and nowhere else.
fn operation_id(words: &[&str]) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| {
            word.chars().fold(String::new(), |mut plain, c| {
                if c.is_ascii_alphanumeric() {
                    plain.push(c);
                } else {
                    plain.push_str(&format!("_{:x}", u32::from(c)));
                }
                plain
            })
        })
        .collect();
    words.join("_")
}
