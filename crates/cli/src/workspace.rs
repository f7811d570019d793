//! Locates the project's root.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// The file that marks the project's root.
pub const MANIFEST: &str = "spin.toml";

/// The nearest folder with a `spin.toml`, from the current folder upwards.
///
/// # Errors
/// When there is none.
pub fn root() -> Result<PathBuf> {
    let start = std::env::current_dir().context("cannot read the current folder")?;
    match start
        .ancestors()
        .find(|folder| folder.join(MANIFEST).is_file())
    {
        Some(root) => Ok(root.to_owned()),
        None => bail!(
            "no `{MANIFEST}` in `{}` or any folder above it",
            start.display()
        ),
    }
}
