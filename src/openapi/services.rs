//! The operations of other services' clients: Text Embeddings Inference's, Cohere's and DeepStack's.

use infer_model_card::{Pooling, Task};
use infer_routes::{ErrorForm, Handler, Route};
use serde_json::{Map, Value, json};

use super::example::TEXT;
use super::operation::{operation_id, tag};
use super::schema;
use crate::catalog::Models;
use crate::catalog::ability::Ability;
use crate::http::limits::Limits;
use crate::http::settings::Settings;

/// The error statuses of a request with a body, and of one without.
const ERRORS: [u16; 10] = [400, 404, 405, 406, 413, 415, 500, 501, 503, 504];
const TEI_ERRORS: [u16; 12] = [400, 404, 405, 406, 413, 415, 422, 424, 500, 501, 503, 504];
const INFO_ERRORS: [u16; 7] = [400, 404, 405, 406, 500, 503, 504];

/// The path item of a route; `None` if no model of this service can do what it does.
pub fn item(route: &Route, models: &Models, settings: &Settings) -> Option<Value> {
    let limits = &settings.limits;
    let number = json!({ "type": "number" });
    let score = |properties: Value, required: &[&str]| json!({ "type": "object", "required": required, "properties": properties });
    let list = |items: Value| json!({ "type": "array", "items": items });
    let whole = json!({ "type": "integer", "minimum": 0 });
    let post = |ability: Ability, description: &str, request: Object, response: Value| {
        let choice = Choice::new(models, ability, settings)?;
        let request = request.of_model(&choice);
        Some(json!({ "post": operation(route, description, request, response) }))
    };
    let truncation = "Texts that are longer than the model are truncated; with `truncate` false they are refused. \
                      `truncation_direction` may be that of the model's card.";
    match route.handler {
        Handler::TeiEmbed => post(
            Ability::EMBEDS,
            &format!(
                "{truncation} `dimensions` keeps the first components. `inputs` may be token ids, as `/tokenize` has them."
            ),
            inputs(models, Ability::EMBEDS, limits).flag("normalize", true),
            list(list(number)),
        ),
        Handler::TeiEmbedAll => {
            let pooled = |name: &str| {
                let model = models.get(name).ok()?;
                matches!(&model.card.task, Task::Embedding(spec) if spec.pooling == Pooling::None)
                    .then_some(())
            };
            // A schema that depends on the model would be needed for models whose graph pools.
            if models
                .able(Ability::EMBEDS)
                .any(|name| pooled(name).is_some())
            {
                return None;
            }
            post(
                Ability::EMBEDS,
                truncation,
                inputs(models, Ability::EMBEDS, limits),
                list(list(list(number))),
            )
        }
        Handler::TeiEmbedSparse => post(
            Ability::EMBEDS_SPARSELY,
            truncation,
            inputs(models, Ability::EMBEDS_SPARSELY, limits),
            list(list(score(
                json!({ "index": whole, "value": number }),
                &["index", "value"],
            ))),
        ),
        Handler::TeiPredict => {
            let prediction = score(
                json!({ "score": number, "label": { "type": "string" } }),
                &["score", "label"],
            );
            let mut request = Object::default();
            request.required("inputs", sequences(limits), json!(TEXT));
            post(
                Ability::CLASSIFIES_TEXTS,
                &format!(
                    "A list of two texts is a pair, and a list of lists a batch. {truncation}"
                ),
                request.flag("raw_scores", false),
                json!({ "type": "array", "items": { "anyOf": [prediction, list(prediction.clone())] } }),
            )
        }
        Handler::TeiRerank => {
            let mut request = Object::default();
            request.required("query", json!({ "type": "string" }), json!(TEXT));
            request.required("texts", many(limits), json!([TEXT, "Another one."]));
            let rank = score(
                json!({ "index": whole, "score": number, "text": { "type": "string" } }),
                &["index", "score"],
            );
            post(
                Ability::RANKS,
                &format!(
                    "With `documents` instead of `texts`, the request and the response are those of `/v1/rerank`. {truncation}"
                ),
                request.flag("raw_scores", false).flag("return_text", false),
                json!({ "anyOf": [list(rank), reranked()] }),
            )
        }
        Handler::TeiSimilarity => {
            let text = json!({ "type": "string", "minLength": 1 });
            let sentences = json!({
                "type": "object",
                "required": ["source_sentence", "sentences"],
                "properties": {
                    "source_sentence": text,
                    "sentences": {
                        "type": "array", "items": text, "minItems": 1, "maxItems": limits.max_texts.saturating_sub(1),
                    },
                },
            });
            let mut request = Object::default();
            let example = json!({ "source_sentence": TEXT, "sentences": ["Another one."] });
            request.required("inputs", sentences, example);
            post(
                Ability::EMBEDS,
                "The cosine of the angle between two sentences' vectors.",
                request,
                list(number),
            )
        }
        Handler::TeiTokenize => {
            let mut request = Object::default();
            request.required("inputs", nonempty_texts(limits), json!(TEXT));
            let place = json!({ "type": ["integer", "null"], "minimum": 0 });
            let token = json!({
                "type": "object",
                "required": ["id", "text", "special", "start", "stop"],
                "properties": {
                    "id": whole, "text": { "type": "string" }, "special": { "type": "boolean" },
                    "start": place, "stop": place,
                },
            });
            post(
                Ability::TAKES_TEXTS,
                "The tokens of each text after the prompt of the model's card, which are not truncated. `start` and `stop` \
                 count characters.",
                request.flag("add_special_tokens", true),
                list(list(token)),
            )
        }
        Handler::TeiDecode => {
            let ids = token_ids(models, Ability::TAKES_TEXTS);
            let rows = json!({ "type": "array", "items": ids, "minItems": 1, "maxItems": limits.max_texts });
            let mut request = Object::default();
            request.required("ids", json!({ "anyOf": [ids, rows] }), json!([0]));
            post(
                Ability::TAKES_TEXTS,
                "The text of each list of token ids.",
                request.flag("skip_special_tokens", true),
                list(json!({ "type": "string" })),
            )
        }
        Handler::TeiInfo => info(route, models, settings),
        Handler::Rerank => {
            let text = json!({ "type": "string" });
            let document = json!({ "anyOf": [
                text, { "type": "object", "required": ["text"], "properties": { "text": text } },
            ] });
            let documents = json!({
                "type": "array", "items": document, "minItems": 1, "maxItems": limits.max_texts,
            });
            let mut request = Object::default();
            request.required("query", text, json!(TEXT));
            request.required("documents", documents, json!([TEXT, "Another one."]));
            request.optional(
                "top_n",
                json!({ "type": ["integer", "null"], "minimum": 1, "maximum": u32::MAX }),
            );
            request.optional("rank_fields", json!({ "enum": [["text"], null] }));
            post(
                Ability::RANKS,
                "Best first. Other members of Cohere's and Jina's requests are ignored.",
                request.flag("return_documents", false),
                reranked(),
            )
        }
        Handler::DeepStack => deepstack(route, models, settings),
        _ => None,
    }
}

