//! Listing what the cache contains, for a client that is offline.

use std::fs;
use std::path::Path;

use crate::cache::CacheError;
use crate::digest::Digest;
use crate::hub::Hub;
use crate::listing::{ListError, ListedFile, Listing};
use crate::path::{check_path, is_hex};
use crate::reference::Reference;

/// The deepest folder of a snapshot that is listed.
const MAX_DEPTH: usize = 32;

impl Hub {
    /// List the files of a revision that the cache contains.
    pub(crate) fn list_offline(&self, reference: &Reference) -> Result<Listing, ListError> {
        let (repository, revision) = (reference.repository(), reference.revision());
        let storage = self.cache.storage(repository);
        let commit = if is_hex(revision, 40) {
            Some(revision.to_owned())
        } else {
            storage
                .reference(revision)
                .filter(|commit| is_hex(commit, 40))
        };
        let snapshot = commit.map(|commit| (storage.snapshot(&commit), commit));
        let Some((snapshot, commit)) = snapshot.filter(|(snapshot, _)| snapshot.is_dir()) else {
            return Err(ListError::NotCached {
                cache: self.cache.root().display().to_string(),
                repository: repository.to_owned(),
                revision: revision.to_owned(),
            });
        };
        let mut files = Vec::new();
        collect(&snapshot, "", MAX_DEPTH, &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Listing {
            repository: repository.to_owned(),
            revision: revision.to_owned(),
            commit,
            files,
        })
    }
}

/// Append the files below a folder that are links to blobs. A file itself has no digest, and is left out.
fn collect(
    folder: &Path,
    prefix: &str,
    depth: usize,
    files: &mut Vec<ListedFile>,
) -> Result<(), CacheError> {
    let failed = |source| CacheError::read(folder, source);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        let Some(path) = entry
            .file_name()
            .to_str()
            .map(|name| format!("{prefix}{name}"))
        else {
            continue;
        };
        if kind.is_dir() && depth > 0 {
            collect(&entry.path(), &format!("{path}/"), depth - 1, files)?;
        }
        if kind.is_symlink() && check_path(&path).is_ok() {
            files.extend(linked(&entry.path(), path));
        }
    }
    Ok(())
}

fn linked(link: &Path, path: String) -> Option<ListedFile> {
    let target = fs::read_link(link).ok()?;
    let digits = target.file_name()?.to_str()?;
    let digest = Digest::sha256(digits).or_else(|| Digest::git_blob(digits))?;
    let metadata = fs::metadata(link)
        .ok()
        .filter(|metadata| metadata.is_file())?;
    Some(ListedFile {
        path,
        size: metadata.len(),
        digest,
    })
}
