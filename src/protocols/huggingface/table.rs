//! Tables: a list of values for each column, which may be texts of numbers.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::input::table;
use crate::protocols::common::members::{Members, wrong};
use crate::tensor::Tensor;

/// What a body has.
const EXPECTED: &str = "an object with `data`, an object with a list of values for each column";

/// The inputs of a body's table: the member `table` as `InferenceClient` sends it, or `inputs` with the member `data` or
/// `table`.
///
/// # Errors
/// 400 for another value, for columns of different lengths, and those of [`table::from_records`].
pub(super) fn inputs(
    members: &Members,
    model: &Model,
    limits: &Limits,
) -> Result<Vec<(String, Tensor)>, ApiError> {
    let columns = match members.get("table") {
        Some(table) => table,
        None => {
            let inputs = members.required("inputs", EXPECTED)?;
            let nested = Members::of_value(inputs);
            let table =
                nested.and_then(|nested| nested.get("data").or_else(|| nested.get("table")));
            table.ok_or_else(|| wrong("inputs", inputs, EXPECTED))?
        }
    };
    table::from_records(&records(columns)?, &model.card, limits)
}

/// A list of objects with a value for each column.
fn records(columns: &RawValue) -> Result<Box<RawValue>, ApiError> {
    let columns: BTreeMap<String, Vec<Value>> =
        serde_json::from_str(columns.get()).map_err(|_| {
            wrong(
                "table",
                columns,
                "an object with a list of values for each column",
            )
        })?;
    let rows = columns.values().map(Vec::len).max().unwrap_or(0);
    let mut records = vec![Map::new(); rows];
    for (name, values) in columns {
        if values.len() != rows {
            return Err(ApiError::invalid(format!(
                "column {} has {} values and another one {rows}, expected as many",
                crate::http::error::quoted(&name),
                values.len()
            ))
            .of_param("inputs"));
        }
        for (record, value) in records.iter_mut().zip(values) {
            record.insert(name.clone(), number(value));
        }
    }
    to_raw_value(&records).map_err(|error| ApiError::internal(format!("writing records: {error}")))
}

/// The number that a text has, as clients read it from a file.
fn number(value: Value) -> Value {
    let parsed = value
        .as_str()
        .and_then(|text| text.trim().parse::<f64>().ok());
    parsed
        .filter(|number| number.is_finite())
        .map_or(value, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_become_records() {
        let cases = [
            (
                r#"{"a":[1,"2.5"],"b":["x",null]}"#,
                Ok(r#"[{"a":1,"b":"x"},{"a":2.5,"b":null}]"#),
            ),
            ("{}", Ok("[]")),
            (
                r#"{"a":[1],"b":[1,2]}"#,
                Err("column `a` has 1 values and another one 2, expected as many"),
            ),
            (
                r#"{"a":1}"#,
                Err("`table` is `{\"a\":1}`, expected an object with a list"),
            ),
            (
                "[1]",
                Err("`table` is `[1]`, expected an object with a list"),
            ),
        ];
        for (columns, expected) in cases {
            let columns: &RawValue = serde_json::from_str(columns).unwrap();
            match (records(columns), expected) {
                (Ok(actual), Ok(expected)) => assert_eq!(actual.get(), expected),
                (Err(error), Err(expected)) => {
                    assert!(error.to_string().starts_with(expected), "{error}");
                }
                (actual, expected) => panic!("{actual:?}, expected {expected:?}"),
            }
        }
    }
}
