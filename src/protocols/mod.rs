//! The protocols: each converts its wire form to an inference request, and outputs to its response.

mod dispatch;
pub mod infer;
pub mod oip;
pub mod openai;
pub mod v1;

pub use dispatch::Plan;
