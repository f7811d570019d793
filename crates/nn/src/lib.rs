//! What every implementation of wasi:nn has in common, whatever library computes: tensors and errors as
//! guests see them, what a graph declares ([`Signature`]), and the check of a guest's tensors against
//! that, so that a bad tensor is refused in the same words by the engine in WebAssembly and by the host's
//! backends.

mod error;
mod signature;
mod tensor;

pub use error::{Error, ErrorKind};
pub use signature::{Dim, Signature, TensorInfo};
pub use tensor::{ElementType, Tensor, expected_bytes};
