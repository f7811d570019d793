//! `cargo xtask bench`: measurements, side by side in one run on one machine.
//!
//! [`component`] takes this service apart: what serving adds to computing. [`engine`] compares the engine in WebAssembly
//! with onnxruntime-web, and [`servers`] the service, as a whole, with what a user would pick instead.

mod alone;
pub(crate) mod command;
mod component;
mod engine;
mod networks;
mod python;
mod servers;
mod stats;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Measure: `component` (what serving adds to computing; what is done where nothing is named),
/// `engine` (the engine beside onnxruntime-web) or `servers` (this service beside others).
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    component: component::Component,
}

#[derive(Subcommand)]
enum What {
    Component(component::Component),
    Engine(engine::Engine),
    Servers(servers::Servers),
}

impl Bench {
    /// Measure what was asked for.
    pub(crate) fn run(self) -> Result<()> {
        match self.what {
            None => self.component.run(),
            Some(What::Component(component)) => component.run(),
            Some(What::Engine(engine)) => engine.run(),
            Some(What::Servers(servers)) => servers.run(),
        }
    }
}
