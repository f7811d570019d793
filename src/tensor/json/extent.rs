//! How deep JSON is nested and how many values it has, found before anything is made of them.

use crate::http::error::{ApiError, quoted};
use crate::http::limits::{Limits, MAX_JSON_DEPTH, MAX_JSON_VALUES, exceeded};

/// Check a text against the limits on JSON. It need not be well-formed: whoever parses it says so.
///
/// Counted are commas and opening brackets, so that lists and objects count too, empty ones as two.
///
/// # Errors
/// 400 for nesting, which no tensor has that deep, and 413 for too many values; both name the setting.
pub fn check(json: &[u8], limits: &Limits) -> Result<(), ApiError> {
    // A tensor's text is mostly digits, and its brackets are few: then one quick pass is all.
    let opened = json
        .iter()
        .filter(|byte| matches!(byte, b'[' | b'{'))
        .count();
    if opened as u64 <= limits.max_json_depth && json.len() as u64 <= limits.max_json_values {
        return Ok(());
    }
    let (mut depth, mut values): (u64, u64) = (0, 0);
    let mut rest = json.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                values += 1;
                if depth > limits.max_json_depth {
                    return Err(ApiError::invalid(format!(
                        "the JSON is nested more than {} levels deep; the limit is the setting {}",
                        limits.max_json_depth,
                        quoted(MAX_JSON_DEPTH)
                    )));
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            b'"' => {
                while let Some(byte) = rest.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => _ = rest.next(),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        if values > limits.max_json_values {
            return Err(exceeded(
                format_args!("the JSON has more than {} values", limits.max_json_values),
                MAX_JSON_VALUES,
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_and_commas_outside_of_texts_are_counted() {
        let limits = Limits {
            max_json_depth: 3,
            max_json_values: 6,
            ..Limits::default()
        };
        let deep = "the JSON is nested more than 3 levels deep; the limit is the setting \
                    `INFER_MAX_JSON_DEPTH`";
        let many = "the JSON has more than 6 values; the limit is the setting \
                    `INFER_MAX_JSON_VALUES`";
        let cases = [
            ("", Ok(())),
            ("[[[1]]]", Ok(())),
            ("[[[[1]]]]", Err(deep)),
            ("[[{\"a\":[1]}]]", Err(deep)),
            ("[[[1]],[[2]]]", Ok(())),
            ("]]]]]]]][[[", Ok(())),
            ("]]]]]]]][[[[", Err(deep)),
            ("[1,2,3,4,5,6]", Ok(())),
            ("[1,2,3,4,5,6,7]", Err(many)),
            ("{\"a\":1,\"b\":[2,3,4,5]}", Ok(())),
            ("{\"a\":1,\"b\":[2,3,4,5,6]}", Err(many)),
            ("[[],[],[]]", Ok(())),
            ("[[],[],[],[]]", Err(many)),
            ("\"[[[[,,,,,,,,,\"", Ok(())),
            ("\"\\\"[[[[,,,,,,,\"", Ok(())),
            ("\"\\\\\",[[[[\"", Err(deep)),
            ("\"[[[[", Ok(())),
            ("\"\\", Ok(())),
        ];
        let wrong: Vec<_> = cases
            .into_iter()
            .map(|(json, expected)| {
                let came = check(json.as_bytes(), &limits).map_err(|error| {
                    let status = if expected == Err(deep) { 400 } else { 413 };
                    assert_eq!(error.kind().status(), status, "{json}");
                    error.to_string()
                });
                (json, expected.map_err(str::to_owned), came)
            })
            .filter(|(_, expected, came)| expected != came)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
