//! `infer backend list`

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::{Name, install};

/// List the backends, and which of them are installed
#[derive(Args)]
pub struct List {}

impl List {
    /// Print one line per backend.
    pub fn run(self) -> Result<()> {
        println!("wasm      the engine in WebAssembly, built in");
        for name in Name::value_variants() {
            let library = name.library();
            let folder = install::folder(library)?;
            let place = match library.find(&folder) {
                Ok(path) => path.display().to_string(),
                Err(_) => format!(
                    "not installed ({} backend add {})",
                    crate::command(),
                    name.text()
                ),
            };
            println!("{:8}  {}, {place}", name.text(), library.name());
        }
        Ok(())
    }
}
