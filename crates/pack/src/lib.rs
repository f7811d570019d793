//! From sources and models to artifacts.
//!
//! [`build()`] makes two components, [`build_uncomposed`] the second of them alone:
//!
//! - the *composed* one, for any host with WASI 0.2 and HTTP: `infer`, with the engine inside it and
//!   every model loaded, optimized and packed in the engine's initial memory;
//! - the *uncomposed* one, for hosts that bring wasi-nn: `infer` alone, with the model cards in its
//!   initial memory.
//!
//! The steps, each a module: [`components`] (the code, from cargo or from this program), [`snapshot`] (run the setup, keep
//! the memory), [`trim`] (leave out the code that nothing there can reach), [`compose`] (wasi:nn in, nothing left over) and
//! [`check`] (what the artifact imports and how large it is). [`stage`] skips what is up to date.
//!
//! In a checkout, [`toolchain`] provides the wasm32-wasip2 standard library and [`compile`] calls cargo. [`trial`] runs a graph
//! in the engine before it becomes part of an artifact.

pub mod build;
pub mod check;
pub mod compile;
pub mod components;
pub mod compose;
pub mod fit;
mod machine;
pub mod prebuilt;
pub mod progress;
mod setup;
pub mod snapshot;
pub mod stage;
pub mod toolchain;
pub mod trial;
pub mod trim;

pub use build::{Artifacts, BuildError, BuildOptions, Uncomposed, build, build_uncomposed, why};
pub use compile::Profile;
pub use components::Components;
pub use progress::{Progress, Silent};
