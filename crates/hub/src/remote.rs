//! Reading parts of a file without downloading it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use url::Url;

use crate::cache::CacheError;
use crate::download::{DownloadError, listed};
use crate::http::{Range, Response};
use crate::hub::Hub;
use crate::listing::{ListedFile, Listing};
use crate::request_error::{RequestError, host, is_same_origin, shown};

/// The fewest bytes that are requested, unless the file ends before.
const MIN_REQUEST_BYTES: u64 = 64 * 1024;

/// A file of the hub, of which parts are read. A file in the cache is read from there.
#[derive(Debug)]
pub struct RemoteFile {
    hub: Hub,
    repository: String,
    commit: String,
    listed: ListedFile,
    source: Source,
    /// The bytes of the latest request.
    buffer: Vec<u8>,
    /// Their range in the file.
    buffer_start: u64,
}

#[derive(Debug)]
enum Source {
    Cached(PathBuf, File),
    Server {
        /// The hub's address of the file.
        url: Url,
        /// The target of the latest redirect, a temporary address.
        storage: Option<Url>,
    },
}

/// A part of a file that was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The server gave no usable response.
    #[error("cannot read `{path}`: {source}")]
    Request {
        /// The file.
        path: String,
        /// The problem.
        source: RequestError,
    },
    /// The file cannot be opened.
    #[error(transparent)]
    Open(#[from] DownloadError),
    /// The server sends whole files only.
    #[error(
        "{url} ignores the header `Range`: expected status 206 for a part of `{path}`; download the whole \
         file instead"
    )]
    NoRanges {
        /// The address, without its query.
        url: String,
        /// The file.
        path: String,
    },
    /// The server sends another part than the requested one.
    #[error("{url} sends {got} of `{path}`: expected bytes {first} to {last} of {size}")]
    Range {
        /// The address, without its query.
        url: String,
        /// The file.
        path: String,
        /// Its response, in words.
        got: String,
        /// The first byte requested.
        first: u64,
        /// The last byte requested.
        last: u64,
        /// The listed size in bytes.
        size: u64,
    },
}

impl Hub {
    /// Open a file to read parts of it. Nothing is requested yet.
    ///
    /// The bytes come without a check of their digest, which only a whole file has.
    ///
    /// # Errors
    /// If the listing does not have the file, or the client is offline and the cache does not have it.
    pub fn open(&self, listing: &Listing, path: &str) -> Result<RemoteFile, ReadError> {
        let file = listed(listing, path)?;
        let storage = self.cache.storage(listing.repository());
        let blob = storage.blob(&file.digest);
        let source = if storage.has_blob(file) {
            let opened = File::open(&blob)
                .map_err(|source| DownloadError::from(CacheError::read(&blob, source)))?;
            Source::Cached(blob, opened)
        } else if self.settings().offline {
            let path = file.path.clone();
            return Err(DownloadError::Offline { path }.into());
        } else {
            Source::Server {
                url: self.file_url(listing.repository(), listing.commit(), &file.path),
                storage: None,
            }
        };
        Ok(RemoteFile {
            hub: self.clone(),
            repository: listing.repository().to_owned(),
            commit: listing.commit().to_owned(),
            listed: file.clone(),
            source,
            buffer: Vec::new(),
            buffer_start: 0,
        })
    }
}

impl RemoteFile {
    /// Returns the file's path, size and digest.
    pub fn listed(&self) -> &ListedFile {
        &self.listed
    }

