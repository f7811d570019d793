//! `GET /info`: the facts of a model of texts.

use infer_model_card::{Pooling, Task};
use infer_tensor::Datatype;
use serde_json::{Map, Value, json};

use crate::catalog::ability::Ability;
use crate::catalog::{Model, Models};
use crate::http::error::ApiError;
use crate::http::json::response;
use crate::http::response::Response;
use crate::http::settings::Settings;

/// The facts of the model `name`, else of the default model if it takes texts, else of the only one that does.
///
/// # Errors
/// 404 for an unknown name; 400 for a model without texts, and if there are several.
pub fn info(
    name: Option<&str>,
    models: &Models,
    settings: &Settings,
) -> Result<Response, ApiError> {
    let unnamed = "the query has no `model`";
    let model = models.with_ability(name, Ability::TAKES_TEXTS, unnamed, settings)?;
    let max_tokens = model.text.as_deref().map(|encoder| encoder.max_tokens());
    let limits = &settings.limits;
    response(&json!({
        "model_id": model.name.as_str(),
        "model_sha": null,
        "model_dtype": dtype(model),
        "model_type": kind(model),
        "max_input_length": max_tokens,
        "max_client_batch_size": limits.max_texts,
        "auto_truncate": true,
        "tokenization_workers": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "sha": null,
        "docker_label": null,
    }))
}

/// The datatype of the first output, as PyTorch names it.
fn dtype(model: &Model) -> &'static str {
    match model.card.outputs.first().map(|output| output.datatype) {
        Some(Datatype::Fp16) => "float16",
        Some(Datatype::Bf16) => "bfloat16",
        Some(Datatype::Fp64) => "float64",
        _ => "float32",
    }
}

/// The kind of the model; empty for a task that the other project does not have.
fn kind(model: &Model) -> Value {
    match &model.card.task {
        Task::Embedding(spec) => {
            let pooling = match spec.pooling {
                Pooling::Mean => "mean",
                Pooling::Cls => "cls",
                Pooling::Max => "max",
                Pooling::Last => "last_token",
                Pooling::None => "none",
            };
            json!({ "embedding": { "pooling": pooling } })
        }
        Task::SparseEmbedding(_) => json!({ "embedding": { "pooling": "splade" } }),
        Task::Classification(spec) => {
            let labels = model.pipeline.labels(&spec.output);
            let names: Vec<&str> = labels.map_or_else(Vec::new, |labels| labels.iter().collect());
            let key = if (Ability::RANKS.has)(model) {
                "reranker"
            } else {
                "classifier"
            };
            json!({ key: classes(&names) })
        }
        Task::Ranking(_) => json!({ "reranker": classes(&["LABEL_0"]) }),
        _ => json!({}),
    }
}

fn classes(names: &[&str]) -> Value {
    let by_index: Map<String, Value> = names
        .iter()
        .enumerate()
        .map(|(index, name)| (index.to_string(), json!(name)))
        .collect();
    let by_name: Map<String, Value> = names
        .iter()
        .enumerate()
        .map(|(index, name)| ((*name).to_owned(), json!(index)))
        .collect();
    json!({ "id2label": by_index, "label2id": by_name })
}
