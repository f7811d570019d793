//! `infer up --demo`: the demo models, which this program contains.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache;

/// The files of `demo/models`, by their paths in it. The build script embeds them.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/demo.rs"));

/// The model repository with the demo models, in a folder of the user's cache folder that belongs to this version of them.
///
/// # Errors
/// When the folder cannot be written.
pub fn repository() -> Result<PathBuf> {
    write(FILES, &cache::folder()?.join("demo"))
}

/// Write the files into a folder below `parent` whose name is their digest, unless it is there.
fn write(files: &[(&str, &[u8])], parent: &Path) -> Result<PathBuf> {
    let mut hasher = blake3::Hasher::new();
    for (name, bytes) in files {
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }
    let folder = parent.join(&hasher.finalize().to_hex()[..16]);
    if folder.is_dir() {
        return Ok(folder);
    }
    let cannot = || format!("cannot write `{}`", folder.display());
    fs::create_dir_all(parent).with_context(cannot)?;
    // Renamed when it is complete: another start may run at the same time, and one may have been interrupted.
    let unfinished = tempfile::tempdir_in(parent).with_context(cannot)?;
    for (name, bytes) in files {
        let file = unfinished.path().join(name);
        let parent = file.parent().unwrap_or(&file);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&file, bytes))
            .with_context(cannot)?;
    }
    match fs::rename(unfinished.path(), &folder) {
        Err(_) if folder.is_dir() => {}
        renamed => renamed.with_context(cannot)?,
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_written_once_for_its_contents() {
        let parent = tempfile::tempdir().unwrap();
        let read = |folder: &Path| fs::read(folder.join("a/model.toml")).unwrap();
        let first = write(&[("a/model.toml", b"1")], parent.path()).unwrap();
        assert_eq!(read(&first), b"1");
        fs::write(first.join("mark"), "").unwrap();
        let again = write(&[("a/model.toml", b"1")], parent.path()).unwrap();
        assert_eq!(again, first);
        assert!(first.join("mark").is_file(), "it was written again");
        let other = write(&[("a/model.toml", b"2")], parent.path()).unwrap();
        assert_ne!(other, first);
        assert_eq!(read(&other), b"2");
        let left = fs::read_dir(parent.path()).unwrap().count();
        assert_eq!(left, 2, "an unfinished folder was left");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let parent = tempfile::NamedTempFile::new().unwrap();
        let error = write(&[("a", b"")], &parent.path().join("demo")).unwrap_err();
        assert!(format!("{error:#}").contains("cannot write `"), "{error:#}");
    }
}
