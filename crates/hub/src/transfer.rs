//! The transfer of one file: requests until it is complete, then its checks.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use url::Url;

use crate::backoff::Backoff;
use crate::cache::{CacheError, Storage, open_regular};
use crate::digest::Hasher;
use crate::download::{DownloadError, Progress};
use crate::http::{Range, Response};
use crate::hub::Hub;
use crate::listing::{ListedFile, Listing};
use crate::request_error::{RequestError, host};

/// The size of the reads from a server, in bytes.
const BUFFER_BYTES: usize = 128 * 1024;
/// The bytes of progress after which earlier failures of a transfer no longer count.
const PROGRESS_BYTES: u64 = 1 << 20;

/// A blob's file until it is complete.
struct Incomplete<'f> {
    path: PathBuf,
    file: File,
    /// The digest of the bytes so far.
    hasher: Hasher,
    /// The number of bytes so far.
    length: u64,
    /// Whether some of the bytes are from an earlier request.
    is_resumed: bool,
    listed: &'f ListedFile,
}

/// How one request ended.
enum Outcome {
    Complete,
    /// The server cannot continue the bytes so far.
    StartOver,
    Failed(RequestError),
}

impl Hub {
    /// Download a file to its blob. The caller holds the blob's lock.
    pub(crate) fn transfer(
        &self,
        storage: &Storage,
        listing: &Listing,
        file: &ListedFile,
        progress: &dyn Progress,
    ) -> Result<(), DownloadError> {
        let mut incomplete = Incomplete::open(storage.create_incomplete(&file.digest)?, file)?;
        let url = self.file_url(listing.repository(), listing.commit(), &file.path);
        let mut is_second = false;
        loop {
            self.complete(listing, &url, &mut incomplete, progress)?;
            let got = incomplete.hasher.clone().finish();
            if got == file.digest.digits() {
                break;
            }
            // The bytes of an earlier request may be damaged. A second file, or one in a single piece, is wrong.
            let is_last = is_second || !incomplete.is_resumed;
            is_second = true;
            incomplete.clear()?;
            if is_last {
                // Its rest has no use.
                let _ = fs::remove_file(&incomplete.path);
                return Err(DownloadError::Digest {
                    path: file.path.clone(),
                    expected: file.digest.to_string(),
                    got,
                });
            }
        }
        let blob = storage.blob(&file.digest);
        fs::rename(&incomplete.path, &blob).map_err(|source| CacheError::write(&blob, source))?;
        Ok(())
    }

    /// Request the missing bytes until there are none.
    fn complete(
        &self,
        listing: &Listing,
        url: &Url,
        incomplete: &mut Incomplete<'_>,
        progress: &dyn Progress,
    ) -> Result<(), DownloadError> {
        let file = incomplete.listed;
        let mut backoff = Backoff::default();
        let mut validator = None;
        let mut has_started_over = false;
        // It only grows, even if the file starts over, which bounds the number of retries.
        let mut most = incomplete.length;
        while incomplete.length < file.size {
            match self.request(listing, url, incomplete, &mut validator, progress)? {
                Outcome::Complete => (),
                Outcome::StartOver if !has_started_over => {
                    has_started_over = true;
                    validator = None;
                    incomplete.clear()?;
                }
                Outcome::StartOver => {
                    return Err(failed(
                        file,
                        RequestError::Protocol {
                            host: host(url),
                            reason: "it sends another range than the requested one".to_owned(),
                        },
                    ));
                }
                Outcome::Failed(error) => {
                    if incomplete.length >= most.saturating_add(PROGRESS_BYTES) {
                        most = incomplete.length;
                        backoff.reset();
                    }
                    let Some(wait) = backoff.next(&error) else {
                        return Err(failed(file, error));
                    };
                    progress.retry(&file.path, &error, wait);
                    self.wait(wait);
                }
            }
        }
        Ok(())
    }

