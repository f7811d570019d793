//! `infer remove`

use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Args;
use infer_model_card::ModelId;

use super::Repository;

/// Remove a model and its folder from the repository
#[derive(Args)]
pub struct Remove {
    /// Name of the model; with `/` and a version, only that version
    #[arg(value_name = "NAME[/VERSION]")]
    name: String,
    #[command(flatten)]
    repository: Repository,
}

impl Remove {
    /// Delete the folder if it is a model's.
    pub fn run(self) -> Result<()> {
        // A name is never a path, so it cannot point outside the repository.
        let id = ModelId::new(&self.name)?;
        let repository = self.repository.path()?;
        let folder = repository.join(id.to_string());
        let is_model = has_card(&folder) || id.version.is_none() && has_versions(&folder);
        if !is_model {
            bail!("there is no model `{id}` in `{}`", repository.display());
        }
        remove(&folder)?;
        println!("removed {}", folder.display());
        let model = repository.join(id.name.as_str());
        if id.version.is_some() && !has_versions(&model) {
            remove(&model)?;
            println!("removed {} with its last version", model.display());
        }
        Ok(())
    }
}

fn has_card(folder: &Path) -> bool {
    folder.join("model.toml").is_file()
}

/// Whether the folder has a version of a model.
fn has_versions(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| {
        entries.any(|entry| entry.is_ok_and(|entry| has_card(&entry.path())))
    })
}

fn remove(folder: &Path) -> Result<()> {
    std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove `{}`", folder.display()))
}
