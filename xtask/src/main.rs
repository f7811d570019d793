//! `cargo xtask`: the commands that only developers run, one file or folder per subcommand.

mod bench;
mod conformance;
mod dist;
mod generated;
mod infer;
mod loopback;
mod operators;
mod package;
mod project;
mod wit;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Commands for developers of this project
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Bench(bench::Bench),
    Conformance(conformance::Conformance),
    Dist(dist::Dist),
    Operators(operators::Operators),
    Package(package::Package),
    Wit(wit::Wit),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Bench(bench) => bench.run(),
        Command::Conformance(conformance) => conformance.run(),
        Command::Dist(dist) => dist.run(),
        Command::Operators(operators) => operators.run(),
        Command::Package(package) => package.run(),
        Command::Wit(wit) => wit.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
