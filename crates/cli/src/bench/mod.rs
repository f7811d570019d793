//! `cargo infer bench`: measurements, side by side in one run on one machine.
//!
//! [`component`] takes this service apart: what serving adds to computing. [`servers`] compares it, as a
//! whole, with what a user would pick instead.

mod component;
mod servers;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Measure: `component` (what serving adds to computing; what is done where neither is named) or
/// `servers` (this service beside others).
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Bench {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    component: component::Component,
}

#[derive(Subcommand)]
enum What {
    Component(component::Component),
    Servers(servers::Servers),
}

impl Bench {
    /// Measure what was asked for.
    pub fn run(self) -> Result<()> {
        match self.what {
            None => self.component.run(),
            Some(What::Component(component)) => component.run(),
            Some(What::Servers(servers)) => servers.run(),
        }
    }
}
