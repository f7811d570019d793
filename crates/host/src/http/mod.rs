//! The HTTP server: connections, their timeouts, and one handler per request.
//!
//! [`server`] accepts connections, [`connection`] applies the header, idle and write timeouts, [`handler`] queues
//! the request, runs an instance for it and streams the response. [`pace`] is the timeout arithmetic that request
//! bodies ([`body`]) and response writers share. [`expect`] decides when `100 Continue` goes out. [`admin`] serves metrics and probes on an address of its own.

pub mod admin;
mod awake;
mod body;
mod connection;
mod expect;
mod handler;
mod pace;
pub mod server;
mod timer;
