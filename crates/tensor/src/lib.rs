//! One vocabulary for tensors, used by every crate that handles some: datatypes, tensors, the inputs and outputs
//! that a graph declares ([`Signature`]), and the errors of wasi:nn.
//!
//! The conversions of [`Datatype`] to and from wasi:nn, ONNX, ONNX Runtime, OpenVINO and NumPy are all in
//! `vocabulary`, and nowhere else.
//!
//! [`Signature::check`] holds a guest's tensors against a graph's declarations. The engine in WebAssembly and
//! the host's backends share it, so that both refuse a bad tensor with the same message.

pub mod convert;
mod datatype;
mod error;
mod info;
mod signature;
mod tensor;
mod vocabulary;

pub use datatype::{Datatype, UnknownDatatype};
pub use error::{Error, ErrorKind};
pub use info::{Dim, TensorInfo};
pub use signature::Signature;
pub use tensor::{NotFloats, Tensor};
pub use vocabulary::UnsupportedDatatype;
