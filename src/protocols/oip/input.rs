//! An input of a request, as the protocol's JSON has it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::parameters::TensorParameters;
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
    parameters: Option<Object<TensorParameters<'a>>>,
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
        parameters.check_shared_memory().map_err(|problem| {
            ApiError::invalid(format!("input {}: {problem}", quoted(&self.name)))
        })
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
