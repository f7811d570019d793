//! The engine: `wasi:nn` implemented in WebAssembly.
//!
//! The way of a call, from the outside in:
//!
//! 1. [`component`] (on Wasm only) is the WIT glue: resources and error codes, nothing else.
//! 2. [`registry`] finds a graph by its name: loaded before the snapshot, or read from the mount.
//! 3. [`graph`] holds a graph with what its file declares, and checks every tensor against that (in
//!    [`infer_tensor`]): names, datatypes, shapes, byte counts. What passes is in the graph's own order.
//! 4. [`runtime`] is the small trait behind which the graph is run: by the project's own executor
//!    ([`executor_runtime`]), or by rten ([`rten_runtime`], with [`convert`] between wasi-nn's datatypes and those
//!    that rten computes in). [`choice`] decides which.
//!
//! [`onnx`] reads, from a file that is well-formed (`wire`), what rten's own metadata does not keep (INT64 becomes INT32 there).
//!
//! All but the glue compiles and is tested natively.

pub mod choice;
#[cfg(target_arch = "wasm32")]
mod component;
pub mod convert;
pub mod executor_runtime;
pub mod graph;
pub mod onnx;
pub mod registry;
pub mod rten_runtime;
pub mod runtime;
mod wire;

pub use graph::Graph;
pub use infer_tensor::{Error, ErrorKind, Tensor};
pub use registry::Registry;