    /// Read `length` bytes from `offset` on; fewer at the end of the file, and none behind it.
    ///
    /// A request asks for at least 64 KiB, and the rest of its bytes is kept for the next call.
    ///
    /// # Errors
    /// If the server fails, ignores ranges, or sends another range than the requested one.
    pub fn read_at(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, ReadError> {
        let end = offset.saturating_add(length as u64).min(self.listed.size);
        if offset >= end {
            return Ok(Vec::new());
        }
        if self.buffered(offset, end).is_none() {
            let request_end = end
                .max(offset.saturating_add(MIN_REQUEST_BYTES))
                .min(self.listed.size);
            self.buffer = self.fetch(offset, request_end)?;
            self.buffer_start = offset;
        }
        // The fetched bytes start at the offset, and reach its end.
        Ok(self.buffered(offset, end).unwrap_or_default().to_vec())
    }

    /// Returns these bytes of the file if the latest request has them.
    fn buffered(&self, offset: u64, end: u64) -> Option<&[u8]> {
        let start = usize::try_from(offset.checked_sub(self.buffer_start)?).ok()?;
        let length = usize::try_from(end - offset).ok()?;
        self.buffer.get(start..start.checked_add(length)?)
    }

    fn fetch(&mut self, offset: u64, end: u64) -> Result<Vec<u8>, ReadError> {
        if let Source::Cached(path, file) = &mut self.source {
            let mut bytes = Vec::new();
            let read = file
                .seek(SeekFrom::Start(offset))
                .and_then(|_| file.take(end - offset).read_to_end(&mut bytes));
            read.map_err(|source| DownloadError::from(CacheError::read(path, source)))?;
            return Ok(bytes);
        }
        let hub = self.hub.clone();
        let result = hub.retry(|| self.request(offset, end));
        result.map_err(|source| ReadError::Request {
            path: self.listed.path.clone(),
            source,
        })?
    }

    /// Request a range once. The outer error is one of the request, which may be temporary.
    fn request(
        &mut self,
        offset: u64,
        end: u64,
    ) -> Result<Result<Vec<u8>, ReadError>, RequestError> {
        let Source::Server { url, storage } = &mut self.source else {
            return Ok(Ok(Vec::new()));
        };
        let range = Range {
            first: offset,
            last: Some(end - 1),
            validator: None,
        };
        let subject =
            self.hub
                .client
                .subject(&self.repository, &self.commit, Some(&self.listed.path));
        let mut response = match storage.take() {
            // The permission may have ended since, so any failure leads back to the hub.
            Some(storage) => match self.hub.client.get(&storage, Some(&range), &subject) {
                Ok(response) => response,
                Err(_) => self.hub.client.get(url, Some(&range), &subject)?,
            },
            None => self.hub.client.get(url, Some(&range), &subject)?,
        };
        if !is_same_origin(&response.url, url) {
            *storage = Some(response.url.clone());
        }
        if let Err(error) = check_range(&response, &self.listed, offset, end) {
            return Ok(Err(error));
        }
        // A range of memory's size was requested, but the server decides what it sends.
        let wanted = usize::try_from(end - offset).unwrap_or(usize::MAX - 1);
        let mut bytes = response.read_to_limit(wanted)?;
        if bytes.len() < wanted {
            return Err(RequestError::Interrupted {
                host: host(&response.url),
                reason: format!("{} of {wanted} bytes", bytes.len()),
            });
        }
        bytes.truncate(wanted);
        Ok(Ok(bytes))
    }
}

/// Check that a response has the requested bytes of the listed file.
fn check_range(
    response: &Response,
    file: &ListedFile,
    offset: u64,
    end: u64,
) -> Result<(), ReadError> {
    let url = shown(&response.url);
    let path = file.path.clone();
    if response.status.as_u16() == 200 {
        return Err(ReadError::NoRanges { url, path });
    }
    let range = response
        .content_range()
        .filter(|_| response.status.as_u16() == 206);
    let got = match range {
        Some((first, total)) if first == offset && total.is_none_or(|total| total == file.size) => {
            return Ok(());
        }
        Some((first, Some(total))) => format!("bytes from {first} of {total}"),
        Some((first, None)) => format!("bytes from {first}"),
        None => "no valid `Content-Range`".to_owned(),
    };
    Err(ReadError::Range {
        url,
        path,
        got,
        first: offset,
        last: end - 1,
        size: file.size,
    })
}
