//! Triton's shared memory extensions, which a component cannot have: it shares no memory with its clients.
//!
//! A request that names a region is refused. A response with the data in its body would leave the region as it was, and the
//! client would read that. Other unknown parameters are ignored, as in Triton and KServe.

use serde_json::value::RawValue;

/// Refuse the parameters of the extension; each is the parameter's name and value.
///
/// # Errors
/// One of them is set.
pub(super) fn refuse(parameters: [(&str, Option<&RawValue>); 3]) -> Result<(), String> {
    match parameters.iter().find(|(_, value)| value.is_some()) {
        None => Ok(()),
        Some((name, _)) => Err(format!(
            "the parameter `{name}` is unsupported, because the service shares no memory with its clients; expected \
             the data in the body, as JSON or as binary tensor data"
        )),
    }
}
