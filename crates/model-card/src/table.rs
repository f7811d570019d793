//! `[table]`: a record becomes a model's inputs.

use infer_tensor::Datatype;
use serde::Deserialize;

use crate::{CardError, ModelCard, TensorSpec};

/// How records with named values become inputs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TableSpec {
    /// The input that takes all columns, shape `[batch, columns]`; without it, each column is an input of its name, shape
    /// `[batch, 1]`.
    #[serde(default)]
    pub input: Option<String>,
    /// The names of the columns, in the order of the input.
    pub columns: Vec<String>,
}

/// The most columns of a table.
const MAX_COLUMNS: usize = 10_000;

impl ModelCard {
    /// The input that takes all columns, if it is one.
    #[must_use]
    pub fn table_input(&self) -> Option<&TensorSpec> {
        let name = self.table.as_ref()?.input.as_ref()?;
        self.inputs.iter().find(|input| input.name == *name)
    }

    pub(crate) fn check_table(&self, table: &TableSpec) -> Result<(), CardError> {
        let fail =
            |key: &str, problem: String| Err(CardError::value(format!("[table] `{key}`"), problem));
        let columns = &table.columns;
        if columns.is_empty() || columns.len() > MAX_COLUMNS {
            return fail(
                "columns",
                format!("expected 1 to {MAX_COLUMNS} names, got {}", columns.len()),
            );
        }
        let mut sorted: Vec<&String> = columns.iter().collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return fail("columns", format!("`{}` appears twice", pair[0]));
        }
        if columns.iter().any(|column| column.trim().is_empty()) {
            return fail("columns", "a name is empty".to_owned());
        }
        let check_datatype = |input: &TensorSpec| match input.datatype {
            Datatype::Fp32 | Datatype::Fp64 | Datatype::Int32 | Datatype::Int64 => Ok(()),
            other => fail(
                "input",
                format!(
                    "`{}` is {other}, expected FP32, FP64, INT32 or INT64",
                    input.name
                ),
            ),
        };
        if let Some(name) = &table.input {
            let Some(input) = self.table_input() else {
                return fail("input", format!("the model has no input `{name}`"));
            };
            check_datatype(input)?;
            if self.inputs.len() > 1 {
                return fail(
                    "input",
                    format!(
                        "`{name}` is one of {} inputs, expected the only one",
                        self.inputs.len()
                    ),
                );
            }
            let fits = match input.shape.as_slice() {
                [_, width] => *width == -1 || usize::try_from(*width) == Ok(columns.len()),
                _ => false,
            };
            if !fits {
                return fail(
                    "columns",
                    format!(
                        "{} names, but input `{name}` has shape {:?}",
                        columns.len(),
                        input.shape
                    ),
                );
            }
            return Ok(());
        }
        for input in &self.inputs {
            if !columns.contains(&input.name) {
                return fail("columns", format!("input `{}` is no column", input.name));
            }
            check_datatype(input)?;
            if !matches!(input.shape.as_slice(), [_] | [_, -1 | 1]) {
                return fail(
                    "columns",
                    format!(
                        "input `{}` has shape {:?}, expected [batch, 1]",
                        input.name, input.shape
                    ),
                );
            }
        }
        match columns
            .iter()
            .find(|name| !self.inputs.iter().any(|input| input.name == **name))
        {
            Some(column) => fail("columns", format!("the model has no input `{column}`")),
            None => Ok(()),
        }
    }
}
