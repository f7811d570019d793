//! wasi:nn by libraries on the host: ONNX Runtime and OpenVINO.
//!
//! The way of a call, from the outside in:
//!
//! 1. [`wit`] is the glue: resources, error codes, what a guest's tensors may take of memory.
//! 2. [`registry`] has the graphs, loaded once, each under its name; it checks a guest's tensors against
//!    what the graph declares (in [`infer_tensor`]). Where the graph has [`batching`], inferences that wait together
//!    are computed together.
//! 3. [`computer`] finds a thread for the inference: the caller's own, if it is known to be short.
//! 4. [`backend`] is the small trait behind which a library computes; [`onnx`] and [`openvino`] are the two
//!    there are. [`library`] finds their files.
//!
//! A guest names graphs and never brings them: what a graph is made of reaches a library that is written in
//! C++ from the operator's own files alone.

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
