//! `infer inspect`

use anyhow::Result;
use clap::Args;

use super::{SourceOptions, report};
use crate::engine::AnyEngine;
use crate::project::Project;

/// Print a model's inputs, outputs and model card without adding it
#[derive(Args)]
pub struct Inspect {
    #[command(flatten)]
    source: SourceOptions,
}

impl Inspect {
    /// Print the summary and the card that `add` would write.
    pub fn run(self) -> Result<()> {
        let SourceOptions { source, options } = self.source;
        let variant = options.variant.as_deref();
        let options = options.options();
        let found = match source.inspect_remote(variant, &options)? {
            Some(found) => found,
            None => {
                let engine = AnyEngine::new(Project::find()?.build_options()?);
                infer_import::inspect(source.find(variant)?, &options, &engine)?
            }
        };
        report::print(&found);
        println!("\n# model.toml\n{}", found.card_text.trim_end());
        Ok(())
    }
}
