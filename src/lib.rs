//! The component `infer`: HTTP in, wasi:nn, HTTP out.
//!
//! The way of a request, in the order of the modules that have it:
//!
//! 1. `component` (on Wasm only): the entry. It turns wasi:http's request into a [`request::Head`],
//!    reads the body within its limit, and hands the [`response::Response`] over.
//! 2. [`handlers::Plan::new`], before the body is read: [`router`] finds the route, [`models`] the
//!    model, [`body`] what the body is declared to be, [`negotiate`] the kind of answer.
//! 3. [`handlers::Plan::answer`]: [`encoding`] inflates the body, and a handler of its own for each
//!    task goes on. For inference the body becomes an [`inference::InferenceRequest`]: by [`pictures`]
//!    and [`image`], [`json`], [`npy`], [`raw`], [`multipart`], or by the protocols' own readers in
//!    [`oip`] and [`v1`].
//! 4. [`compute`] runs the model; [`nn`] is the trait behind which that is done, in the component by
//!    `nn_wasi`.
//! 5. [`classify`], [`answer`] and [`v1::answer`]: outputs become labels and scores, JSON, NumPy or
//!    bytes.
//!
//! [`openapi`] describes all that for clients, [`playground`] is the page that a browser is given.
//!
//! [`error`] has what a client is told when something cannot be done, [`settings`] what a host can
//! set, [`limits`] among it, [`timing`] the phases for `Server-Timing`. [`tensor`], [`carry`] and [`byte_strings`] are what
//! tensors are made of; [`media`] reads media types.
//!
//! All but the entry and `nn_wasi` is plain Rust, and tested natively on the engine itself.

pub mod answer;
pub mod body;
pub mod byte_strings;
pub mod carry;
pub mod classify;
pub mod compute;
pub mod encoding;
pub mod error;
pub mod handlers;
pub mod image;
pub mod inference;
pub mod json;
pub mod limits;
pub mod media;
pub mod models;
pub mod multipart;
pub mod negotiate;
pub mod nn;
pub mod npy;
pub mod oip;
pub mod openapi;
pub mod pictures;
pub mod playground;
pub mod raw;
pub mod request;
pub mod response;
pub mod router;
pub mod settings;
pub mod tensor;
pub mod text;
pub mod timing;
pub mod v1;

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
