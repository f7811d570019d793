//! `cargo infer build`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use infer_pack::{Artifacts, BuildOptions, Profile};

use crate::progress::Terminal;
use crate::workspace;

/// Build the artifacts: composed for any host with wasi:http 0.2, uncomposed for hosts with wasi-nn
#[derive(Args)]
pub struct Build {
    /// Build for hosts without relaxed SIMD, such as Node 20; slower
    #[arg(long)]
    no_relaxed_simd: bool,
    /// Build for development, as `cargo infer up` does without --release
    #[arg(long)]
    local: bool,
    /// Model repository [default: models]
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
}

impl Build {
    /// Build outdated artifacts and print their paths.
    pub fn run(self) -> Result<()> {
        let root = workspace::root()?;
        let mut options = BuildOptions::new(root);
        if let Some(models) = self.models {
            options = options.with_models(models);
        }
        options.relaxed_simd = !self.no_relaxed_simd;
        if self.local {
            options.profile = Profile::Local;
        }
        let artifacts = infer_pack::build(&options, &Terminal::new())?;
        print(&artifacts)
    }
}

fn print(artifacts: &Artifacts) -> Result<()> {
    for (kind, path) in [
        ("composed", &artifacts.composed),
        ("uncomposed", &artifacts.uncomposed),
    ] {
        let mib = std::fs::metadata(path)?.len() as f64 / (1024.0 * 1024.0);
        println!("{kind:<10}  {mib:6.1} MiB  {}", path.display());
    }
    for model in &artifacts.models {
        let name = model.id.to_string();
        match artifacts.runtimes.get(&name) {
            Some(runtime) => println!("model       {name}, in the snapshot, run by {runtime}"),
            None => println!("model       {name}, mounted"),
        }
    }
    Ok(())
}