/// The models that can do something, for the member `model`.
struct Choice<'a> {
    names: Vec<&'a str>,
    is_required: bool,
}

impl<'a> Choice<'a> {
    fn new(models: &'a Models, ability: Ability, settings: &Settings) -> Option<Self> {
        let names: Vec<&str> = models.able(ability).collect();
        let is_known = models.with_ability(None, ability, "", settings).is_ok();
        (!names.is_empty()).then_some(Self {
            names,
            is_required: !is_known,
        })
    }
}

/// A request's schema, and an example.
#[derive(Default)]
struct Object {
    required: Vec<&'static str>,
    properties: Map<String, Value>,
    example: Map<String, Value>,
}

impl Object {
    fn required(&mut self, name: &'static str, schema: Value, example: Value) {
        self.required.push(name);
        self.properties.insert(name.to_owned(), schema);
        self.example.insert(name.to_owned(), example);
    }

    fn optional(&mut self, name: &str, schema: Value) {
        self.properties.insert(name.to_owned(), schema);
    }

    fn flag(mut self, name: &str, default: bool) -> Self {
        let schema = json!({ "type": ["boolean", "null"], "default": default });
        self.optional(name, schema);
        self
    }

    fn of_model(mut self, choice: &Choice) -> Value {
        let mut names: Vec<Value> = choice.names.iter().map(|name| json!(name)).collect();
        if let (true, Some(first)) = (choice.is_required, choice.names.first()) {
            self.required.push("model");
            self.example.insert("model".to_owned(), json!(first));
        } else {
            names.push(Value::Null);
        }
        self.optional("model", json!({ "enum": names }));
        json!({ "application/json": {
            "schema": { "type": "object", "required": self.required, "properties": self.properties },
            "examples": { "request": { "value": self.example } },
        } })
    }
}

