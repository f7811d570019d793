//! The cache of `huggingface_hub`: `models--OWNER--NAME/{refs,blobs,snapshots/COMMIT}`.
//!
//! A blob's name is the digest of its contents. A file of a snapshot is a relative symbolic link to a blob. Every folder
//! and file that is written below the cache must be a real one: a link that somebody planted could lead anywhere.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::listing::ListedFile;

/// A folder or a file of the cache that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The disk is full, or the user's share of it.
    #[error(
        "no space is left for `{}`: free some, or set `HF_HUB_CACHE` to a folder on another disk; a download \
         continues where it stopped",
        path.display()
    )]
    NoSpace {
        /// The file.
        path: PathBuf,
    },
    /// The cache is read-only for this process.
    #[error("cannot write `{}`: {source}; set `HF_HUB_CACHE` to a folder that can be written", path.display())]
    NotWritable {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Something other than a folder or a regular file is in its place.
    #[error(
        "`{}` is {found}, where the cache has {expected}: remove it, or set `HF_HUB_CACHE` to another folder",
        path.display()
    )]
    Kind {
        /// The file or folder.
        path: PathBuf,
        /// Its kind.
        found: &'static str,
        /// The expected kind.
        expected: &'static str,
    },
    /// Another process has held the lock for too long.
    #[error("another process has held the lock `{}` for {minutes} min: end it, or try again later", path.display())]
    Locked {
        /// The lock.
        path: PathBuf,
        /// How long this process waited.
        minutes: u64,
    },
    /// The operating system failed otherwise.
    #[error("cannot use `{}` of the cache: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Its error.
        source: io::Error,
    },
}

impl CacheError {
    /// Returns the error of an operation that writes.
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::NoSpace { path },
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Self::NotWritable { path, source }
            }
            _ => Self::Io { path, source },
        }
    }

    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// The cache's folder.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

/// A repository's folder in the cache.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    cache: Cache,
    name: String,
}

impl Cache {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the folder of a repository, whose name is checked already.
    pub(crate) fn storage(&self, repository: &str) -> Storage {
        Storage {
            cache: self.clone(),
            name: format!("models--{}", repository.replace('/', "--")),
        }
    }

    /// Create the folder with these names below the cache, and check that none of them is a link.
    fn create_folder<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<PathBuf, CacheError> {
        fs::create_dir_all(&self.root).map_err(|source| CacheError::write(&self.root, source))?;
        let mut folder = self.root.clone();
        for name in names {
            folder.push(name);
            match fs::create_dir(&folder) {
                Ok(()) => (),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => check_folder(&folder)?,
                // A folder that exists on a read-only disk.
                Err(_) if check_folder(&folder).is_ok() => (),
                Err(error) => return Err(CacheError::write(&folder, error)),
            }
        }
        Ok(folder)
    }
}

impl Storage {
    fn folder(&self) -> PathBuf {
        self.cache.root.join(&self.name)
    }

