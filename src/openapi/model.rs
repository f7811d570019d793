//! The operations of one model. Where JSON carries nothing that it takes (FP16 and BF16), there is `/infer`
//! alone: the protocols' binary data is beside what OpenAPI has words for.

use infer_model_card::{Channels, Layout, TensorSpec};
use serde_json::{Map, Value, json};

use super::body::{bodies, v1_request, v2_request};
use super::operation_id;
use super::schema::{self, reference};
use crate::catalog::{Model, Models};
use crate::http::limits::Limits;

/// What an inference may be refused with.
const REFUSALS: [u16; 10] = [400, 404, 405, 406, 413, 415, 500, 501, 503, 504];

/// What a page needs to know of a model.
pub fn facts(model: &Model, models: &Models) -> Value {
    let card = &model.card;
    let tensors = |specs: &[TensorSpec]| -> Vec<Value> {
        specs
            .iter()
            .map(|spec| json!({ "name": spec.name, "datatype": spec.datatype.name(), "shape": spec.shape }))
            .collect()
    };
    let image = card.image.as_ref().filter(|_| model.takes_images());
    json!({
        "name": model.name.as_str(),
        "description": card.description,
        "version": card.version,
        "versions": models.versions(model.name.as_str())
            .map(|model| model.card.version.as_str()).collect::<Vec<_>>(),
        "inputs": tensors(&card.inputs),
        "outputs": tensors(&card.outputs),
        "media_types": model.media_types(),
        "image": image.map(|image| json!({
            "width": image.width,
            "height": image.height,
            "channels": match image.channels {
                Channels::Gray => "gray",
                Channels::Rgb => "rgb",
                Channels::Bgr => "bgr",
            },
            "layout": match image.layout {
                Layout::Nchw => "nchw",
                Layout::Nhwc => "nhwc",
            },
            "scale": image.scale,
            "mean": image.mean,
            "std": image.std,
        })),
        "text": card.text.as_ref().filter(|_| model.text.is_some())
            .map(|text| json!({ "max_tokens": text.max_tokens })),
        "classification": card.classification.as_ref().map(|spec| json!({
            "output": spec.output, "labels": model.labels.len(), "top_k": spec.top_k,
        })),
        "embedding": card.embedding.is_some(),
    })
}

/// Add the paths of one version of a model; those without a version are the last one's.
pub fn add(paths: &mut Map<String, Value>, model: &Model, models: &Models, limits: &Limits) {
    let name = model.name.as_str();
    let version = &model.card.version;
    let is_last = models
        .get(name)
        .is_ok_and(|last| last.card.version == *version);
    let mut post = |path: String, operation: Option<Value>| {
        if let Some(operation) = operation {
            paths.insert(path, json!({ "post": operation }));
        }
    };
    if is_last {
        post(
            format!("/infer/{name}"),
            Some(infer(model, limits, &operation_id(&["infer", name]))),
        );
        post(format!("/infer/{name}/input"), Some(input(model, limits)));
        post(
            format!("/v2/models/{name}/infer"),
            v2_infer(model, &operation_id(&["v2", name, "infer"])),
        );
        post(
            format!("/v1/models/{name}:predict"),
            v1_predict(model, limits, &operation_id(&["v1", name, "predict"])),
        );
    }
    post(
        format!("/v2/models/{name}/versions/{version}/infer"),
        v2_infer(
            model,
            &operation_id(&["v2", name, "version", version, "infer"]),
        ),
    );
    post(
        format!("/v1/models/{name}/versions/{version}:predict"),
        v1_predict(
            model,
            limits,
            &operation_id(&["v1", name, "version", version, "predict"]),
        ),
    );
}

/// `POST /infer` and `POST /infer/{model}`
pub fn infer(model: &Model, limits: &Limits, id: &str) -> Value {
    let mut parameters = vec![json!({
        "name": "outputs",
        "in": "query",
        "description": "Whether to add the output tensors to the answer",
        "schema": { "type": "boolean", "default": false },
    })];
    let mut properties = json!({ "outputs": { "type": "array", "items": reference("Tensor") } });
    let mut required = vec!["model_name", "model_version"];
    if let Some(spec) = &model.card.classification {
        parameters.push(json!({
            "name": "top_k",
            "in": "query",
            "description": "How many classes to name, best first",
            // The component counts in 32 bits.
            "schema": { "type": "integer", "minimum": 1, "maximum": u32::MAX, "default": spec.top_k },
        }));
        properties["predictions"] = json!({
            "type": "array",
            "description": "A list an item of the batch, best first",
            "items": { "type": "array", "items": reference("Prediction") },
        });
        required.push("predictions");
    } else {
        required.push("outputs");
    }
    let mut operation = operation(
        id,
        "infer",
        &format!("Ask model {}", model.name),
        &model.card.description,
        bodies(model, limits),
        answer(model, required, properties),
    );
    operation["parameters"] = json!(parameters);
    // Arrays of the first output are possible for all: NumPy lacks BF16 alone.
    tensors_too(&mut operation);
    if model.card.classification.is_none() && model.card.embedding.is_none() {
        without_json(&mut operation, &model.card.outputs);
    }
    operation
}

