//! The command line, `cargo infer …`: a dispatcher, with a file a subcommand.

mod bench;
mod build;
mod progress;
mod up;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Inference as a WebAssembly component.
#[derive(Parser)]
#[command(name = "cargo infer", bin_name = "cargo infer", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Up(up::Up),
    Build(build::Build),
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Up(up) => up.run(),
        Command::Build(build) => build.run(),
        Command::Bench(bench) => bench.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One sentence: each cause in one line after what failed because of it.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
