//! What bodies are made of, as JSON Schema (2020-12, which OpenAPI 3.1 has).

use infer_model_card::{Datatype, TensorSpec};
use serde_json::{Value, json};

/// Beyond, a number is nearer to infinity than to the largest FP32.
const FP32_LIMIT: f64 = 3.402_823_567_797_336_6e38;

/// The statuses of refusals, with what each means.
const REFUSALS: [(u16, &str); 10] = [
    (
        400,
        "Something about the request's content: malformed, or of another shape, datatype or size than the model's",
    ),
    (404, "No such route, model or version"),
    (405, "Another method, with those that there are in `Allow`"),
    (406, "`Accept` allows none of the answers that there are"),
    (413, "A body or an image over its limit"),
    (
        415,
        "A media type that the model does not take, or an unknown `Content-Encoding`",
    ),
    (
        500,
        "A fault of the service; the cause is in its log under the request id",
    ),
    (501, "A datatype or feature that the backend lacks"),
    (503, "Too busy or not ready, with `Retry-After`"),
    (504, "The request took longer than its time limit"),
];

/// What is referred to by name.
pub fn components() -> Value {
    let refusals: serde_json::Map<String, Value> = REFUSALS
        .iter()
        .map(|(status, meaning)| {
            let content = json!({ "application/json": { "schema": reference("Error") } });
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
            (status.to_string(), response)
        })
        .collect();
    json!({
        "responses": refusals,
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
                    "description": "One sentence: what was wrong, what was expected, what came",
                } },
            },
            "Prediction": {
                "type": "object",
                "required": ["label", "index", "score"],
                "additionalProperties": false,
                "properties": {
                    "label": { "type": "string" },
                    "index": { "type": "integer", "minimum": 0 },
                    "score": { "type": "number" },
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
                "description": "What is not known is passed over",
            },
        },
    })
}

/// A schema by its name.
pub fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The refusals of these statuses, as an operation lists them.
pub fn refusals(statuses: &[u16]) -> serde_json::Map<String, Value> {
    statuses
        .iter()
        .map(|status| {
            let reference = format!("#/components/responses/{status}");
            (status.to_string(), json!({ "$ref": reference }))
        })
        .collect()
}

/// One element of that datatype; `None` for what JSON does not carry.
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
        // The engine computes these in 32 bits, and refuses what they do not hold; other backends do not.
        Datatype::Int64 => whole(i64::MIN, i64::MAX),
        Datatype::Fp32 => {
            Some(json!({ "type": "number", "minimum": -FP32_LIMIT, "maximum": FP32_LIMIT }))
        }
        Datatype::Uint64 | Datatype::Fp64 => Some(json!({ "type": "number" })),
        Datatype::Fp16 | Datatype::Bf16 | Datatype::Bytes => None,
    }
}

/// A whole tensor as lists in lists: each as long as its dimension, or of any length.
pub fn nested(spec: &TensorSpec) -> Option<Value> {
    let element = element(spec.datatype)?;
    Some(spec.shape.iter().rev().fold(element, |items, size| {
        let mut list = json!({ "type": "array", "items": items, "minItems": 1 });
        if *size >= 0 {
            list["minItems"] = json!(size);
            list["maxItems"] = json!(size);
        }
        list
    }))
}

/// A tensor as the Open Inference Protocol has it. JSON Schema cannot say that there are as many values as
/// the shape says, so the shape is one that fits: the usual one.
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
            "parameters": reference("Parameters"),
        },
    });
    if spec.shape.contains(&-1) {
        schema["description"] = json!(format!(
            "The shape is {:?}, where -1 is any size: another such shape is taken with as many values \
             as it says",
            spec.shape
        ));
    }
    Some(schema)
}
