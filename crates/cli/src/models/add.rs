//! `infer add`

use anyhow::Result;
use clap::Args;
use infer_import::Options;

use crate::command;
use crate::engine::AnyEngine;
use crate::project::Project;

use super::report::{self, curl};
use super::{Repository, SourceOptions};

/// Add a model to the repository: an ONNX file, a folder with one, or a model of the Hugging Face hub.
///
/// The graph is run in the engine before anything is copied; an unsupported model is rejected with the reason.
#[derive(Args)]
pub struct Add {
    #[command(flatten)]
    source: SourceOptions,
    /// Name of the model [default: the name of its file or folder]
    #[arg(long, value_name = "N")]
    name: Option<String>,
    /// Add the model as this version of its name, in a folder of its own
    #[arg(long, value_name = "V")]
    version: Option<String>,
    #[command(flatten)]
    repository: Repository,
}

impl Add {
    /// Inspect the source, add it, and print a summary and a sample request.
    pub fn run(self) -> Result<()> {
        let repository = self.repository.path()?;
        let options = Options {
            version: self.version.clone(),
            ..self.source.options.options()
        };
        let engine = AnyEngine::new(Project::find()?.build_options()?);
        let variant = self.source.options.variant.as_deref();
        let source = self.source.source.find(variant)?;
        let found = infer_import::inspect(source, &options, &engine)?;
        let (name, version) = (self.name.as_deref(), self.version.as_deref());
        let (id, folder) = infer_import::add(&found, &repository, name, version)?;
        report::print(&found);
        println!("\nadded as {}", folder.display());
        println!(
            "\n    {} up\n    {}",
            command(),
            curl(id.name.as_str(), &found.card)
        );
        Ok(())
    }
}
