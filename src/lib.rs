//! The component `infer`: HTTP in, wasi:nn, HTTP out.
//!
//! Each folder is a stage, and uses only the stages above it in this list:
//!
//! 1. [`http`]: heads, responses, negotiation, content codings, limits, settings and errors.
//! 2. [`tensor`]: tensors, conversions between datatypes, and their JSON, NumPy and raw forms.
//! 3. [`input`]: what a body becomes before a model: images, texts, multipart forms.
//! 4. [`tasks`]: what a model's outputs mean, a folder per task.
//! 5. [`catalog`]: the table of models.
//! 6. [`run`]: the trait `Backend`, wasi:nn behind it, and the computation of a request.
//! 7. [`openapi`] describes the service for clients, [`playground`] is the page that a browser gets.
//! 8. [`protocols`]: each converts its wire form to an inference request, and outputs to its response.
//!    [`protocols::Plan`] takes a request through them all.
//! 9. `component` (on Wasm only): the entry. It reads a request from wasi:http and sends the response.
//!
//! Everything but the entry and `run::nn_wasi` is plain Rust, and tested natively on the engine itself.

pub mod catalog;
pub mod http;
pub mod input;
pub mod openapi;
pub mod playground;
pub mod protocols;
pub mod run;
pub mod tasks;
pub mod tensor;

#[cfg(target_arch = "wasm32")]
mod component;

#[cfg(target_arch = "wasm32")]
mod bindings {
    wit_bindgen::generate!({ world: "infer", path: "wit", generate_all });
}

#[cfg(test)]
mod tests;
