//! The V1 protocol: KServe's V1 data plane and TensorFlow Serving's REST API, which it follows.

pub mod models;
pub mod predict;
pub mod request;
pub mod response;
