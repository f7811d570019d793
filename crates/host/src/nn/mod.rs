//! wasi:nn over native libraries: ONNX Runtime and OpenVINO.
//!
//! The path of a call, from the outside in:
//!
//! 1. [`wit`] is the glue: resources, error codes and the memory limit of a guest's tensors.
//! 2. [`registry`] holds the graphs by name, each loaded once. It checks a guest's tensors against the graph's
//!    signature ([`infer_tensor::Signature::check`]). If the graph has [`batching`], requests that wait together
//!    run as one batch.
//! 3. [`computer`] runs an inference on a thread: the caller's own for a short inference, another for a long one.
//! 4. [`backend`] is the trait behind which a library computes, and [`onnx`] and [`openvino`] implement it.
//!    [`library`] finds the libraries' files.
//!
//! A guest names graphs and never brings them, so that a library written in C++ reads graphs from the operator's own
//! files only.

pub mod backend;
mod batching;
mod computer;
pub mod library;
pub mod onnx;
pub mod openvino;
pub mod registry;
pub(crate) mod wit;

pub use backend::{Backend, Batching, GraphSource, Precision, Share};
pub use library::{Library, LibraryError};
pub use onnx::OnnxRuntime;
pub use openvino::OpenVino;
pub use registry::{Graphs, LoadGraphError};
