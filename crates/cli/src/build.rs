//! `cargo infer build`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use infer_pack::trim::Why;
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
    /// Print what keeps functions in the artifact: those whose names contain SYMBOL
    #[arg(long, value_name = "SYMBOL")]
    why: Option<String>,
}

/// Functions of a component that `--why` prints; a short text is part of hundreds of names.
const MAX_CHAINS: usize = 20;

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
        if let Some(symbol) = self.why {
            let components = infer_pack::why(&options, &symbol, &Terminal::new())?;
            components.iter().for_each(|why| print_why(why, &symbol));
            return Ok(());
        }
        let artifacts = infer_pack::build(&options, &Terminal::new())?;
        print(&artifacts)
    }
}

fn print_why(why: &Why, symbol: &str) {
    let component = why.component;
    let (kept, left_out) = (why.kept.len(), why.left_out.len());
    println!(
        "{component}: {kept} functions whose names contain `{symbol}` are in the artifact, {left_out} are left out"
    );
    for chain in why.kept.iter().take(MAX_CHAINS) {
        println!("\n{chain}");
    }
    if kept > MAX_CHAINS {
        println!(
            "\n{} more; a longer SYMBOL selects fewer",
            kept - MAX_CHAINS
        );
    }
    println!();
}

fn print(artifacts: &Artifacts) -> Result<()> {
    for (kind, path) in [
        ("composed", &artifacts.composed),
        ("uncomposed", &artifacts.uncomposed),
    ] {
        let mib = std::fs::metadata(path)?.len() as f64 / (1024.0 * 1024.0);
        println!("{kind:<10}  {mib:6.1} MiB  {}", path.display());
    }
    for report in &artifacts.reports {
        println!("code kept   by module: {}", report.display());
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
