//! `cargo infer inspect`

use anyhow::Result;
use clap::Args;

use super::{SourceOptions, report};

/// Print a model's inputs, outputs and model card without adding it
#[derive(Args)]
pub struct Inspect {
    #[command(flatten)]
    source: SourceOptions,
}

impl Inspect {
    /// Print the summary and the card that `add` would write.
    pub fn run(self) -> Result<()> {
        let found = infer_import::inspect(&self.source.source, &self.source.options())?;
        report::print(&found);
        println!("\n# model.toml\n{}", found.card_text.trim_end());
        Ok(())
    }
}
