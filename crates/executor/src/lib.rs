//! Runs ONNX graphs.
//!
//! Each layer uses those below it only (`tests/imports.rs`). From the top:
//!
//! 1. [`Graph`] loads, optimizes and runs a graph. It builds an operator for each node, and computes nodes whose inputs are
//!    constant at load time.
//! 2. `load` reads a file's nodes and weights; `optimize` makes the network compute the same, faster.
//! 3. `ir` is the network in between: nodes that optimization passes can replace.
//! 4. [`ops`] has the operators, one file per family, and the registry of them all ([`operators`]).
//! 5. [`operator`] has the trait that they implement; [`attributes`] reads a node's attributes.
//! 6. [`strided_copy`] and [`broadcast`] are loops over tensors; [`index`] has index arithmetic; [`number`] and [`real`]
//!    are arithmetic for each datatype.
//! 7. [`tensor`] has tensors of every datatype, [`buffer_pool`] reuses their memory, and [`error`] has the crate's error.

pub mod attributes;
pub mod broadcast;
pub mod buffer_pool;
mod build;
pub mod error;
mod graph;
pub mod index;
mod ir;
mod load;
pub mod number;
pub mod operator;
pub mod ops;
mod optimize;
pub mod real;
pub mod strided_copy;
pub mod tensor;
mod tensor_proto;

pub use error::{Error, ErrorKind};
pub use graph::Graph;
pub use ops::{LayoutRule, OperatorEntry, operators};
pub use tensor::{Data, Element, Tensor};
