//! `infer build`

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use infer_pack::trim::Why;
use infer_pack::{Artifacts, Profile, fit};

use crate::progress::Terminal;
use crate::project::{self, Project};

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
    /// File for the composed artifact [default: the component's file in spin.toml, else infer.wasm]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print what keeps functions in the artifact: those whose names contain SYMBOL
    #[arg(long, value_name = "SYMBOL")]
    why: Option<String>,
}

/// Functions of a component that `--why` prints; a short text is part of hundreds of names.
const MAX_CHAINS: usize = 20;

impl Build {
    /// Build outdated artifacts and print their paths.
    pub fn run(self) -> Result<()> {
        let project = Project::find()?;
        let mut options = project.build_options()?;
        let mut output = project.output()?;
        if let Some(models) = self.models {
            // Another repository's artifact must not replace the project's own.
            output = None;
            options = options.with_models(project::absolute(&models)?);
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
        let output = self.output.or(output);
        let composed = std::fs::read(&artifacts.composed)
            .with_context(|| format!("cannot read `{}`", artifacts.composed.display()))?;
        if let Some(output) = &output {
            infer_pack::stage::replace(output, &composed)
                .with_context(|| format!("cannot write `{}`", output.display()))?;
        }
        print(&artifacts, output.as_deref(), &composed)
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

fn print(artifacts: &Artifacts, output: Option<&Path>, composed: &[u8]) -> Result<()> {
    for (kind, path) in [
        ("composed", output.unwrap_or(&artifacts.composed)),
        ("uncomposed", artifacts.uncomposed.as_path()),
    ] {
        let mib = std::fs::metadata(path)?.len() as f64 / (1024.0 * 1024.0);
        println!("{kind:<10}  {mib:6.1} MiB  {}", path.display());
    }
    print_fits(composed)?;
    for report in &artifacts.reports {
        println!("code kept   by module: {}", report.display());
    }
    for model in &artifacts.models {
        let name = model.id.to_string();
        match artifacts.in_snapshot.contains(&name) {
            true => println!("model       {name}, in the snapshot"),
            false => println!("model       {name}, mounted"),
        }
    }
    Ok(())
}

/// The memory of the composed artifact, and the hosts whose limits it meets or exceeds.
fn print_fits(composed: &[u8]) -> Result<()> {
    let needs = fit::needs(composed)?;
    let mib = needs.memory_bytes as f64 / (1024.0 * 1024.0);
    println!("memory      {mib:6.1} MiB  before a request; an inference takes more");
    for fit in fit::fits(&needs) {
        match fit.exceeds.as_slice() {
            [] => println!("fits        {}", fit.host),
            exceeds => println!("too large   {}: {}", fit.host, exceeds.join("; ")),
        }
    }
    Ok(())
}
