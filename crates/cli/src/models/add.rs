//! `cargo infer add`

use anyhow::Result;
use clap::Args;
use infer_import::{Found, Options};
use infer_model_card::RuntimeChoice;
use infer_pack::{BuildOptions, measure_runtime};

use crate::progress::Terminal;
use crate::workspace;

use super::report::{self, curl};
use super::{Repository, SourceOptions};

/// Add a model to the repository: an ONNX file, or a folder with one.
///
/// The graph is run once before anything is copied; an unsupported model is rejected with the reason.
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
            ..self.source.options()
        };
        let mut found = infer_import::inspect(&self.source.source, &options)?;
        if found.card.runtime == RuntimeChoice::Auto {
            measure(&mut found);
        }
        let (name, version) = (self.name.as_deref(), self.version.as_deref());
        let (id, folder) = infer_import::add(&found, &repository, name, version)?;
        report::print(&found);
        println!("\nadded as {}", folder.display());
        println!(
            "\n    cargo infer up\n    {}",
            curl(id.name.as_str(), &found.card)
        );
        Ok(())
    }
}

/// Measure which runtime is faster in WebAssembly and write it into the card. If that fails, each build measures.
fn measure(found: &mut Found) {
    let measured = || {
        let onnx = std::fs::read(&found.onnx)?;
        let options = BuildOptions::new(workspace::root()?);
        let runtime = measure_runtime(&options, &found.name, onnx, &Terminal::new())?;
        anyhow::Ok(runtime)
    };
    match measured() {
        Ok(runtime) => found.set_runtime(runtime),
        Err(error) => found.notes.push(format!(
            "the faster runtime could not be measured, so each build measures it: {error:#}"
        )),
    }
}