    pub(crate) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder().join("snapshots").join(commit)
    }

    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        self.folder().join("blobs").join(digest.digits())
    }

    /// Create the folder of the blobs, and return the path of an unfinished one.
    pub(crate) fn create_incomplete(&self, digest: &Digest) -> Result<PathBuf, CacheError> {
        let blobs = self.cache.create_folder([&self.name, "blobs"])?;
        Ok(blobs.join(format!("{}.incomplete", digest.digits())))
    }

    /// Create the folder of the locks, and return the path of a blob's lock, which `huggingface_hub` uses too.
    pub(crate) fn create_lock(&self, digest: &Digest) -> Result<PathBuf, CacheError> {
        let locks = self.cache.create_folder([".locks", &self.name])?;
        Ok(locks.join(format!("{}.lock", digest.digits())))
    }

    /// Returns whether the cache has a blob of this size. It may be a link to another file of the cache, because
    /// `huggingface_hub` shares blobs between repositories.
    pub(crate) fn has_blob(&self, file: &ListedFile) -> bool {
        is_file_below(&self.blob(&file.digest), file.size, &self.cache.root)
    }

    /// Returns whether the snapshot has the file: a link to its blob, or itself where links are not supported.
    pub(crate) fn has_file(&self, commit: &str, file: &ListedFile) -> bool {
        let path = self.snapshot(commit).join(&file.path);
        let is_regular = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
        let is_blob = || match (
            fs::canonicalize(&path),
            fs::canonicalize(self.blob(&file.digest)),
        ) {
            (Ok(target), Ok(blob)) => target == blob,
            _ => false,
        };
        (is_regular || is_blob()) && is_file_below(&path, file.size, &self.cache.root)
    }

    /// Put a link to the blob into the snapshot, in place of what is there.
    pub(crate) fn link(&self, commit: &str, file: &ListedFile) -> Result<(), CacheError> {
        let (folders, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let folders = folders.split('/').filter(|folder| !folder.is_empty());
        let up = "../".repeat(2 + folders.clone().count());
        let names = [self.name.as_str(), "snapshots", commit]
            .into_iter()
            .chain(folders);
        let path = self.cache.create_folder(names)?.join(name);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {
                return Err(CacheError::Kind {
                    path,
                    found: "a folder",
                    expected: "a file",
                });
            }
            Ok(_) => fs::remove_file(&path).map_err(|source| CacheError::write(&path, source))?,
            Err(_) => (),
        }
        let target = format!("{up}blobs/{}", file.digest.digits());
        match symlink(&target, &path) {
            // Another process was faster.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            // A file system without links: `huggingface_hub` moves the blob there too.
            Err(error) if is_unsupported(&error) => fs::rename(self.blob(&file.digest), &path),
            result => result,
        }
        .map_err(|source| CacheError::write(&path, source))
    }

    /// Returns the commit of a branch or a tag, as the cache has it.
    pub(crate) fn reference(&self, revision: &str) -> Option<String> {
        let path = self.folder().join("refs").join(revision);
        // Opening a pipe would block.
        let file = path.is_file().then(|| File::open(&path))?.ok()?;
        let mut commit = String::new();
        file.take(64).read_to_string(&mut commit).ok()?;
        Some(commit.trim().to_owned())
    }

    /// Keep the commit of a branch or a tag, unless the cache has it already.
    pub(crate) fn set_reference(&self, revision: &str, commit: &str) -> Result<(), CacheError> {
        if revision == commit || self.reference(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        let (folders, name) = revision.rsplit_once('/').unwrap_or(("", revision));
        let folders = folders.split('/').filter(|folder| !folder.is_empty());
        let names = [self.name.as_str(), "refs"].into_iter().chain(folders);
        let path = self.cache.create_folder(names)?.join(name);
        let new = path.with_file_name(format!("{name}.{}.tmp", std::process::id()));
        // Written beside it and renamed, so that no process reads half of it.
        let _ = fs::remove_file(&new);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&new)
            .and_then(|mut file| io::Write::write_all(&mut file, commit.as_bytes()))
            .and_then(|()| fs::rename(&new, &path));
        written.map_err(|source| CacheError::write(&path, source))
    }
}

fn check_folder(path: &Path) -> Result<(), CacheError> {
    let metadata = fs::symlink_metadata(path).map_err(|source| CacheError::read(path, source))?;
    if metadata.is_dir() {
        return Ok(());
    }
    Err(CacheError::Kind {
        path: path.to_owned(),
        found: if metadata.is_symlink() {
            "a symbolic link"
        } else {
            "a file"
        },
        expected: "a folder",
    })
}

/// Returns whether the path leads to a regular file of this size below the folder.
fn is_file_below(path: &Path, size: u64, folder: &Path) -> bool {
    let (Ok(path), Ok(folder)) = (fs::canonicalize(path), fs::canonicalize(folder)) else {
        return false;
    };
    let is_file =
        || fs::metadata(&path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size);
    path.starts_with(folder) && is_file()
}

#[cfg(unix)]
fn symlink(target: &str, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(windows)]
fn symlink(target: &str, path: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target.replace('/', "\\"), path)
}

/// Returns whether the file system, or the user on Windows, cannot create links.
fn is_unsupported(error: &io::Error) -> bool {
    // Windows without developer mode: ERROR_PRIVILEGE_NOT_HELD.
    let is_privilege = cfg!(windows) && error.raw_os_error() == Some(1314);
    // Linux answers EPERM for a file system without links, such as FAT.
    let is_permission = cfg!(unix) && error.raw_os_error() == Some(1);
    is_privilege || is_permission || error.kind() == ErrorKind::Unsupported
}

/// Open a file of the cache to read and write it, and create it if it is missing. A link, or a pipe, which would block, is
/// an error.
pub(crate) fn open_regular(path: &Path) -> Result<File, CacheError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        libc::O_NOFOLLOW | libc::O_NONBLOCK,
    );
    let kind = |found| CacheError::Kind {
        path: path.to_owned(),
        found,
        expected: "a file",
    };
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
        return Err(kind("a symbolic link"));
    }
    let file = options
        .open(path)
        .map_err(|source| CacheError::write(path, source))?;
    let metadata = file
        .metadata()
        .map_err(|source| CacheError::read(path, source))?;
    if !metadata.is_file() {
        return Err(kind("not a regular file"));
    }
    Ok(file)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_read_only_one_have_their_own_words() {
        let cases = [
            (
                libc::ENOSPC,
                "no space is left for `/cache/blob`: free some",
            ),
            (
                libc::EDQUOT,
                "no space is left for `/cache/blob`: free some",
            ),
            (
                libc::EROFS,
                "cannot write `/cache/blob`: Read-only file system",
            ),
            (
                libc::EACCES,
                "cannot write `/cache/blob`: Permission denied",
            ),
            (libc::EIO, "cannot use `/cache/blob` of the cache"),
        ];
        for (code, expected) in cases {
            let error =
                CacheError::write(Path::new("/cache/blob"), io::Error::from_raw_os_error(code));
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    }
}
