//! `cargo xtask dist`: the components, compiled for packages, and the program that contains them.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;
use infer_pack::compile::{Component, Profile, compile};
use infer_pack::components::sources_digest;
use infer_pack::{prebuilt, toolchain};

use crate::project::{self, Steps};

/// Compile the components for packages, and the program that contains them
#[derive(Args)]
pub struct Dist {
    /// Compile the components only, into target/dist/components
    #[arg(long)]
    components: bool,
    /// Rust target of the program, such as x86_64-unknown-linux-musl [default: this machine's]
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
}

impl Dist {
    /// Write the files below `target/dist` and print their paths and sizes.
    pub fn run(self) -> Result<()> {
        let root = project::root();
        let components = root.join("target/dist/components");
        toolchain::ensure(&root, &Steps)?;
        let mut files = Vec::new();
        for relaxed_simd in [true, false] {
            for component in [Component::Infer, Component::Engine] {
                let path = compile(&root, component, Profile::Release, relaxed_simd, &Steps)?;
                let bytes = std::fs::read(&path)
                    .with_context(|| format!("cannot read `{}`", path.display()))?;
                files.push((component, relaxed_simd, bytes));
            }
        }
        // A file of another version must not be embedded.
        if components.exists() {
            std::fs::remove_dir_all(&components)
                .with_context(|| format!("cannot remove `{}`", components.display()))?;
        }
        prebuilt::write(&components, &sources_digest(&root)?, &files)?;
        println!("{}", components.display());
        if self.components {
            return Ok(());
        }
        let program = self.program(&components)?;
        let megabytes = std::fs::metadata(&program)?.len() as f64 / 1e6;
        println!("{}  {megabytes:.1} MB", program.display());
        Ok(())
    }

    /// Compile the program.
    fn program(&self, components: &PathBuf) -> Result<PathBuf> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let root = project::root();
        let mut command = Command::new(cargo);
        command
            .current_dir(&root)
            .args(["build", "--locked", "--profile", PROFILE, "--bin", "infer"])
            .env("INFER_COMPONENTS", components);
        let mut folder = root.join("target");
        if let Some(target) = &self.target {
            command.args(["--target", target]);
            folder.push(target);
        }
        let status = command.status().context("cannot run cargo")?;
        ensure!(status.success(), "cargo failed ({status})");
        Ok(folder.join(PROFILE).join("infer"))
    }
}

/// The cargo profile in the workspace's `Cargo.toml`, and its folder below `target`.
const PROFILE: &str = "dist";
