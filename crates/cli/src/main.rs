//! The command line, `infer`: a dispatcher with one file or folder per subcommand.

mod backend;
mod build;
mod cache;
mod demo;
mod engine;
mod models;
mod new;
mod prebuilt;
mod progress;
mod project;
mod registry;
mod up;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Inference as a WebAssembly component
#[derive(Parser)]
#[command(name = "infer", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Up(up::Up),
    New(new::New),
    Build(build::Build),
    Push(registry::Push),
    Pull(registry::Pull),
    Add(models::Add),
    Inspect(models::Inspect),
    List(models::List),
    Check(models::Check),
    Remove(models::Remove),
    Backend(backend::Backend),
}

/// The command that runs this program: `cargo infer` if cargo runs it, as in a checkout, else `infer`.
fn command() -> &'static str {
    match std::env::var_os("CARGO") {
        Some(_) => "cargo infer",
        None => "infer",
    }
}

fn main() -> ExitCode {
    let matches = Cli::command().bin_name(command()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let result = match cli.command {
        Command::Up(up) => up.run(),
        Command::New(new) => new.run(),
        Command::Build(build) => build.run(),
        Command::Push(push) => push.run(),
        Command::Pull(pull) => pull.run(),
        Command::Add(add) => add.run(),
        Command::Inspect(inspect) => inspect.run(),
        Command::List(list) => list.run(),
        Command::Check(check) => check.run(),
        Command::Remove(remove) => remove.run(),
        Command::Backend(backend) => backend.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", sentence(&error));
            ExitCode::FAILURE
        }
    }
}

/// One sentence with the error and its causes, without causes that it already contains.
fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if sentence.is_empty() {
            sentence = cause;
        } else if !sentence.contains(&cause) {
            sentence = format!("{sentence}: {cause}");
        }
    }
    sentence
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn causes_are_not_repeated() {
        let inner = anyhow!("no such file");
        assert_eq!(sentence(&inner), "no such file");
        let outer = inner.context("cannot read `x`: no such file");
        assert_eq!(sentence(&outer), "cannot read `x`: no such file");
        let three = Err::<(), _>(anyhow!("c"))
            .context("b")
            .context("a")
            .unwrap_err();
        assert_eq!(sentence(&three), "a: b: c");
    }
}