fn operation(route: &Route, description: &str, content: Value, response: Value) -> Value {
    let words = route
        .pattern
        .split(['/', '{', '}'])
        .filter(|word| !word.is_empty());
    let words: Vec<&str> = std::iter::once("post").chain(words).collect();
    let form = ErrorForm::of(route.pattern);
    let statuses = match form {
        ErrorForm::Tei => &TEI_ERRORS[..],
        _ => &ERRORS,
    };
    let mut responses = schema::errors(statuses, form);
    responses.insert(
        "200".to_owned(),
        json!({
            "description": "Success",
            "headers": { "Server-Timing": { "$ref": "#/components/headers/Server-Timing" } },
            "content": { "application/json": { "schema": response } },
        }),
    );
    json!({
        "operationId": operation_id(&words),
        "tags": [tag(route.protocol)],
        "summary": route.summary,
        "description": description,
        "requestBody": { "required": true, "content": content },
        "responses": responses,
    })
}

/// Texts that are not empty.
fn nonempty_texts(limits: &Limits) -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    json!({ "anyOf": [
        text, { "type": "array", "items": text, "minItems": 1, "maxItems": limits.max_texts },
    ] })
}

pub(super) fn many(limits: &Limits) -> Value {
    json!({ "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": limits.max_texts })
}

/// A text, a pair of texts, or a list of lists of one or two texts. A second text may be empty.
fn sequences(limits: &Limits) -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    let sequence = json!({
        "type": "array", "prefixItems": [text], "items": { "type": "string" }, "minItems": 1, "maxItems": 2,
    });
    json!({ "anyOf": [
        text, sequence, { "type": "array", "items": sequence, "minItems": 1, "maxItems": limits.max_texts },
    ] })
}

/// A list of token ids that every one of the models has.
fn token_ids(models: &Models, ability: Ability) -> Value {
    let entries = models.able(ability).filter_map(|name| {
        let model = models.get(name).ok()?;
        Some(model.text.as_deref()?.entries())
    });
    let last = entries.min().unwrap_or(1).saturating_sub(1);
    json!({
        "type": "array", "items": { "type": "integer", "minimum": 0, "maximum": last }, "minItems": 1,
    })
}

/// The member `inputs`: texts, or their token ids.
fn inputs(models: &Models, ability: Ability, limits: &Limits) -> Object {
    let ids = token_ids(models, ability);
    let rows =
        json!({ "type": "array", "items": ids, "minItems": 1, "maxItems": limits.max_texts });
    let mut schema = nonempty_texts(limits);
    if let Some(forms) = schema["anyOf"].as_array_mut() {
        forms.extend([ids, rows]);
    }
    let mut request = Object::default();
    request.required("inputs", schema, json!([TEXT, "Another one."]));
    request
}

