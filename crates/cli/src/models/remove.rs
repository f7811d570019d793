//! `cargo infer remove`

use anyhow::{Context, Result, bail};
use clap::Args;
use infer_model_card::ModelName;

use super::Repository;

/// Remove a model from the repository, with its folder.
#[derive(Args)]
pub struct Remove {
    /// The model's name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    repository: Repository,
}

impl Remove {
    /// Delete the folder, if it is a model's.
    pub fn run(self) -> Result<()> {
        // A name, never a path: nothing outside the repository can be meant.
        let name = ModelName::new(&self.name)?;
        let repository = self.repository.path()?;
        let folder = repository.join(name.as_str());
        if !folder.join("model.toml").is_file() {
            bail!("there is no model `{name}` in `{}`", repository.display());
        }
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove `{}`", folder.display()))?;
        println!("removed {}", folder.display());
        Ok(())
    }
}
