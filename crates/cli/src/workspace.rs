//! Where the project is.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// The file that marks the project's root.
pub const MANIFEST: &str = "spin.toml";

/// The folder that holds `spin.toml`: this one or the nearest above it.
///
/// # Errors
/// When there is none.
pub fn root() -> Result<PathBuf> {
    let start = std::env::current_dir().context("the current folder cannot be read")?;
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
