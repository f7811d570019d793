//! Records with named values become inputs: JSON objects, or the rows of a CSV file.

pub mod csv;

use std::collections::BTreeMap;

use infer_model_card::{ModelCard, TableSpec, TensorSpec};
use infer_tensor::Datatype;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::http::error::{ApiError, listed, quoted};
use crate::http::limits::{self, Limits, MAX_BATCH};
use crate::tensor::Tensor;

/// The type of [`csv::to_inputs`], which a model with a table holds, so that other snapshots contain no parser of CSV.
pub type FromCsv = fn(&[u8], &ModelCard, &Limits) -> Result<Vec<(String, Tensor)>, ApiError>;

/// The values of a table, column by column.
struct Columns<'a> {
    card: &'a ModelCard,
    table: &'a TableSpec,
    /// One list of values for each column of the card.
    values: Vec<Vec<f64>>,
}

impl<'a> Columns<'a> {
    fn new(card: &'a ModelCard, table: &'a TableSpec) -> Self {
        Self {
            card,
            table,
            values: vec![Vec::new(); table.columns.len()],
        }
    }

    /// The place of a column.
    fn place(&self, name: &str) -> Result<usize, ApiError> {
        let place = self.table.columns.iter().position(|column| column == name);
        place.ok_or_else(|| {
            ApiError::invalid(format!(
                "there is no column {}; the model takes {}",
                quoted(name),
                self.names()
            ))
        })
    }

    fn names(&self) -> String {
        listed(self.table.columns.iter().map(String::as_str), "and")
    }

    /// The input of a column.
    fn input(&self, place: usize) -> Option<&'a TensorSpec> {
        let named = |name: &String| self.card.inputs.iter().find(|input| input.name == *name);
        let all = self.card.table_input();
        all.or_else(|| named(self.table.columns.get(place)?))
    }

    /// Add the values of a record.
    fn push(&mut self, record: usize, values: &[Option<f64>]) -> Result<(), ApiError> {
        for (place, value) in values.iter().enumerate() {
            let value = value.ok_or_else(|| {
                ApiError::invalid(format!(
                    "record {record} has no {}, expected {}",
                    quoted(&self.table.columns[place]),
                    self.names()
                ))
            })?;
            let is_integer = self
                .input(place)
                .is_some_and(|input| matches!(input.datatype, Datatype::Int32 | Datatype::Int64));
            if is_integer && value.fract() != 0.0 {
                let shown = if value.is_nan() {
                    "missing".to_owned()
                } else {
                    value.to_string()
                };
                return Err(ApiError::invalid(format!(
                    "record {record}: {} is {shown}, expected an integer",
                    quoted(&self.table.columns[place])
                )));
            }
            self.values[place].push(value);
        }
        Ok(())
    }

    fn into_inputs(self, limits: &Limits) -> Result<Vec<(String, Tensor)>, ApiError> {
        let count = self.values.first().map_or(0, Vec::len);
        if count == 0 {
            return Err(ApiError::invalid(
                "there is no record, expected one or more",
            ));
        }
        limits::check(count, "records", limits.max_batch, MAX_BATCH)?;
        let rows = u32::try_from(count).unwrap_or(u32::MAX);
        let tensor = |spec: &TensorSpec, shape: Vec<u32>, values: &mut dyn Iterator<Item = f64>| {
            let mut data = Vec::new();
            for value in values {
                // `as` saturates; integers were checked.
                match spec.datatype {
                    Datatype::Fp64 => data.extend(value.to_le_bytes()),
                    Datatype::Int64 => data.extend((value as i64).to_le_bytes()),
                    Datatype::Int32 => data.extend((value as i32).to_le_bytes()),
                    _ => data.extend((value as f32).to_le_bytes()),
                }
            }
            Tensor {
                datatype: spec.datatype,
                shape,
                data,
            }
        };
        if let Some(spec) = self.card.table_input() {
            let columns = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
            let values = &self.values;
            let mut by_row =
                (0..count).flat_map(|row| values.iter().map(move |column| column[row]));
            let all = tensor(spec, vec![rows, columns], &mut by_row);
            return Ok(vec![(spec.name.clone(), all)]);
        }
        let inputs = self.card.inputs.iter().map(|spec| {
            let place = self.place(&spec.name)?;
            let mut shape = vec![rows, 1];
            shape.truncate(spec.shape.len());
            let column = tensor(spec, shape, &mut self.values[place].iter().copied());
            Ok((spec.name.clone(), column))
        });
        inputs.collect()
    }
}

/// Read a list of JSON objects with a value for each column. `null` is a missing number.
///
/// # Errors
/// 400 for an unknown or missing column, and for a value that is no number; 413 for too many records.
pub fn from_records(
    json: &RawValue,
    card: &ModelCard,
    limits: &Limits,
) -> Result<Vec<(String, Tensor)>, ApiError> {
    let table = table(card)?;
    let records: Vec<BTreeMap<String, Value>> = serde_json::from_str(json.get())
        .map_err(|error| ApiError::invalid(format!("`instances` cannot be read: {error}")))?;
    let mut columns = Columns::new(card, table);
    for (index, record) in records.iter().enumerate() {
        let mut values = vec![None; table.columns.len()];
        for (name, value) in record {
            let place = columns.place(name)?;
            values[place] = Some(number(index, name, value)?);
        }
        columns.push(index, &values)?;
    }
    columns.into_inputs(limits)
}

/// A number, or a list of one, as V1 has the value of an input of shape `[batch, 1]`.
fn number(record: usize, name: &str, value: &Value) -> Result<f64, ApiError> {
    let only = match value {
        Value::Array(values) if values.len() == 1 => &values[0],
        value => value,
    };
    match only {
        Value::Null => Ok(f64::NAN),
        Value::Bool(value) => Ok(f64::from(u8::from(*value))),
        _ => only.as_f64().ok_or_else(|| {
            ApiError::invalid(format!(
                "record {record}: {} is {}, expected a number",
                quoted(name),
                quoted(&value.to_string())
            ))
        }),
    }
}

fn table(card: &ModelCard) -> Result<&TableSpec, ApiError> {
    card.table
        .as_ref()
        .ok_or_else(|| ApiError::invalid("the model takes no records"))
}

#[cfg(test)]
mod tests;
