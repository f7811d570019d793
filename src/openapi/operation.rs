//! Names and groups of operations.

use infer_routes::Protocol;
use serde_json::{Map, Value};

/// The group of a protocol's operations.
pub fn tag(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Infer => "infer",
        Protocol::V2 => "v2",
        Protocol::V1 | Protocol::OpenAi => "v1",
        Protocol::HuggingFace => "huggingface",
        Protocol::Tei => "tei",
        Protocol::Cohere | Protocol::DeepStack => "others",
        Protocol::Service => "service",
    }
}

/// The id of an operation: unique, and valid as an identifier. Other characters than letters and digits become `_` and their
/// code, so that names of models with `-`, `.` and `_` stay distinct.
pub fn operation_id(words: &[&str]) -> String {
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

/// Add a path's item, or its operations to those that the path has.
pub fn insert(paths: &mut Map<String, Value>, path: String, item: Value) {
    match (paths.get_mut(&path), item) {
        (Some(Value::Object(known)), Value::Object(item)) => known.extend(item),
        (_, item) => _ = paths.insert(path, item),
    }
}
