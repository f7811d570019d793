//! The depth and the number of values of JSON, checked before it is parsed.

use crate::http::error::{ApiError, quoted};
use crate::http::limits::{Limits, MAX_JSON_DEPTH, MAX_JSON_VALUES, exceeded};

/// Check JSON against the limits. It may be malformed; the parser reports that later.
///
/// The count is that of commas and opening brackets, so that lists and objects count too.
///
/// # Errors
/// 400 for deep nesting, which no tensor has, and 413 for too many values, both with the name of the setting.
pub fn check(json: &[u8], limits: &Limits) -> Result<(), ApiError> {
    // The text of a tensor is mostly digits with few brackets, so one quick pass is usually enough.
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
    fn brackets_and_commas_outside_of_strings_are_counted() {
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
                let actual = check(json.as_bytes(), &limits).map_err(|error| {
                    let status = if expected == Err(deep) { 400 } else { 413 };
                    assert_eq!(error.kind().status(), status, "{json}");
                    error.to_string()
                });
                (json, expected.map_err(str::to_owned), actual)
            })
            .filter(|(_, expected, actual)| expected != actual)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
