//! Schemas of the parts of bodies, in JSON Schema 2020-12, which OpenAPI 3.1 uses.

use infer_model_card::TensorSpec;
use infer_routes::ErrorForm;
use infer_tensor::Datatype;
use serde_json::{Value, json};

use crate::catalog::Models;

/// Larger numbers are nearer to infinity than to the largest FP32.
const FP32_LIMIT: f64 = 3.402_823_567_797_336_6e38;

/// The error statuses, and their meanings.
const ERRORS: [(u16, &str); 12] = [
    (
        400,
        "The content of the request is malformed, or its shape, datatype or size does not fit the model",
    ),
    (404, "The route, model or version does not exist"),
    (
        405,
        "The route does not allow the method; `Allow` lists those it allows",
    ),
    (406, "`Accept` allows no response of this route"),
    (
        413,
        "A body, an image, a sound or a response is over its limit",
    ),
    (
        415,
        "The model does not take the media type, or `Content-Encoding` is unsupported",
    ),
    (
        422,
        "The members of the request are missing or have the wrong types",
    ),
    (424, "The model cannot do what the route does"),
    (
        500,
        "The service failed; the cause is in its log under the request id",
    ),
    (501, "The backend lacks a datatype or feature"),
    (
        503,
        "The service is too busy or not ready; retry after `Retry-After`",
    ),
    (504, "The request took longer than its time limit"),
];

/// The named components of the document.
pub fn components(models: &Models) -> Value {
    let errors: serde_json::Map<String, Value> = ErrorForm::ALL
        .iter()
        .flat_map(|form| ERRORS.iter().map(move |error| (*form, error)))
        .filter(|(form, (status, _))| *form == ErrorForm::Tei || !matches!(status, 422 | 424))
        .map(|(form, (status, meaning))| {
            let schema = match form {
                ErrorForm::Sentence => "Error",
                ErrorForm::OpenAi => "OpenAiError",
                ErrorForm::Tei => "TeiError",
                ErrorForm::Cohere => "CohereError",
                ErrorForm::DeepStack => "DeepStackError",
            };
            let content = json!({ "application/json": { "schema": reference(schema) } });
            let mut response = json!({ "description": meaning, "content": content });
            let header = match status {
                405 => Some("Allow"),
                500 => Some("X-Request-Id"),
                503 => Some("Retry-After"),
                _ => None,
            };
            if let Some(header) = header {
                response["headers"] = json!({ header: { "schema": { "type": "string" } } });
            }
            (error_name(*status, form), response)
        })
        .collect();
    let mut components = json!({
        "responses": errors,
        "headers": {
            "Server-Timing": {
                "description": "Milliseconds of each phase: decode, load, compute, encode",
                "schema": { "type": "string" },
                "example": "decode;dur=0.041, load;dur=0.002, compute;dur=0.310, encode;dur=0.012",
            },
        },
        "schemas": {
            "Error": {
                "type": "object",
                "required": ["error"],
                "additionalProperties": false,
                "properties": { "error": {
                    "type": "string",
                    "minLength": 1,
                    "description": "One sentence: what is wrong, what was expected, what to do",
                } },
            },
            "OpenAiError": {
                "type": "object",
                "required": ["error"],
                "additionalProperties": false,
                "properties": { "error": {
                    "type": "object",
                    "required": ["message", "type", "param", "code"],
                    "additionalProperties": false,
                    "properties": {
                        "message": {
                            "type": "string",
                            "minLength": 1,
                            "description": "One sentence: what is wrong, what was expected, what to do",
                        },
                        "type": { "enum": ["invalid_request_error", "server_error"] },
                        "param": {
                            "type": ["string", "null"],
                            "description": "The member of the request that is wrong, where one is",
                        },
                        "code": { "enum": ["model_not_found", "unknown_url", "method_not_supported", null] },
                    },
                } },
            },
            "TeiError": {
                "type": "object",
                "required": ["error", "error_type"],
                "additionalProperties": false,
                "properties": {
                    "error": { "type": "string", "minLength": 1 },
                    "error_type": { "enum": ["Backend", "Empty", "Overloaded", "Unhealthy", "Validation"] },
                },
            },
            "CohereError": {
                "type": "object",
                "required": ["message"],
                "additionalProperties": false,
                "properties": { "message": { "type": "string", "minLength": 1 } },
            },
            "DeepStackError": {
                "type": "object",
                "required": ["success", "error"],
                "additionalProperties": false,
                "properties": {
                    "success": { "const": false },
                    "error": { "type": "string", "minLength": 1 },
                },
            },
            "OpenAiModel": {
                "type": "object",
                "required": ["id", "object", "created", "owned_by"],
                "additionalProperties": false,
                "properties": {
                    "id": { "type": "string" },
                    "object": { "const": "model" },
                    "created": { "const": 0, "description": "Unknown: an artifact has no dates" },
                    "owned_by": { "type": "string" },
                },
            },
            "Tensor": {
                "type": "object",
                "required": ["name", "datatype", "shape", "data"],
                "properties": {
                    "name": { "type": "string" },
                    "datatype": { "type": "string", "enum": Datatype::ALL.map(Datatype::name) },
                    "shape": { "type": "array", "items": { "type": "integer", "minimum": 0 } },
                    "data": { "type": "array", "description": "Row-major, flat" },
                },
            },
            "TensorMetadata": {
                "type": "object",
                "required": ["name", "datatype", "shape"],
                "properties": {
                    "name": { "type": "string" },
                    "datatype": { "type": "string", "enum": Datatype::ALL.map(Datatype::name) },
                    "shape": { "type": "array", "items": { "type": "integer", "minimum": -1 } },
                },
            },
            "Parameters": {
                "type": ["object", "null"],
                "description": "Unknown parameters are ignored",
            },
            "TensorParameters": {
                "type": ["object", "null"],
                "description": "Unknown parameters are ignored. The service shares no memory with its clients",
                "properties": {
                    "shared_memory_region": { "type": "null" },
                    "shared_memory_byte_size": { "type": "null" },
                    "shared_memory_offset": { "type": "null" },
                },
            },
        },
    });
    // The schemas of the predictions of all tasks that the models have.
    for prediction in models.all().filter_map(|model| model.pipeline.schema()) {
        components["schemas"][prediction.name] = prediction.value;
    }
    components
}

