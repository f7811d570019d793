//! The files of a revision.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::cache::CacheError;
use crate::digest::Digest;
use crate::hub::{Hub, escape};
use crate::path::{check_path, is_hex};
use crate::reference::Reference;
use crate::request_error::{RequestError, shown, text};

/// The largest page of a listing, in bytes. The hub's pages have 1000 files of about 300 bytes.
const MAX_PAGE_BYTES: usize = 8 << 20;
/// The most files of a listing.
const MAX_FILES: usize = 100_000;
/// The most pages of a listing.
const MAX_PAGES: usize = 1000;

/// The files of a repository at a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    pub(crate) repository: String,
    pub(crate) revision: String,
    pub(crate) commit: String,
    pub(crate) files: Vec<ListedFile>,
}

/// A file of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFile {
    /// Its path below the root, of names separated by `/`: neither absolute, nor with a part `.` or `..`.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of its contents.
    pub digest: Digest,
}

impl Listing {
    /// Returns the repository: `OWNER/NAME`, or `NAME` for a model without an owner.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the commit, in 40 hexadecimal digits.
    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// Returns the files in the hub's order.
    pub fn files(&self) -> &[ListedFile] {
        &self.files
    }

    /// Returns the file with this path.
    pub fn file(&self, path: &str) -> Option<&ListedFile> {
        self.files.iter().find(|file| file.path == path)
    }
}

/// A listing that the hub or the cache does not have, or that is not one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The hub gave no usable response.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The response is not the JSON of the hub's API.
    #[error(
        "{url} is not the API of a hub: expected JSON, got `{content_type}` ({problem}); check `HF_ENDPOINT` \
         and the proxy"
    )]
    NotJson {
        /// The address, without its query.
        url: String,
        /// The response's content type.
        content_type: String,
        /// The problem.
        problem: String,
    },
    /// The listing is larger than the limit.
    #[error(
        "the listing of model `{repository}` has more than {limit}: expected the repository of one model"
    )]
    TooLarge {
        /// The repository.
        repository: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// The listing has a path that leads out of a folder, or that no file can have.
    #[error(
        "the listing of model `{repository}` has the path `{}`, which is rejected because {reason}",
        path.escape_debug()
    )]
    Path {
        /// The repository.
        repository: String,
        /// The path.
        path: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// The listing names a commit or a digest that is not one.
    #[error("the listing of model `{repository}` has the {what} `{}`: expected {expected}", value.escape_debug())]
    Value {
        /// The repository.
        repository: String,
        /// `commit`, or whose digest it is.
        what: String,
        /// The text.
        value: String,
        /// The expected form.
        expected: &'static str,
    },
    /// The next page of the listing is on another server.
    #[error(
        "the listing of model `{repository}` continues at {url}, which is another server: expected a page of \
         the endpoint"
    )]
    Page {
        /// The repository.
        repository: String,
        /// The address, without its query.
        url: String,
    },
    /// The client is offline, and the cache has nothing of the revision.
    #[error(
        "`HF_HUB_OFFLINE` is set, and the cache `{cache}` has no model `{repository}` in revision \
         `{revision}`: unset `HF_HUB_OFFLINE` to download it"
    )]
    NotCached {
        /// The cache.
        cache: String,
        /// The repository.
        repository: String,
        /// The branch, tag or commit.
        revision: String,
    },
    /// The client is offline, and the cache cannot be read.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// The part of `/api/models/{repository}/revision/{revision}` that is needed.
#[derive(Deserialize)]
struct Revision {
    sha: String,
}

/// An entry of `/api/models/{repository}/tree/{commit}`.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    oid: String,
    #[serde(default)]
    size: u64,
    lfs: Option<LargeFile>,
}

/// A file that git stores elsewhere. Its entry's `oid` is the digest of a pointer.
#[derive(Deserialize)]
struct LargeFile {
    oid: String,
    size: u64,
}

impl Hub {
    /// List the files of a reference's revision.
    ///
    /// An offline client lists the files of the revision that the cache contains.
    ///
    /// # Errors
    /// If the hub does not serve the revision to this client, its response is not a listing, the listing has more than
    /// 100000 files, or a path of it could lead out of a folder.
    pub fn list(&self, reference: &Reference) -> Result<Listing, ListError> {
        if self.settings().offline {
            return self.list_offline(reference);
        }
        let commit = self.commit(reference)?;
        let files = self.tree(reference.repository(), &commit)?;
        Ok(Listing {
            repository: reference.repository().to_owned(),
            revision: reference.revision().to_owned(),
            commit,
            files,
        })
    }

