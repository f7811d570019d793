//! The protocols: each converts its wire form to an inference request, and outputs to its response.

pub mod cohere;
pub mod common;
pub mod deepstack;
mod dispatch;
pub mod huggingface;
pub mod infer;
pub mod oip;
pub mod openai;
pub mod tei;
pub mod v1;

pub use dispatch::Plan;
