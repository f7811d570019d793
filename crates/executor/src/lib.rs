//! Runs ONNX graphs: the engine's own runtime beside rten.
//!
//! In the order in which a graph has them:
//!
//! 1. [`load`] reads the file's nodes and weights; [`ir`] is what it becomes: nodes that can still be
//!    rewritten.
//! 2. [`rewrite`] makes of them what computes the same, faster.
//! 3. [`graph`] builds an operator for each node, computes what is constant, and runs the rest.
//! 4. [`ops`] has the operators, a file a family, all of them behind [`operator::Operator`].
//!
//! [`tensor`] is what flows, in any of ONNX's datatypes, and [`buffer_pool`] keeps memory for the next one; [`number`] and [`real`] are how
//! elements are computed with; [`index`] goes through shapes and strides, [`broadcast`] computes and [`strided_copy`]
//! copies along them; [`attributes`] reads what a node says of itself; [`error`] is what can go wrong.

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