    /// Returns the commit of a revision.
    fn commit(&self, reference: &Reference) -> Result<String, ListError> {
        let (repository, revision) = (reference.repository(), reference.revision());
        if is_hex(revision, 40) {
            return Ok(revision.to_owned());
        }
        let path = format!(
            "/api/models/{repository}/revision/{}?expand=sha",
            escape(revision)
        );
        let (Revision { sha }, _) = self.page(repository, revision, &self.client.url(&path))?;
        // It becomes a folder of the cache.
        if !is_hex(&sha, 40) {
            return Err(ListError::Value {
                repository: repository.to_owned(),
                what: "commit".to_owned(),
                value: sha,
                expected: "40 lowercase hexadecimal digits",
            });
        }
        Ok(sha)
    }

    /// Returns the files of a commit, from all pages.
    fn tree(&self, repository: &str, commit: &str) -> Result<Vec<ListedFile>, ListError> {
        let too_large = |limit| ListError::TooLarge {
            repository: repository.to_owned(),
            limit,
        };
        let path = format!("/api/models/{repository}/tree/{commit}?recursive=true&expand=false");
        let mut next = Some(self.client.url(&path));
        let mut files = Vec::new();
        let mut pages = 0;
        while let Some(url) = next {
            if pages == MAX_PAGES {
                return Err(too_large(format!("{MAX_PAGES} pages")));
            }
            pages += 1;
            let (entries, after): (Vec<Entry>, _) = self.page(repository, commit, &url)?;
            for entry in entries.into_iter().filter(|entry| entry.kind == "file") {
                files.push(listed(repository, entry)?);
            }
            if files.len() > MAX_FILES {
                return Err(too_large(format!("{MAX_FILES} files")));
            }
            next = after;
        }
        Ok(files)
    }

    /// Request a page, and return the address of the next one.
    fn page<T: DeserializeOwned>(
        &self,
        repository: &str,
        revision: &str,
        url: &Url,
    ) -> Result<(T, Option<Url>), ListError> {
        let subject = self.client.subject(repository, revision, None);
        let (head, body) = self.retry(|| {
            let mut response = self.client.get(url, None, &subject)?;
            let body = response.read_to_limit(MAX_PAGE_BYTES)?;
            Ok((response, body))
        })?;
        if body.len() > MAX_PAGE_BYTES {
            return Err(ListError::TooLarge {
                repository: repository.to_owned(),
                limit: format!("{} MiB in a page", MAX_PAGE_BYTES >> 20),
            });
        }
        let page = serde_json::from_slice(&body).map_err(|error| ListError::NotJson {
            url: shown(&head.url),
            content_type: head
                .header("content-type")
                .unwrap_or("no content type")
                .to_owned(),
            problem: error.to_string(),
        })?;
        let next = next_page(text(&head.headers, "link").unwrap_or_default())
            .and_then(|link| head.url.join(link).ok());
        match next {
            Some(next) if !self.client.is_endpoint(&next) => Err(ListError::Page {
                repository: repository.to_owned(),
                url: shown(&next),
            }),
            next => Ok((page, next)),
        }
    }
}

/// Returns the target of `<…>; rel="next"` in a header `Link` (RFC 8288).
fn next_page(header: &str) -> Option<&str> {
    let mut rest = header;
    loop {
        let (target, after) = rest.split_once('<')?.1.split_once('>')?;
        let parameters = after
            .split_once('<')
            .map_or(after, |(parameters, _)| parameters);
        let mut parameters = parameters.split([';', ',']).map(str::trim);
        if parameters.any(|parameter| matches!(parameter, "rel=\"next\"" | "rel=next")) {
            return Some(target);
        }
        rest = after;
    }
}

fn listed(repository: &str, entry: Entry) -> Result<ListedFile, ListError> {
    if let Err(problem) = check_path(&entry.path) {
        return Err(ListError::Path {
            repository: repository.to_owned(),
            path: entry.path,
            reason: problem.reason(),
        });
    }
    let (size, digits, digest, expected) = match entry.lfs {
        Some(LargeFile { oid, size }) => {
            let digest = Digest::sha256(&oid);
            (
                size,
                oid,
                digest,
                "a SHA-256 in 64 lowercase hexadecimal digits",
            )
        }
        None => {
            let digest = Digest::git_blob(&entry.oid);
            (
                entry.size,
                entry.oid,
                digest,
                "a git blob in 40 lowercase hexadecimal digits",
            )
        }
    };
    match digest {
        Some(digest) => Ok(ListedFile {
            path: entry.path,
            size,
            digest,
        }),
        None => Err(ListError::Value {
            repository: repository.to_owned(),
            what: format!("digest of `{}`", entry.path),
            value: digits,
            expected,
        }),
    }
}
