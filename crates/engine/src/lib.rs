//! The engine: `wasi:nn` implemented in WebAssembly.
//!
//! The path of a call, from the outside in:
//!
//! 1. [`component`] (on Wasm only) is the WIT glue: resources and error codes, nothing else.
//! 2. [`registry`] finds a graph by its name, either loaded before the snapshot or read from the mount.
//! 3. [`graph`] checks the inputs against the graph's signature ([`infer_tensor::Signature::check`]), which also puts
//!    them in the graph's order.
//! 4. [`runtime`] is the trait behind which a library runs the graph: the project's own executor
//!    ([`executor_runtime`]), or rten ([`rten_runtime`], whose datatypes [`convert`] converts). [`select`] selects one.
//!
//! The crate `infer-onnx` reads a graph's signature from its file.
//!
//! All modules but the glue are tested natively.

#[cfg(target_arch = "wasm32")]
mod component;
pub mod convert;
pub mod executor_runtime;
pub mod graph;
pub mod registry;
pub mod rten_runtime;
pub mod runtime;
pub mod select;

pub use graph::Graph;
pub use infer_tensor::{Error, ErrorKind, Tensor};
pub use registry::Registry;
