//! HTTP in this crate's own types: heads, responses, negotiation, limits, settings and errors.
//!
//! Nothing here knows what a tensor or a model is.

pub mod content_coding;
pub mod cors;
pub mod error;
pub mod json;
pub mod limits;
pub mod media_type;
pub mod negotiate;
pub mod request;
pub mod response;
pub mod router;
pub mod settings;
pub mod timing;