/// The response of `/v1/rerank`.
fn reranked() -> Value {
    let whole = json!({ "type": "integer", "minimum": 0 });
    json!({
        "type": "object",
        "required": ["id", "model", "results", "usage", "meta"],
        "properties": {
            "id": { "type": "string" },
            "model": { "type": "string" },
            "results": { "type": "array", "items": {
                "type": "object",
                "required": ["index", "relevance_score"],
                "properties": {
                    "index": whole,
                    "relevance_score": { "type": "number" },
                    "document": {
                        "type": "object", "required": ["text"], "properties": { "text": { "type": "string" } },
                    },
                },
            } },
            "usage": {
                "type": "object",
                "required": ["prompt_tokens", "total_tokens"],
                "properties": { "prompt_tokens": whole, "total_tokens": whole },
            },
            "meta": { "type": "object" },
        },
    })
}

/// `GET /info`
fn info(route: &Route, models: &Models, settings: &Settings) -> Option<Value> {
    let choice = Choice::new(models, Ability::TAKES_TEXTS, settings)?;
    let mut responses = schema::errors(&INFO_ERRORS, ErrorForm::of(route.pattern));
    let head = json!({ "description": "As GET, without a body" });
    let mut heads: Map<String, Value> = INFO_ERRORS
        .iter()
        .map(|status| (status.to_string(), head.clone()))
        .collect();
    heads.insert("200".to_owned(), head.clone());
    let facts = json!({
        "type": "object",
        "required": ["model_id", "model_dtype", "model_type", "max_input_length", "max_client_batch_size"],
    });
    responses.insert(
        "200".to_owned(),
        json!({ "description": "Success", "content": { "application/json": { "schema": facts } } }),
    );
    Some(json!({
        "parameters": [{
            "name": "model",
            "in": "query",
            "required": choice.is_required,
            "schema": { "type": "string", "enum": choice.names },
        }],
        "get": {
            "operationId": "get_info", "tags": [tag(route.protocol)], "summary": route.summary,
            "responses": responses,
        },
        "head": {
            "operationId": "get_info_head", "tags": [tag(route.protocol)],
            "summary": format!("{}: the headers alone", route.summary),
            "responses": heads,
        },
    }))
}

/// `POST /v1/vision/detection`, which has no model in its path, and `/v1/vision/custom/{model}`.
fn deepstack(route: &Route, models: &Models, settings: &Settings) -> Option<Value> {
    let choice = Choice::new(models, Ability::DETECTS, settings)?;
    let has_model = route.pattern.contains("{model}");
    if !has_model && choice.is_required {
        return None;
    }
    let content = json!({ "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["image"],
            "properties": {
                "image": { "type": "string", "format": "binary" },
                "min_confidence": { "type": "number", "minimum": 0, "maximum": 1, "default": 0.45 },
                "api_key": { "type": "string", "description": "Ignored" },
                "admin_key": { "type": "string", "description": "Ignored" },
            },
            "additionalProperties": false,
        },
        "encoding": { "image": { "contentType": "image/png" } },
    } });
    let whole = json!({ "type": "integer" });
    let detection = json!({
        "type": "object",
        "required": ["confidence", "label", "y_min", "x_min", "y_max", "x_max"],
        "properties": {
            "confidence": { "type": "number" }, "label": { "type": "string" },
            "y_min": whole, "x_min": whole, "y_max": whole, "x_max": whole,
        },
    });
    let response = json!({
        "type": "object",
        "required": ["success", "predictions", "duration"],
        "properties": {
            "success": { "const": true },
            "predictions": { "type": "array", "items": detection, "maxItems": 20 },
            "duration": { "type": "integer" },
        },
    });
    let description = "At most 20 objects, best first. Corners are pixels of the image as sent.";
    let mut item = json!({ "post": operation(route, description, content, response) });
    if has_model {
        item["parameters"] = json!([{
            "name": "model", "in": "path", "required": true,
            "schema": { "type": "string", "enum": choice.names },
        }]);
    }
    Some(item)
}
