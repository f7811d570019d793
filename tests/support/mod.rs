//! Shared by the black-box tests: a client, the service as a process, and fixtures.

#![allow(dead_code, reason = "each test program uses a part of these modules")]

pub mod backends;
pub mod chromium;
pub mod client;
pub mod guests;
pub mod host;
pub mod models;
pub mod packaged;
pub mod parity;
pub mod process;
pub mod python;
pub mod service;
pub mod tasks;
pub mod texts;

use std::path::PathBuf;

/// The root of the checkout; `crates/cli`, which has the binary, declares these tests.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}
