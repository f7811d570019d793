//! One vocabulary for tensors, for every crate that has some: datatypes, tensors, the inputs and outputs that
//! a graph declares ([`Signature`]), and the errors of wasi:nn.
//!
//! [`Signature::check`] holds a guest's tensors against a graph's declarations. The engine in WebAssembly and
//! the host's backends share it, so that both refuse a bad tensor with the same message.

mod datatype;
mod error;
mod info;
mod signature;
mod tensor;

pub use datatype::{Datatype, UnknownDatatype};
pub use error::{Error, ErrorKind};
pub use info::{Dim, TensorInfo};
pub use signature::Signature;
pub use tensor::{ElementType, Tensor, expected_bytes};
