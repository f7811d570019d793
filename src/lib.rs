//! The component `infer`: HTTP in, wasi:nn, HTTP out.
//!
//! The way of a request, in the order of the modules that have it:
//!
//! 1. `component` (on Wasm only): the entry. It turns wasi:http's request into a [`request::Head`],
//!    reads the body within its limit, and hands the [`response::Response`] over.
//! 2. [`predict::Plan::new`], before the body is read: [`router`] finds the route, [`models`] the
//!    model, [`body`] what the body is declared to be, [`negotiate`] the kind of answer.
//! 3. [`predict::Plan::answer`]: the body becomes tensors, by [`image`], [`json`] or [`raw`];
//!    [`nn`] is the trait behind which they are computed, in the component by `nn_wasi`.
//! 4. [`classify`] and [`answer`]: outputs become labels and scores, JSON, NumPy or bytes.
//!
//! [`error`] has what a client is told when something cannot be done, [`settings`] what a host can
//! set, [`timing`] the phases for `Server-Timing`. [`tensor`] and [`carry`] are what tensors are made
//! of; [`media`] reads media types.
//!
//! All but the entry and `nn_wasi` is plain Rust, and tested natively on the engine itself.

pub mod answer;
pub mod body;
pub mod carry;
pub mod classify;
pub mod error;
pub mod image;
pub mod json;
pub mod media;
pub mod models;
pub mod negotiate;
pub mod nn;
pub mod predict;
pub mod raw;
pub mod request;
pub mod response;
pub mod router;
pub mod settings;
pub mod tensor;
pub mod timing;

#[cfg(target_arch = "wasm32")]
mod component;
#[cfg(target_arch = "wasm32")]
mod nn_wasi;

#[cfg(target_arch = "wasm32")]
mod bindings {
    wit_bindgen::generate!({ world: "infer", path: "wit", generate_all });
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
