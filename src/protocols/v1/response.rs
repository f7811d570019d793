//! Responses of V1: `{"predictions": …}` has an entry for each item of the batch, `{"outputs": …}` a tensor for each output.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::http::error::ApiError;
use crate::http::json;
use crate::http::limits::Limits;
use crate::http::response::Response;
use crate::tensor::Tensor;
use crate::tensor::json::values::{self, Nested};

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum V1Response<'a> {
    Predictions(Vec<Values<'a>>),
    Outputs(Values<'a>),
}

/// The value of the only output, or the values of all outputs by name.
#[derive(Serialize)]
#[serde(untagged)]
enum Values<'a> {
    Only(Nested<'a>),
    Named(BTreeMap<&'a str, Nested<'a>>),
}

/// Encode a response in the form of the request: `rows` is the number of instances, `None` for the columnar form.
///
/// # Errors
/// 400 for an output that JSON cannot represent, and for one without an item for each instance.
pub fn encode(
    outputs: &[(String, Tensor)],
    rows: Option<usize>,
    limits: &Limits,
) -> Result<Response, ApiError> {
    for (name, tensor) in outputs {
        values::check("output", name, tensor, "ask for binary data from `/v2`")?;
    }
    let response = match rows {
        None => V1Response::Outputs(values(
            outputs
                .iter()
                .map(|(name, tensor)| (name.as_str(), Nested::of(tensor))),
        )),
        Some(rows) => {
            for (name, tensor) in outputs {
                if tensor.shape.first().map(|size| *size as usize) != Some(rows) {
                    return Err(ApiError::invalid(format!(
                        "output `{name}` has the shape {:?}, which is not one item for each of {rows} \
                         instances; send `inputs` in place of `instances`",
                        tensor.shape
                    )));
                }
            }
            let mut columns: Vec<_> = outputs
                .iter()
                .map(|(name, tensor)| (name.as_str(), Nested::of(tensor).items()))
                .collect();
            let row = |_| {
                let items = columns
                    .iter_mut()
                    .filter_map(|(name, items)| Some((*name, items.next()?)));
                values(items)
            };
            V1Response::Predictions((0..rows).map(row).collect())
        }
    };
    json::response_within(&response, limits)
}

fn values<'a>(items: impl Iterator<Item = (&'a str, Nested<'a>)>) -> Values<'a> {
    let mut named: BTreeMap<_, _> = items.collect();
    match named.pop_first() {
        Some((_, only)) if named.is_empty() => Values::Only(only),
        Some((name, value)) => {
            named.insert(name, value);
            Values::Named(named)
        }
        None => Values::Named(named),
    }
}
