//! The routes of other services' clients: Hugging Face's, Text Embeddings Inference's, Cohere's and DeepStack's.

mod detection;
mod huggingface;
mod rerank;
mod tei;

use infer_routes::ErrorForm;
use serde_json::Value;

use super::{json, send};

/// The response to a body, which is JSON.
pub(super) fn post(target: &str, body: &Value) -> Value {
    let body = body.to_string();
    let response = send("POST", target, &[], body.as_bytes());
    let response = response.unwrap_or_else(|error| panic!("{target} {body}: {error}"));
    json(&response)
}

/// Every error has its status, its form and its message, which begins as expected.
pub(super) fn check_errors(target: &str, rows: &[(Value, u16, &str)]) {
    let mut wrong = Vec::new();
    for (body, status, message) in rows {
        let text = match body {
            // Not as JSON: a body that is no JSON.
            Value::String(text) => text.clone(),
            body => body.to_string(),
        };
        let actual = match send("POST", target, &[], text.as_bytes()) {
            Ok(response) => format!("200 {}", String::from_utf8_lossy(&response.body)),
            Err(error) => {
                let response = error.into_response("7f", ErrorForm::of(target));
                let body = json(&response);
                let sentence = match ErrorForm::of(target) {
                    ErrorForm::Cohere => &body["message"],
                    _ => &body["error"],
                };
                let is_right = response.status == *status
                    && sentence
                        .as_str()
                        .is_some_and(|sentence| sentence.starts_with(message));
                if is_right {
                    continue;
                }
                format!("{} {body}", response.status)
            }
        };
        wrong.push(format!(
            "{target} {text}\n  expected {status} {message}\n  got      {actual}"
        ));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Both are the same but for numbers, which may differ by rounding: texts of a batch are padded.
fn agrees(actual: &Value, expected: &Value) -> bool {
    match (actual, expected) {
        (Value::Array(actual), Value::Array(expected)) => {
            actual.len() == expected.len() && actual.iter().zip(expected).all(|(a, b)| agrees(a, b))
        }
        (Value::Object(actual), Value::Object(expected)) => {
            actual.len() == expected.len()
                && actual
                    .iter()
                    .all(|(name, value)| expected.get(name).is_some_and(|b| agrees(value, b)))
        }
        (Value::Number(a), Value::Number(b)) => {
            (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-5
        }
        (actual, expected) => actual == expected,
    }
}

pub(super) fn check(actual: &Value, expected: &Value) {
    assert!(agrees(actual, expected), "{actual}, expected {expected}");
}

pub(super) const TEXTS: [&str; 2] = ["It was the best of times.", "Η Αθήνα είναι η πρωτεύουσα."];
