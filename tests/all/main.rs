//! The black-box tests, one program with a module per area: `cargo test --test all AREA::`.
//!
//! They run the users' binary and the built components as their users do. The requirements of an area (Python packages,
//! graphs, references) are in `tests/AREA/`.

mod artifact;
mod book;
mod clients;
mod isolation;
mod kernels;
mod limits;
mod models;
mod native;
mod nn;
mod observe;
mod parity;
mod playground;
mod protocol;
mod recipes;
mod security;
mod service;
#[path = "../support/mod.rs"]
mod support;
mod texts;
