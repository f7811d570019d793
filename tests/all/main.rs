//! The black-box tests, one program with a module per area: `cargo test --test all AREA::`.
//!
//! They run the binary and the built components as users do. The data of an area (Python requirements, graphs, references)
//! are in `tests/AREA/`.

mod artifact;
mod book;
mod clients;
mod hub;
mod installed;
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
mod reload;
mod security;
mod service;
#[path = "../support/mod.rs"]
mod support;
mod texts;
mod trim;
