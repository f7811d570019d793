//! The embedded host: Wasmtime, and an HTTP server in front of it.
//!
//! The way of a request: [`server`] accepts the connection, [`connection`] watches how long its client takes
//! ([`pace`]); [`handler`] finds the route, takes a place in the queue, makes an instance of its own for the
//! request ([`state`]), runs it under a time and a memory limit ([`limits`]), and hands its answer over as it
//! is streamed. What the host itself has to say, [`answer`] words. [`drain`] knows whether the server stops.
//!
//! [`observe`] is what the operator sees of it: a line a request, metrics ([`admin`] has their address), traces, and
//! what the component writes to standard error ([`guest_log`]).
//!
//! [`manifest`] reads routes, mounts and environment from `spin.toml`, so that this host and Spin
//! serve the same; [`compile`] turns the component into machine code once and keeps it; [`imports`]
//! is what it may call; [`app`] holds what all requests share.
//!
//! [`nn`] is wasi:nn for components that import it, by libraries of this machine.
//!
//! A trap, a timeout or a guest that runs out of memory fails its own request and nothing else: every
//! instance has memory of its own, and no host lock is held while a guest runs.

pub mod admin;
pub mod answer;
pub mod app;
mod awake;
mod body;
pub mod compile;
mod connection;
mod drain;
mod guest;
mod guest_log;
mod handler;
mod imports;
pub mod limits;
pub mod manifest;
pub mod nn;
pub mod observe;
mod pace;
pub mod server;
mod state;
mod timer;
mod worker;

pub use admin::Admin;
pub use app::{App, AppOptions, LoadError};
pub use limits::Limits;
pub use manifest::{Manifest, ManifestError};
pub use observe::{ObserveOptions, Traces};
pub use server::Server;
