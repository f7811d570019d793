//! `infer backend`: native libraries.
//!
//! [`install`] downloads their official wheels into the user's cache folder, [`choose`] selects one to serve with.

mod add;
mod check;
pub mod choose;
pub mod install;
mod list;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use infer_host::nn::Library;

/// Manage native backends: ONNX Runtime and OpenVINO
#[derive(Args)]
pub struct Backend {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(list::List),
    Add(add::Add),
    Check(check::Check),
}

impl Backend {
    /// Run the subcommand.
    pub fn run(self) -> Result<()> {
        match self.command {
            Command::List(list) => list.run(),
            Command::Add(add) => add.run(),
            Command::Check(check) => check.run(),
        }
    }
}

/// A library by its name in `--backend`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// ONNX Runtime
    Onnx,
    /// OpenVINO
    Openvino,
}

impl Name {
    const fn library(self) -> Library {
        match self {
            Self::Onnx => Library::OnnxRuntime,
            Self::Openvino => Library::OpenVino,
        }
    }

    /// The name on the command line.
    const fn text(self) -> &'static str {
        match self {
            Self::Onnx => "onnx",
            Self::Openvino => "openvino",
        }
    }
}
