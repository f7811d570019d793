//! An input of a request, as the protocol's JSON has it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::shared_memory;
use crate::http::error::{ApiError, quoted};
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
    /// Check that the data are in the request.
    ///
    /// # Errors
    /// 400 for data in shared memory.
    pub(super) fn check_parameters(&self) -> Result<(), ApiError> {
        let Some(Object(parameters)) = &self.parameters else {
            return Ok(());
        };
        shared_memory::refuse([
            ("shared_memory_region", parameters.shared_memory_region),
            (
                "shared_memory_byte_size",
                parameters.shared_memory_byte_size,
            ),
            ("shared_memory_offset", parameters.shared_memory_offset),
        ])
        .map_err(|problem| ApiError::invalid(format!("input {}: {problem}", quoted(&self.name))))
    }

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
    #[serde(borrow, default)]
    shared_memory_region: Option<&'a RawValue>,
    #[serde(borrow, default)]
    shared_memory_byte_size: Option<&'a RawValue>,
    #[serde(borrow, default)]
    shared_memory_offset: Option<&'a RawValue>,
}
