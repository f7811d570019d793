//! Running a model: the inference request, the `Backend` trait, and wasi:nn behind it.

pub mod compute;
pub mod inference;
pub mod nn;
#[cfg(target_arch = "wasm32")]
pub(crate) mod nn_wasi;
pub mod readiness;
