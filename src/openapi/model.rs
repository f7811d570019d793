//! The operations of one model. If JSON cannot represent its inputs (FP16 and BF16), it has `/infer` only, because OpenAPI
//! cannot describe the binary data of the protocols.

use infer_model_card::{Channels, Layout, TensorSpec};
use infer_routes::{ErrorForm, Handler, Route};
use serde_json::{Map, Value, json};

use super::body::{bodies, v1_request, v2_request};
use super::example::data_url;
use super::huggingface;
use super::operation::{insert, operation_id, tag};
use super::schema::{self, reference};
use crate::catalog::{Model, Models};
use crate::http::limits::Limits;
use crate::http::settings::Settings;
use crate::input::content::Form;

/// The error statuses of an inference.
const ERRORS: [u16; 10] = [400, 404, 405, 406, 413, 415, 500, 501, 503, 504];

/// The facts of a model that the page needs.
pub fn facts(model: &Model, models: &Models) -> Value {
    let card = &model.card;
    let tensors = |specs: &[TensorSpec]| -> Vec<Value> {
        specs
            .iter()
            .map(|spec| json!({ "name": spec.name, "datatype": spec.datatype.name(), "shape": spec.shape }))
            .collect()
    };
    let image = card.image.as_ref().filter(|_| model.takes_images());
    let mut facts = json!({
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
            "depends_on_the_image": image.is_proportional(),
        })),
        "form": match model.accepts().form {
            Form::Prepared => "prepared",
            Form::Images => "images",
            Form::Texts => "texts",
            Form::Questions => "questions",
            Form::Queries => "queries",
            Form::Sounds => "sounds",
        },
        "columns": card.table.as_ref().map(|table| &table.columns),
        "audio": card.audio.as_ref().filter(|_| model.takes_sounds())
            .map(|audio| json!({ "rate_hz": audio.rate_hz })),
        "text": card.text.as_ref().filter(|_| model.text.is_some())
            .map(|text| json!({ "max_tokens": text.max_tokens })),
    });
    if let Some(example) = &model.example {
        facts["example"] = json!({
            "media_type": example.media_type,
            "url": data_url(example.media_type, &example.bytes),
        });
    }
    if let Some(members) = facts.as_object_mut() {
        members.extend(model.pipeline.description());
    }
    facts
}

/// Add the paths of a route: one for each model, and for each of its versions if the pattern has a version.
pub fn add(paths: &mut Map<String, Value>, route: &Route, models: &Models, settings: &Settings) {
    let mut post = |model: &Model| {
        if let Some(operation) = operation(route, model, &settings.limits) {
            let path = route.path(model.name.as_str(), &model.card.version);
            insert(paths, path, json!({ "post": operation }));
        }
    };
    if !route.pattern.contains("{model}") {
        models.default(settings).into_iter().for_each(post);
    } else if route.has_version() {
        models.all().for_each(post);
    } else {
        let latest = models.names().filter_map(|name| models.get(name).ok());
        latest.for_each(&mut post);
    }
}

/// The operation of a route for one model; `None` if JSON cannot represent its inputs.
fn operation(route: &Route, model: &Model, limits: &Limits) -> Option<Value> {
    let name = model.name.as_str();
    let prefix = match route.handler {
        Handler::ModelInfer => "v2",
        Handler::V1Predict => "v1",
        Handler::HuggingFace => "huggingface",
        _ => "infer",
    };
    let mut words = vec![prefix];
    if route.pattern.contains("{model}") {
        words.push(name);
    }
    if route.has_version() {
        words.extend(["version", model.card.version.as_str()]);
    }
    words.extend(match route.handler {
        Handler::ModelInfer => Some("infer"),
        Handler::V1Predict => Some("predict"),
        Handler::Input => Some("input"),
        _ => None,
    });
    let mut operation = match route.handler {
        Handler::Input => input(model, limits),
        Handler::ModelInfer => v2_infer(model)?,
        Handler::V1Predict => v1_predict(model, limits)?,
        Handler::HuggingFace => by_task(model, limits)?,
        _ => infer(model, limits),
    };
    operation["operationId"] = json!(operation_id(&words));
    operation["tags"] = json!([tag(route.protocol)]);
    operation["summary"] = json!(route.summary_for(name));
    Some(operation)
}

