//! Reads an ONNX file's signature and metadata, without its weights and without loading the graph.
//!
//! [`outline`](outline()) leaves the weights out, and `wire` checks that the rest is well-formed protobuf. rten's own metadata cannot be used, because it declares INT64 as
//! INT32.

mod outline;
mod read;
mod tables;
mod wire;

pub use outline::{ReadAt, outline};
pub use read::{Description, Summary, describe, describe_source, read};
