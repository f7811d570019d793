//! `cargo infer inspect`

use anyhow::Result;
use clap::Args;

use super::{SourceOptions, report};

/// Look at a model without adding it; print what it takes and gives, and its model card.
#[derive(Args)]
pub struct Inspect {
    #[command(flatten)]
    source: SourceOptions,
}

impl Inspect {
    /// Print what `add` would find and write.
    pub fn run(self) -> Result<()> {
        let found = infer_import::inspect(&self.source.source, &self.source.options())?;
        report::print(&found);
        println!("\n# model.toml\n{}", found.card_text.trim_end());
        Ok(())
    }
}
