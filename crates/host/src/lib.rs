//! The embedded host: Wasmtime, and an HTTP server in front of it.
//!
//! The way of a request: [`server`] accepts the connection and finds the route; [`handler`] takes a
//! place in the queue, makes an instance of its own for the request ([`state`]), runs it under a time
//! and a memory limit ([`limits`]), and hands its answer over as it is streamed. What the host itself
//! has to say, [`answer`] words.
//!
//! [`manifest`] reads routes, mounts and environment from `spin.toml`, so that this host and Spin
//! serve the same; [`compile`] turns the component into machine code once and keeps it; [`app`] holds
//! what all requests share.
//!
//! [`nn`] is wasi:nn for components that import it, by libraries of this machine.
//!
//! A trap, a timeout or a guest that runs out of memory fails its own request and nothing else: every
//! instance has memory of its own, and no host lock is held while a guest runs.

pub mod answer;
pub mod app;
mod body;
pub mod compile;
mod handler;
pub mod limits;
pub mod manifest;
pub mod nn;
pub mod server;
mod state;

pub use app::{App, AppOptions, LoadError};
pub use limits::Limits;
pub use manifest::{Manifest, ManifestError};
pub use server::Server;
