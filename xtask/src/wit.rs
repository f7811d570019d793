//! `cargo xtask wit`: the vendored WIT of wasi-nn.

use std::fs;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::generated::Mode;
use crate::project;

const COMMAND: &str = "cargo xtask wit";

/// The vendored text.
const SOURCE: &str = "wit/deps/wasi-nn/wasi-nn.wit";

/// The BLAKE3 hash of the text that wasmtime-wasi-nn 48.0.8 publishes as `wit/wasi-nn.wit`.
const PUBLISHED: &str = "87718898ad1e1f7e433d5583f5c670b8d5d5c05d1aa17278917b7a35a0d6773d";

/// The packages whose worlds use it and that need it in a folder of their own.
const COPIES: [&str; 1] = ["crates/engine/wit/deps/wasi-nn/wasi-nn.wit"];

/// Copy the vendored wasi-nn.wit to the packages that need it
#[derive(Args)]
pub(crate) struct Wit {
    /// Compare the copies instead of writing them
    #[arg(long)]
    check: bool,
}

impl Wit {
    /// Copy or compare.
    pub(crate) fn run(self) -> Result<()> {
        let root = project::root();
        let text = fs::read_to_string(root.join(SOURCE))
            .with_context(|| format!("cannot read `{SOURCE}`"))?;
        let hash = blake3::hash(text.as_bytes()).to_hex();
        ensure!(
            hash.as_str() == PUBLISHED,
            "`{SOURCE}` is not the text that wasmtime-wasi-nn publishes: its BLAKE3 hash is {hash}, expected {PUBLISHED}"
        );
        let mode = Mode::of(self.check);
        for path in COPIES {
            mode.file(&root, path, &text, COMMAND)?;
        }
        Ok(())
    }
}