/// `POST /infer` and `POST /infer/{model}`
fn infer(model: &Model, limits: &Limits) -> Value {
    let mut parameters = vec![json!({
        "name": "outputs",
        "in": "query",
        "description": "Whether to add the output tensors to the response",
        "schema": { "type": "boolean", "default": false },
    })];
    let mut properties = json!({ "outputs": { "type": "array", "items": reference("Tensor") } });
    let mut required = vec!["model_name", "model_version"];
    for parameter in model.pipeline.parameters() {
        parameters.push(json!({
            "name": parameter.name,
            "in": "query",
            "description": parameter.description,
            "schema": parameter.schema(),
        }));
    }
    if let Some(prediction) = model.pipeline.schema() {
        properties["predictions"] = json!({
            "type": "array",
            "description": "One list for each item of the batch, best first",
            "items": { "type": "array", "items": reference(prediction.name) },
        });
        // A task that prepares requests by itself makes no predictions of tensors.
        if model.pipeline.form() == Form::Prepared {
            required.push("predictions");
        }
    } else {
        required.push("outputs");
    }
    let mut operation = described(
        &model.card.description,
        bodies(model, limits),
        response(model, required, properties),
    );
    operation["parameters"] = json!(parameters);
    // Every model can respond with its first output as an array.
    add_tensors(&mut operation);
    if model.pipeline.draws() {
        operation["responses"]["200"]["content"]["image/png"] = json!({});
    }
    without_json(&mut operation, model.pipeline.response_outputs(&model.card));
    operation
}

/// `POST /infer/{model}/input`
fn input(model: &Model, limits: &Limits) -> Value {
    let mut properties = json!({ "inputs": { "type": "array", "items": reference("Tensor") } });
    if model.text.is_some() {
        properties["tokens"] = json!({
            "type": "array",
            "description": "The tokens of each text as the vocabulary has them",
            "items": { "type": "array", "items": { "type": "string" } },
        });
    }
    let mut operation = described(
        "The body as the model's input, prepared as its card says, without inference. Compare it with \
         another program's preparation of an image or a text.",
        bodies(model, limits),
        response(
            model,
            vec!["model_name", "model_version", "inputs"],
            properties,
        ),
    );
    if model.card.inputs.len() == 1 {
        add_tensors(&mut operation);
        without_json(&mut operation, &model.card.inputs);
    }
    operation
}

/// `POST /v2/models/{model}/infer`
fn v2_infer(model: &Model) -> Option<Value> {
    let mut examples = Map::new();
    let request = v2_request(model, &mut examples)?;
    let content = json!({ "application/json": { "schema": request, "examples": examples } });
    Some(described(
        "Tensors by name. With the header `Inference-Header-Content-Length` their bytes may follow the \
         JSON (Triton's binary tensor data extension), which FP16 and BF16 need. The output `predictions`, which \
         the metadata does not list, has what `/infer` predicts: BYTES of shape [n], one JSON text for each item.",
        content,
        response(
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
fn v1_predict(model: &Model, limits: &Limits) -> Option<Value> {
    let mut examples = Map::new();
    let schema = v1_request(model, limits, &mut examples)?;
    let content = json!({ "application/json": { "schema": schema, "examples": examples } });
    let responses = json!({ "application/json": { "schema": {
        "type": "object",
        "required": ["predictions"],
        "properties": { "predictions": { "type": "array" } },
    } } });
    Some(described(
        "`instances` has one entry for each item of the batch, and so has `predictions` of the response. \
         `inputs` has one tensor for each input instead, and its response `outputs`.",
        content,
        responses,
    ))
}

/// `POST /models/{model}` and `POST /`
fn by_task(model: &Model, limits: &Limits) -> Option<Value> {
    let (bodies, schema) = huggingface::bodies(model, limits)?;
    let task = model.card.task_name.unwrap_or_default();
    Some(described(
        &format!(
            "Hugging Face's inference API for the task `{task}`, as `InferenceClient` of `huggingface_hub` sends and reads it."
        ),
        bodies,
        json!({ "application/json": { "schema": schema } }),
    ))
}

fn described(description: &str, bodies: Value, content: Value) -> Value {
    let mut responses = schema::errors(&ERRORS, ErrorForm::Sentence);
    responses.insert(
        "200".to_owned(),
        json!({
            "description": "Success",
            "headers": { "Server-Timing": { "$ref": "#/components/headers/Server-Timing" } },
            "content": content,
        }),
    );
    json!({
        "description": description,
        "requestBody": { "required": true, "content": bodies },
        "responses": responses,
    })
}

fn response(model: &Model, required: Vec<&str>, mut properties: Value) -> Value {
    properties["model_name"] = json!({ "const": model.name.as_str() });
    properties["model_version"] = json!({ "const": model.card.version });
    json!({ "application/json": { "schema": {
        "type": "object",
        "required": required,
        "properties": properties,
    } } })
}

fn add_tensors(operation: &mut Value) {
    let content = &mut operation["responses"]["200"]["content"];
    content["application/x-npy"] = json!({});
    content["application/octet-stream"] = json!({});
}

/// Remove JSON from the responses if it cannot represent these tensors.
fn without_json(operation: &mut Value, specs: &[TensorSpec]) {
    let is_representable = specs
        .iter()
        .all(|spec| schema::element(spec.datatype).is_some());
    let content = operation["responses"]["200"]["content"].as_object_mut();
    if let (false, Some(content)) = (is_representable, content) {
        content.remove("application/json");
    }
}
