//! An input of a request, as the protocol's JSON has it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::http::error::quoted;
use crate::tensor::json::object::Object;

#[derive(Deserialize)]
pub(crate) struct Input<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) datatype: Cow<'a, str>,
    pub(super) shape: Vec<u64>,
    #[serde(borrow, default)]
    parameters: Option<Object<InputParameters<'a>>>,
    #[serde(borrow, default)]
    pub(super) data: Option<&'a RawValue>,
}

impl Input<'_> {
    /// The parameter `binary_data_size`, if it is present.
    ///
    /// # Errors
    /// The parameter is not a number.
    pub(super) fn binary_size(&self) -> Option<Result<u64, String>> {
        let size = self.parameters.as_ref()?.0.binary_data_size?;
        Some(size.get().parse().map_err(|_| {
            format!(
                "`binary_data_size` is {}, expected a number of bytes",
                quoted(size.get())
            )
        }))
    }
}

#[derive(Default, Deserialize)]
struct InputParameters<'a> {
    #[serde(borrow, default)]
    binary_data_size: Option<&'a RawValue>,
}
