//! From sources and models to artifacts.
//!
//! [`build()`] makes two components, [`build_uncomposed`] the second of them alone:
//!
//! - the *composed* one, for any host with WASI 0.2 and HTTP: `infer`, with the engine inside it and
//!   every model loaded, optimized and packed in the engine's initial memory;
//! - the *uncomposed* one, for hosts that bring wasi-nn: `infer` alone, with the model cards in its
//!   initial memory.
//!
//! The steps, each a module: [`toolchain`] (the wasm32-wasip2 standard library), [`compile`] (cargo),
//! [`snapshot`] (run the setup, keep the memory), [`trim`] (leave out the code that nothing there can reach), [`compose`]
//! (wasi:nn in, nothing left over) and [`check`] (what the artifact imports and how large it is). [`stage`] skips what is up to date.

pub mod build;
pub mod check;
pub mod compile;
pub mod compose;
pub mod progress;
mod runtimes;
pub mod snapshot;
pub mod stage;
pub mod toolchain;
pub mod trim;

pub use build::{
    Artifacts, BuildError, BuildOptions, Uncomposed, build, build_uncomposed, measure_runtime, why,
};
pub use compile::Profile;
pub use progress::{Progress, Silent};
