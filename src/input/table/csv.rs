//! CSV files (RFC 4180) as records.

use infer_model_card::ModelCard;

use super::{Columns, table};
use crate::http::error::{ApiError, quoted};
use crate::http::limits::Limits;
use crate::tensor::Tensor;
use crate::tensor::json::without_mark;

/// Read a CSV file. Its first row has the names of the columns, in any order; without such a row, the values have the order of
/// the model's columns. An empty field is a missing number.
///
/// # Errors
/// 400 for a malformed file, for an unknown, repeated or missing column, and for a value that is no number; 413 for too many
/// records.
pub fn to_inputs(
    body: &[u8],
    card: &ModelCard,
    limits: &Limits,
) -> Result<Vec<(String, Tensor)>, ApiError> {
    let table = table(card)?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_reader(without_mark(body));
    let mut columns = Columns::new(card, table);
    let mut places: Vec<usize> = (0..table.columns.len()).collect();
    let mut record = csv::StringRecord::new();
    let mut count = 0;
    let mut is_first = true;
    let malformed =
        |error: csv::Error| ApiError::invalid(format!("the CSV body cannot be read: {error}"));
    while reader.read_record(&mut record).map_err(malformed)? {
        let is_number = |field: &str| field.is_empty() || field.parse::<f64>().is_ok();
        if std::mem::take(&mut is_first) && !record.iter().all(is_number) {
            places = record
                .iter()
                .map(|name| columns.place(name))
                .collect::<Result<_, _>>()?;
            let mut sorted = places.clone();
            sorted.sort_unstable();
            if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(ApiError::invalid(format!(
                    "column {} appears twice in the CSV body",
                    quoted(&table.columns[pair[0]])
                )));
            }
            continue;
        }
        if record.len() != places.len() {
            return Err(ApiError::invalid(format!(
                "record {count} of the CSV body has {} fields, expected {}",
                record.len(),
                places.len()
            )));
        }
        let mut values = vec![None; table.columns.len()];
        for (field, place) in record.iter().zip(&places) {
            let value = match field {
                "" => f64::NAN,
                field => field.parse().map_err(|_| {
                    ApiError::invalid(format!(
                        "record {count}: {} is {}, expected a number",
                        quoted(&table.columns[*place]),
                        quoted(field)
                    ))
                })?,
            };
            values[*place] = Some(value);
        }
        columns.push(count, &values)?;
        count += 1;
    }
    columns.into_inputs(limits)
}
