//! `GET /openapi.json`: the contract as OpenAPI 3.1, built for each request from the route table and the table of models.
//!
//! A route whose bodies depend on the model has one path for each model ([`model`]), so that the schemas state the names,
//! datatypes and shapes of that model; all other routes are in [`server`] and [`services`]. [`body`] describes the request bodies, [`schema`]
//! their parts, and [`example`] makes values that work.
//!
//! The schemas are as exact as JSON Schema allows: `tests/clients.rs` generates requests from them, and the service must
//! accept what they allow and refuse what they forbid.

mod body;
mod example;
mod huggingface;
mod model;
mod operation;
mod schema;
mod server;
mod services;
#[cfg(test)]
mod tests;

use infer_routes::cors::Origins;
use infer_routes::{Handler, ROUTES};
use serde_json::{Map, Value, json};

use self::operation::insert;
use crate::catalog::Models;
use crate::http::error::listed;
use crate::http::settings::Settings;

/// Groups of operations, in the order of the page.
const TAGS: [(&str, &str); 7] = [
    (
        "infer",
        "An image, a sound, a text, JSON or a tensor in; labels, vectors or tensors out.",
    ),
    (
        "v2",
        "The Open Inference Protocol, version 2, for clients of KServe and Triton.",
    ),
    (
        "v1",
        "TensorFlow Serving's and KServe's V1, and OpenAI's embeddings.",
    ),
    (
        "huggingface",
        "Hugging Face's inference API, by the task of the model.",
    ),
    ("tei", "Hugging Face's Text Embeddings Inference."),
    (
        "others",
        "Cohere's and Jina's reranking, and DeepStack's detection.",
    ),
    ("service", "The page and this document."),
];

/// Build the document.
#[must_use]
pub fn document(models: &Models, settings: &Settings) -> Value {
    let mut paths = Map::new();
    for route in ROUTES.iter().filter(|route| !route.summary.is_empty()) {
        match route.handler {
            Handler::Infer
            | Handler::Input
            | Handler::ModelInfer
            | Handler::V1Predict
            | Handler::HuggingFace => model::add(&mut paths, route, models, settings),
            _ => {
                let item = server::item(route, models, settings);
                if let Some(item) = item.or_else(|| services::item(route, models, settings)) {
                    insert(&mut paths, route.pattern.to_owned(), item);
                }
            }
        }
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
        "components": schema::components(models),
        // An extension: facts of the model cards for the page.
        "x-models": models.names().filter_map(|name| models.get(name).ok())
            .map(|model| model::facts(model, models)).collect::<Vec<_>>(),
    })
}

fn description(models: &Models, settings: &Settings) -> String {
    let mut text = format!(
        "Bodies of up to {} bytes; gzip and deflate both ways. An error is always \
         `{{\"error\": \"one sentence\"}}`, on OpenAI's routes `{{\"error\": {{\"message\": \"one sentence\", …}}}}`, and on \
         those of other services in their forms. `HEAD` works wherever `GET` does.",
        settings.limits.max_body_bytes
    );
    match &settings.cors_origins {
        None => {}
        Some(Origins::Any) => text.push_str(" Pages of every origin may send requests (CORS)."),
        Some(Origins::Only(origins)) => {
            let origins = listed(origins.iter().map(String::as_str), "and");
            text.push_str(&format!(" Pages of {origins} may send requests (CORS)."));
        }
    }
    if let Err(error) = models.default(settings) {
        text.push_str(" `POST /infer` without a model is refused here: ");
        text.push_str(&error.to_string());
        text.push('.');
    }
    text
}