/// A reference to a named schema.
pub fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The error responses of an operation.
pub fn errors(statuses: &[u16], form: ErrorForm) -> serde_json::Map<String, Value> {
    statuses
        .iter()
        .map(|status| {
            let reference = format!("#/components/responses/{}", error_name(*status, form));
            (status.to_string(), json!({ "$ref": reference }))
        })
        .collect()
}

/// The name of an error response among the components.
fn error_name(status: u16, form: ErrorForm) -> String {
    match form {
        ErrorForm::Sentence => status.to_string(),
        ErrorForm::OpenAi => format!("OpenAI-{status}"),
        ErrorForm::Tei => format!("TEI-{status}"),
        ErrorForm::Cohere => format!("Cohere-{status}"),
        ErrorForm::DeepStack => format!("DeepStack-{status}"),
    }
}

/// An element of a datatype; `None` if JSON cannot represent it.
pub fn element(datatype: Datatype) -> Option<Value> {
    let whole = |least: i64, most: i64| {
        Some(json!({ "type": "integer", "minimum": least, "maximum": most }))
    };
    match datatype {
        Datatype::Bool => Some(json!({ "enum": [true, false, 0, 1] })),
        Datatype::Uint8 => whole(0, u8::MAX.into()),
        Datatype::Uint16 => whole(0, u16::MAX.into()),
        Datatype::Uint32 => whole(0, u32::MAX.into()),
        Datatype::Int8 => whole(i8::MIN.into(), i8::MAX.into()),
        Datatype::Int16 => whole(i16::MIN.into(), i16::MAX.into()),
        Datatype::Int32 => whole(i32::MIN.into(), i32::MAX.into()),
        // The engine computes INT64 in 32 bits, and refuses larger values; other backends do not.
        Datatype::Int64 => whole(i64::MIN, i64::MAX),
        Datatype::Fp32 => {
            Some(json!({ "type": "number", "minimum": -FP32_LIMIT, "maximum": FP32_LIMIT }))
        }
        Datatype::Uint64 | Datatype::Fp64 => Some(json!({ "type": "number" })),
        Datatype::Fp16 | Datatype::Bf16 | Datatype::Bytes => None,
    }
}

/// A tensor as nested lists, each as long as its dimension; a free dimension has any length. A list is empty only if that
/// leaves no size open: the last dimension, or a batch of items of a known size.
pub fn nested(spec: &TensorSpec) -> Option<Value> {
    let element = element(spec.datatype)?;
    let rank = spec.shape.len();
    let is_item_known = spec.shape.iter().skip(1).all(|size| *size >= 0);
    let dimensions = spec.shape.iter().enumerate().rev();
    Some(dimensions.fold(element, |items, (place, size)| {
        let may_be_empty = match place {
            0 => is_item_known,
            _ => place + 1 == rank,
        };
        let least = if may_be_empty { 0 } else { 1 };
        let mut list = json!({ "type": "array", "items": items, "minItems": least });
        if *size >= 0 {
            list["minItems"] = json!(size);
            list["maxItems"] = json!(size);
        }
        list
    }))
}

/// A tensor in the Open Inference Protocol. JSON Schema cannot relate the number of values to the shape, so the shape is
/// fixed to the usual one.
pub fn tensor(spec: &TensorSpec) -> Option<Value> {
    let element = element(spec.datatype)?;
    let shape = spec.usual_shape();
    let count: u64 = shape.iter().map(|size| u64::from(*size)).product();
    let mut schema = json!({
        "type": "object",
        "required": ["name", "datatype", "shape", "data"],
        "properties": {
            "name": { "const": spec.name },
            "datatype": { "const": spec.datatype.name() },
            "shape": { "const": shape },
            "data": { "type": "array", "items": element, "minItems": count, "maxItems": count },
            "parameters": reference("TensorParameters"),
        },
    });
    if spec.shape.contains(&-1) {
        schema["description"] = json!(format!(
            "The model takes every shape that fits {:?}, where -1 is any size, with as many values as \
             the shape has; this schema allows one of them",
            spec.shape
        ));
    }
    Some(schema)
}
