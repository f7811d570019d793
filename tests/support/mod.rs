//! What the black-box tests share: a client, the service as a process, and folders.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod backends;
pub mod chromium;
pub mod client;
pub mod guests;
pub mod host;
pub mod models;
pub mod parity;
pub mod process;
pub mod python;
pub mod service;
pub mod texts;

use std::path::PathBuf;

/// The project's root. These tests are declared by `crates/cli`, which has the binary.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}