    /// Request the missing bytes once.
    fn request(
        &self,
        listing: &Listing,
        url: &Url,
        incomplete: &mut Incomplete<'_>,
        validator: &mut Option<String>,
        progress: &dyn Progress,
    ) -> Result<Outcome, DownloadError> {
        let file = incomplete.listed;
        let range = (incomplete.length > 0).then(|| Range {
            first: incomplete.length,
            last: None,
            validator: validator.clone(),
        });
        let subject = self
            .client
            .subject(listing.repository(), listing.commit(), Some(&file.path));
        let mut response = match self.client.get(url, range.as_ref(), &subject) {
            Ok(response) => response,
            Err(error) => return Ok(Outcome::Failed(error)),
        };
        if response.status.as_u16() == 200 {
            // The server ignores ranges, or the file has another ETag than before.
            if incomplete.length > 0 {
                incomplete.clear()?;
            }
            check_size(file, &response, response.content_length())?;
        } else {
            let (first, size) = match response.content_range() {
                Some(range) if response.status.as_u16() == 206 => range,
                _ => return Ok(Outcome::StartOver),
            };
            check_size(file, &response, size)?;
            if first != incomplete.length {
                return Ok(Outcome::StartOver);
            }
        }
        incomplete.is_resumed = incomplete.length > 0;
        *validator = strong_etag(&response);
        incomplete.receive(&mut response, progress)
    }
}

impl<'f> Incomplete<'f> {
    /// Open the file, and compute the digest of what it has.
    fn open(path: PathBuf, listed: &'f ListedFile) -> Result<Self, CacheError> {
        let mut incomplete = Self {
            file: open_regular(&path)?,
            path,
            hasher: listed.digest.hasher(listed.size),
            length: 0,
            is_resumed: false,
            listed,
        };
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = incomplete.file.read(&mut buffer);
            match read.map_err(|source| CacheError::read(&incomplete.path, source))? {
                0 => break,
                read => {
                    incomplete.hasher.update(&buffer[..read]);
                    incomplete.length += read as u64;
                }
            }
            if incomplete.length > listed.size {
                incomplete.clear()?;
                break;
            }
        }
        incomplete.is_resumed = incomplete.length > 0;
        Ok(incomplete)
    }

    /// Remove all bytes.
    fn clear(&mut self) -> Result<(), CacheError> {
        let emptied = self
            .file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|source| CacheError::write(&self.path, source))?;
        self.hasher = self.listed.digest.hasher(self.listed.size);
        self.length = 0;
        self.is_resumed = false;
        Ok(())
    }

    /// Append the body of a response, up to the listed size.
    fn receive(
        &mut self,
        response: &mut Response,
        progress: &dyn Progress,
    ) -> Result<Outcome, DownloadError> {
        let size = self.listed.size;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = match response.read(&mut buffer) {
                Ok(0) if self.length < size => {
                    return Ok(Outcome::Failed(RequestError::Interrupted {
                        host: host(&response.url),
                        reason: format!("{} of {size} bytes", self.length),
                    }));
                }
                Ok(0) => return Ok(Outcome::Complete),
                Ok(read) => read,
                // The bytes are complete, whatever comes after them.
                Err(_) if self.length == size => return Ok(Outcome::Complete),
                Err(error) => return Ok(Outcome::Failed(error)),
            };
            if read as u64 > size - self.length {
                let got = "more than that".to_owned();
                self.discard();
                return Err(wrong_size(self.listed, response, got));
            }
            let bytes = &buffer[..read];
            let written = self.file.write_all(bytes);
            written.map_err(|source| CacheError::write(&self.path, source))?;
            self.hasher.update(bytes);
            self.length += read as u64;
            progress.advance(&self.listed.path, self.length, size);
        }
    }

    /// Remove the file, which has no use.
    fn discard(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn failed(file: &ListedFile, source: RequestError) -> DownloadError {
    DownloadError::Request {
        path: file.path.clone(),
        source,
    }
}

/// Check the size that a response announces before any of its bytes is written.
fn check_size(
    file: &ListedFile,
    response: &Response,
    size: Option<u64>,
) -> Result<(), DownloadError> {
    match size {
        Some(size) if size != file.size => Err(wrong_size(file, response, size.to_string())),
        _ => Ok(()),
    }
}

fn wrong_size(file: &ListedFile, response: &Response, got: String) -> DownloadError {
    DownloadError::Size {
        path: file.path.clone(),
        expected: file.size,
        got,
        content_type: response
            .header("content-type")
            .unwrap_or("unknown")
            .to_owned(),
    }
}

/// Returns the ETag if it promises that the bytes are the same (RFC 9110, section 13.1.5).
fn strong_etag(response: &Response) -> Option<String> {
    let etag = response.header("etag")?;
    etag.starts_with('"').then(|| etag.to_owned())
}
