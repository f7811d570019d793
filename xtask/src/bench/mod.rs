//! `cargo xtask bench`: benchmarks that compare side by side, in one run on one machine.
//!
//! [`component`] measures the overhead of serving over inference alone, [`engine`] compares the WebAssembly engine with
//! onnxruntime-web, [`models`] does so for any models and with ONNX Runtime too, and [`servers`] compares the whole service with the servers that a user might pick instead.

mod alone;
pub(crate) mod command;
mod component;
mod engine;
mod models;
mod networks;
mod onnxruntime_web;
mod python;
mod servers;
mod stats;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Run a benchmark: `component` (overhead of serving, the default), `engine` (the engine beside onnxruntime-web),
/// `models` (the engine on any models, beside ONNX Runtime too) or `servers` (this service beside other servers)
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    benchmark: Option<Benchmark>,
    #[command(flatten)]
    component: component::Component,
}

#[derive(Subcommand)]
enum Benchmark {
    Component(component::Component),
    Engine(engine::Engine),
    Models(models::Models),
    Servers(servers::Servers),
}

impl Bench {
    /// Run the chosen benchmark.
    pub(crate) fn run(self) -> Result<()> {
        match self.benchmark {
            None => self.component.run(),
            Some(Benchmark::Component(component)) => component.run(),
            Some(Benchmark::Engine(engine)) => engine.run(),
            Some(Benchmark::Models(models)) => models.run(),
            Some(Benchmark::Servers(servers)) => servers.run(),
        }
    }
}
