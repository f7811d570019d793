//! The engine: `wasi:nn` implemented in WebAssembly.
//!
//! The path of a call, from the outside in:
//!
//! 1. [`component`] (on Wasm only) is the WIT glue: resources and error codes, nothing else.
//! 2. [`registry`] finds a graph by its name, either loaded before the snapshot or read from the mount.
//! 3. [`graph`] checks the inputs against the graph's signature ([`infer_tensor::Signature::check`]), which also puts
//!    them in the graph's order.
//! 4. [`model`] carries the tensors to the executor, which computes, and back.
//!
//! The crate `infer-onnx` reads a graph's signature from its file.
//!
//! All modules but the glue are tested natively.

#[cfg(target_arch = "wasm32")]
mod component;
pub mod graph;
pub mod model;
pub mod registry;

pub use graph::Graph;
pub use infer_tensor::{Error, ErrorKind, Tensor};
pub use registry::Registry;
