//! The Open Inference Protocol v2 over HTTP (KServe's `inference_rest.md`), with Triton's extensions
//! for binary tensor data and classification.

pub mod binary;
pub mod classification;
pub mod request;
mod texts;
