//! Downloading files into the cache.

use std::path::PathBuf;
use std::time::Duration;

use crate::cache::{CacheError, Storage};
use crate::hub::Hub;
use crate::listing::{ListedFile, Listing};
use crate::lock::Lock;
use crate::request_error::RequestError;

/// An observer of a download. Its methods are called often, in the downloading thread.
pub trait Progress {
    /// The cache has `received` of a file's `total` bytes. A file that is complete from the start is reported once.
    ///
    /// `received` can become smaller, if a file has changed or was damaged and its download starts over.
    fn advance(&self, path: &str, received: u64, total: u64);

    /// A file's request failed with a temporary error, and is repeated after `wait`.
    fn retry(&self, path: &str, error: &RequestError, wait: Duration) {
        let _ = (path, error, wait);
    }
}

/// Reports nothing.
impl Progress for () {
    fn advance(&self, _path: &str, _received: u64, _total: u64) {}
}

/// A file that was not downloaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The server gave no usable response.
    #[error("cannot download `{path}`: {source}")]
    Request {
        /// The file.
        path: String,
        /// The problem.
        source: RequestError,
    },
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The listing does not have the file.
    #[error("model `{repository}` has no file `{path}`")]
    NotListed {
        /// The repository.
        repository: String,
        /// The file.
        path: String,
    },
    /// The client is offline, and the cache does not have the file.
    #[error(
        "`HF_HUB_OFFLINE` is set, and the cache does not have `{path}`: unset `HF_HUB_OFFLINE` to download it"
    )]
    Offline {
        /// The file.
        path: String,
    },
    /// The server announces or sends another size than the hub lists.
    #[error(
        "`{path}` is not the listed file: expected {expected} bytes, got {got} of type `{content_type}`; \
         check `HF_ENDPOINT` and the proxy"
    )]
    Size {
        /// The file.
        path: String,
        /// The listed size in bytes.
        expected: u64,
        /// The size in bytes, in words.
        got: String,
        /// The content type of the response.
        content_type: String,
    },
    /// The server sends other contents than the hub lists.
    #[error(
        "`{path}` is damaged or not the listed file: expected {expected}, got {got}; try again, and check \
         `HF_ENDPOINT` and the proxy"
    )]
    Digest {
        /// The file.
        path: String,
        /// The listed digest.
        expected: String,
        /// The digest of the contents, in hexadecimal digits.
        got: String,
    },
}

impl Hub {
    /// Put files of a listing into the cache, and return the folder of the snapshot, which contains them under their
    /// paths. What the cache has already is not requested again.
    ///
    /// Each file is downloaded to a file with the ending `.incomplete`, where a later call continues. It is renamed after
    /// its size and its digest have been checked. A lock keeps other processes from downloading it at the same time.
    ///
    /// # Errors
    /// If the listing does not have a path, a server or the cache fails, or a file is not the listed one.
    pub fn download(
        &self,
        listing: &Listing,
        paths: &[&str],
        progress: &dyn Progress,
    ) -> Result<PathBuf, DownloadError> {
        let storage = self.cache.storage(listing.repository());
        let files = paths.iter().map(|path| listed(listing, path));
        let files = files.collect::<Result<Vec<_>, _>>()?;
        let mut is_complete = true;
        for file in files {
            if !storage.has_file(listing.commit(), file) {
                is_complete = false;
                self.add(&storage, listing, file, progress)?;
            }
            progress.advance(&file.path, file.size, file.size);
        }
        match storage.set_reference(&listing.revision, listing.commit()) {
            // The cache may be read-only if nothing is missing from it.
            Err(_) if is_complete => (),
            result => result?,
        }
        Ok(storage.snapshot(listing.commit()))
    }

    /// Put a file into the snapshot.
    fn add(
        &self,
        storage: &Storage,
        listing: &Listing,
        file: &ListedFile,
        progress: &dyn Progress,
    ) -> Result<(), DownloadError> {
        let _lock = Lock::take(self, &storage.create_lock(&file.digest)?)?;
        if !storage.has_blob(file) {
            if self.settings().offline {
                return Err(DownloadError::Offline {
                    path: file.path.clone(),
                });
            }
            self.transfer(storage, listing, file, progress)?;
        }
        Ok(storage.link(listing.commit(), file)?)
    }
}

/// Returns the file with this path.
pub(crate) fn listed<'l>(
    listing: &'l Listing,
    path: &str,
) -> Result<&'l ListedFile, DownloadError> {
    listing.file(path).ok_or_else(|| DownloadError::NotListed {
        repository: listing.repository().to_owned(),
        path: path.to_owned(),
    })
}
