//! The Open Inference Protocol v2 over HTTP (KServe's `inference_rest.md`), with Triton's extensions
//! for binary tensor data and classification.

pub mod binary;
pub mod classification;
pub mod describe;
pub mod health;
pub mod infer;
pub mod request;
pub mod response;
mod texts;
