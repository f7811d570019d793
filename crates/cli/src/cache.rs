//! This program's folder in the user's cache folder (XDG Base Directory Specification).

use std::path::PathBuf;

use anyhow::{Context, Result};

/// The cache folder of this program, which may not exist yet.
///
/// # Errors
/// When neither HOME nor XDG_CACHE_HOME is set.
pub fn folder() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    // The specification ignores relative paths.
    let cache = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let home = || {
        Some(
            variable("HOME")
                .filter(|path| path.is_absolute())?
                .join(".cache"),
        )
    };
    let cache = cache
        .or_else(home)
        .context("no cache folder: set HOME or XDG_CACHE_HOME to an absolute path")?;
    Ok(cache.join("infer"))
}
