//! The columns of a model of tables: from a graph's inputs, or from the files beside it.

use infer_model_card::{TableSpec, TensorSpec};
use infer_onnx::Summary;
use infer_tensor::Datatype;
use serde_json::Value;

use crate::inspect::{InspectError, read_text};
use crate::source::Source;

/// The columns; `None` for a graph of another kind.
///
/// A graph takes tables if it has operators of `ai.onnx.ml`, or if a file names its columns: `features.txt` with one name a line,
/// or `sklearn.columns` in `config.json`, as `skops` writes it.
pub(crate) fn read(
    source: &Source,
    summary: &Summary,
    inputs: &[TensorSpec],
) -> Result<Option<TableSpec>, InspectError> {
    let names = names(source)?;
    let is_classical = summary
        .operators
        .keys()
        .any(|name| name.starts_with("ai.onnx.ml."));
    if names.is_none() && !is_classical {
        return Ok(None);
    }
    let is_number = |input: &TensorSpec| {
        matches!(
            input.datatype,
            Datatype::Fp32 | Datatype::Fp64 | Datatype::Int32 | Datatype::Int64
        )
    };
    if !inputs.iter().all(is_number) {
        return Ok(None);
    }
    let is_column = |input: &TensorSpec| matches!(input.shape.as_slice(), [_] | [_, -1 | 1]);
    match inputs {
        [only] if only.shape.len() == 2 => {
            let width = usize::try_from(only.shape[1]).ok();
            let columns = match (names, width) {
                (Some(names), None) => names,
                (Some(names), Some(width)) if names.len() == width => names,
                (Some(names), Some(width)) => {
                    return Err(InspectError::Columns {
                        names: names.len(),
                        input: only.name.clone(),
                        width,
                    });
                }
                (None, Some(width)) => (0..width).map(|place| format!("x{place}")).collect(),
                (None, None) => return Ok(None),
            };
            Ok(Some(TableSpec {
                input: Some(only.name.clone()),
                columns,
            }))
        }
        [_, _, ..] if inputs.iter().all(is_column) => Ok(Some(TableSpec {
            input: None,
            columns: inputs.iter().map(|input| input.name.clone()).collect(),
        })),
        _ => Ok(None),
    }
}

/// The names in the files beside the graph.
fn names(source: &Source) -> Result<Option<Vec<String>>, InspectError> {
    if let Some(path) = source.file("features.txt") {
        let lines = read_text(&path)?;
        let names = lines.lines().map(|line| line.trim().to_owned());
        return Ok(Some(names.filter(|name| !name.is_empty()).collect()));
    }
    let Some(path) = source.file("config.json") else {
        return Ok(None);
    };
    let config: Value = serde_json::from_str(&read_text(&path)?).unwrap_or_default();
    let columns = config["sklearn"]["columns"].as_array();
    Ok(columns.and_then(|columns| {
        columns
            .iter()
            .map(|column| Some(column.as_str()?.to_owned()))
            .collect()
    }))
}
