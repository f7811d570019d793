//! The datatypes that JSON can represent.

use infer_tensor::Datatype;

/// The error of a datatype that JSON cannot represent: FP16 or BF16.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "JSON cannot represent {0}; send binary, for example the raw tensor as `application/octet-stream`"
)]
pub(crate) struct NotInJson(Datatype);

/// Check that JSON can represent a datatype.
///
/// # Errors
/// For FP16 and BF16.
pub(crate) fn check(datatype: Datatype) -> Result<(), NotInJson> {
    match datatype {
        Datatype::Fp16 | Datatype::Bf16 => Err(NotInJson(datatype)),
        _ => Ok(()),
    }
}
