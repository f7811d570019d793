//! ONNX files: their signature and metadata, read without their weights and without loading the graph, and their standard
//! form.
//!
//! [`outline`](outline()) leaves the weights out, and `wire` checks that the rest is well-formed protobuf. rten's own metadata
//! cannot be used, because it declares INT64 as INT32. [`standard_form`] makes what every runtime reads of what exporters write,
//! [`join`](join()) makes one graph of two, and [`read_file`] reads
//! weights in other files.

mod classes;
mod external;
mod field;
mod join;
mod message;
mod outline;
mod read;
mod standard;
mod tables;
mod wire;

pub use external::{ExternalError, locations, read_file, read_standard};
pub use join::{Half, JOINED_OUTPUT, join};
pub use outline::{ReadAt, outline};
pub use read::{Description, Summary, describe, describe_source, read};
pub use standard::{Standard, standard_form};
