//! The Open Inference Protocol v2 over HTTP (KServe's `inference_rest.md`), with Triton's extensions: binary tensor data,
//! classification, model configuration and model repository.

pub mod binary;
pub mod classification;
pub mod health;
pub mod infer;
mod input;
pub mod metadata;
mod parameters;
pub mod repository;
pub mod request;
pub mod response;
mod texts;
