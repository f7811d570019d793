//! The intermediate representation (IR) of a graph: the loader writes it, optimization passes rewrite it, and
//! [`crate::graph`] builds operators from it.

mod fused;
mod network;
mod value;

pub(crate) use fused::{Epilogue, FusedConv, FusedMatMul};
pub(crate) use network::{Network, Node, OnnxNode, Op, Subnetwork};
pub(crate) use value::{QuantizedConstant, ValueId};
