//! `cargo infer add`

use anyhow::Result;
use clap::Args;

use super::report::{self, curl};
use super::{Repository, SourceOptions};

/// Add a model to the repository: an ONNX file, or a folder with one.
///
/// The graph is run once before anything is copied; what cannot be used is refused by name.
#[derive(Args)]
pub struct Add {
    #[command(flatten)]
    source: SourceOptions,
    /// What the model is called here [default: as its file or folder]
    #[arg(long, value_name = "N")]
    name: Option<String>,
    #[command(flatten)]
    repository: Repository,
}

impl Add {
    /// Look at the source, add it, and say what was found and how to ask it.
    pub fn run(self) -> Result<()> {
        let repository = self.repository.path()?;
        let found = infer_import::inspect(&self.source.source, &self.source.options())?;
        let folder = infer_import::add(&found, &repository, self.name.as_deref())?;
        report::print(&found);
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        println!("\nadded as {}", folder.display());
        println!("\n    cargo infer up\n    {}", curl(&name, &found.card));
        Ok(())
    }
}
