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
/// The graph is run once before anything is copied; what cannot be used is refused by name.
#[derive(Args)]
pub struct Add {
    #[command(flatten)]
    source: SourceOptions,
    /// What the model is called here [default: as its file or folder]
    #[arg(long, value_name = "N")]
    name: Option<String>,
    /// Add it as a version beside others of that name, in a folder of its own
    #[arg(long, value_name = "V")]
    version: Option<String>,
    #[command(flatten)]
    repository: Repository,
}

impl Add {
    /// Look at the source, add it, and say what was found and how to ask it.
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

/// Measure which runtime is faster, in WebAssembly, and put it into the card. Where that cannot be done, each build
/// will.
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
            "which runtime is faster was not measured, so each build does: {error:#}"
        )),
    }
}