/// `POST /infer/{model}/input`
fn input(model: &Model, limits: &Limits) -> Value {
    let name = model.name.as_str();
    let mut properties = json!({ "inputs": { "type": "array", "items": reference("Tensor") } });
    if model.text.is_some() {
        properties["tokens"] = json!({
            "type": "array",
            "description": "Each text's tokens in the vocabulary's words",
            "items": { "type": "array", "items": { "type": "string" } },
        });
    }
    let mut operation = operation(
        &operation_id(&["infer", name, "input"]),
        "infer",
        &format!("What model {name} would be given"),
        "The body as the model would see it, prepared as its card says: nothing is computed. An image \
         can be held against another program's preparation so.",
        bodies(model, limits),
        answer(
            model,
            vec!["model_name", "model_version", "inputs"],
            properties,
        ),
    );
    if model.card.inputs.len() == 1 {
        tensors_too(&mut operation);
        without_json(&mut operation, &model.card.inputs);
    }
    operation
}

/// `POST /v2/models/{model}/infer`
fn v2_infer(model: &Model, id: &str) -> Option<Value> {
    let mut examples = Map::new();
    let request = v2_request(model, &mut examples)?;
    let content = json!({ "application/json": { "schema": request, "examples": examples } });
    Some(operation(
        id,
        "v2",
        &format!("Infer with {}", model.name),
        "Tensors by name. With the header `Inference-Header-Content-Length` their bytes may follow the \
         JSON (Triton's binary tensor data extension); FP16 and BF16 are carried so alone.",
        content,
        answer(
            model,
            vec!["model_name", "model_version", "outputs"],
            json!({
                "id": { "type": "string" },
                "outputs": { "type": "array", "items": reference("Tensor") },
            }),
        ),
    ))
}

/// `POST /v1/models/{model}:predict`
fn v1_predict(model: &Model, limits: &Limits, id: &str) -> Option<Value> {
    let mut examples = Map::new();
    let schema = v1_request(model, limits, &mut examples)?;
    let content = json!({ "application/json": { "schema": schema, "examples": examples } });
    let answered = json!({ "application/json": { "schema": {
        "type": "object",
        "required": ["predictions"],
        "properties": { "predictions": { "type": "array" } },
    } } });
    Some(operation(
        id,
        "v1",
        &format!("Predict with {}", model.name),
        "`instances`, one an item of the batch, are answered with as many `predictions`; `inputs` in \
         place of them, a tensor an input, with `outputs`.",
        content,
        answered,
    ))
}

fn operation(
    id: &str,
    tag: &str,
    summary: &str,
    description: &str,
    bodies: Value,
    answers: Value,
) -> Value {
    let mut responses = schema::refusals(&REFUSALS);
    responses.insert(
        "200".to_owned(),
        json!({
            "description": "The answer",
            "headers": { "Server-Timing": { "$ref": "#/components/headers/Server-Timing" } },
            "content": answers,
        }),
    );
    json!({
        "operationId": id,
        "tags": [tag],
        "summary": summary,
        "description": description,
        "requestBody": { "required": true, "content": bodies },
        "responses": responses,
    })
}

fn answer(model: &Model, required: Vec<&str>, mut properties: Value) -> Value {
    properties["model_name"] = json!({ "const": model.name.as_str() });
    properties["model_version"] = json!({ "const": model.card.version });
    json!({ "application/json": { "schema": {
        "type": "object",
        "required": required,
        "properties": properties,
    } } })
}

fn tensors_too(operation: &mut Value) {
    let content = &mut operation["responses"]["200"]["content"];
    content["application/x-npy"] = json!({});
    content["application/octet-stream"] = json!({});
}

/// Take JSON out of the answers where it cannot carry these tensors.
fn without_json(operation: &mut Value, specs: &[TensorSpec]) {
    let is_carried = specs
        .iter()
        .all(|spec| schema::element(spec.datatype).is_some());
    let content = operation["responses"]["200"]["content"].as_object_mut();
    if let (false, Some(content)) = (is_carried, content) {
        content.remove("application/json");
    }
}
