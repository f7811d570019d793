//! Names and groups of operations.

use infer_routes::Protocol;

/// The group of a protocol's operations.
pub fn tag(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Infer => "infer",
        Protocol::V2 => "v2",
        Protocol::V1 | Protocol::OpenAi => "v1",
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
