//! The parameters of an input or a requested output, from Triton's extensions.

use serde::Deserialize;
use serde_json::value::RawValue;

/// The parameters that an input or an output may have. Other ones are ignored, as in Triton and KServe.
#[derive(Default, Deserialize)]
pub(crate) struct TensorParameters<'a> {
    /// Of an input: the bytes of its tensor behind the JSON.
    #[serde(borrow, default)]
    pub(super) binary_data_size: Option<&'a RawValue>,
    /// Of an output: whether its tensor is behind the JSON.
    #[serde(borrow, default)]
    pub(super) binary_data: Option<&'a RawValue>,
    /// Of an output: the number of classes.
    #[serde(borrow, default)]
    pub(super) classification: Option<&'a RawValue>,
    #[serde(borrow, default)]
    shared_memory_region: Option<&'a RawValue>,
    #[serde(borrow, default)]
    shared_memory_byte_size: Option<&'a RawValue>,
    #[serde(borrow, default)]
    shared_memory_offset: Option<&'a RawValue>,
}

impl TensorParameters<'_> {
    /// Refuse a region of shared memory: a component shares no memory with its clients. A response with the data in its body
    /// would leave the region as it was, and the client would read that.
    ///
    /// # Errors
    /// A parameter of the shared memory extensions is set.
    pub(super) fn check_shared_memory(&self) -> Result<(), String> {
        let parameters = [
            ("shared_memory_region", self.shared_memory_region),
            ("shared_memory_byte_size", self.shared_memory_byte_size),
            ("shared_memory_offset", self.shared_memory_offset),
        ];
        match parameters.iter().find(|(_, value)| value.is_some()) {
            None => Ok(()),
            Some((name, _)) => Err(format!(
                "the parameter `{name}` is unsupported, because the service shares no memory with its clients; expected \
                 the data in the body, as JSON or as binary tensor data"
            )),
        }
    }
}
