//! The embedded host: Wasmtime, and an HTTP server in front of it.
//!
//! The path of a request:
//!
//! 1. [`http::server`] accepts the connection, and its timeouts start.
//! 2. `http::handler` checks the header limit and the route, waits for an instance slot, and creates an instance
//!    ([`instance`]) for this request alone, with a time and a memory limit ([`limits`]).
//! 3. The guest runs until it has a response. The host streams the body, counts it ([`observe`]), and reports
//!    the request in the log, the metrics and a trace.
//!
//! [`manifest`] reads routes, mounts and environment from `spin.toml`, so that this host and Spin serve the same.
//! [`app`] holds what all requests share, `response` builds the host's own responses, `drain` tracks a graceful
//! shutdown, and `worker` owns the threads of native backends. [`nn`] implements wasi:nn on the machine's libraries.
//!
//! Dependencies point one way: `http` uses `instance`, `instance` uses `nn`, and all three use `observe` and the
//! modules at the top; `observe` and `nn` know nothing of `http`.
//!
//! A trap, a timeout or an out-of-memory guest fails its own request and nothing else: every instance has its own
//! memory, and the host holds no lock while a guest runs.

pub mod app;
pub mod control;
mod drain;
pub mod http;
pub mod instance;
pub mod limits;
pub mod manifest;
pub mod nn;
pub mod observe;
mod response;
mod worker;

pub use app::{App, AppOptions, LoadError, Replacement};
pub use control::{Control, ControlError, Controller};
pub use http::admin::Admin;
pub use http::server::Server;
pub use instance::compile;
pub use limits::Limits;
pub use manifest::{Manifest, ManifestError};
pub use observe::{ObserveOptions, Traces};
