//! Models of the Hugging Face hub: listing a repository's files, reading parts of them, and downloading them into the
//! cache that the Python package `huggingface_hub` uses too.
//!
//! 1. [`Reference`] parses `hf:OWNER/NAME[@REVISION][:VARIANT]`.
//! 2. [`Settings`] reads the environment variables of the Python package, and [`Hub`] is the client.
//! 3. [`Hub::list`] resolves the revision to a commit, and lists its files with their sizes and digests.
//! 4. [`Hub::open`] reads ranges of a file, and [`Hub::download`] fetches whole files into the cache.
//!
//! Everything blocks. A server, a redirect and a cache are untrusted: the token goes to the endpoint alone, sizes bound
//! what is read and written, each digest is checked, and a path or a symbolic link does not lead out of the cache. A
//! temporary failure is retried a bounded number of times, and every wait for a peer has a timeout.

mod backoff;
mod cache;
mod digest;
mod download;
mod environment;
mod http;
mod hub;
mod listing;
mod lock;
mod offline;
mod path;
mod reference;
mod remote;
mod request_error;
mod settings;
mod transfer;

pub use cache::CacheError;
pub use digest::Digest;
pub use download::{DownloadError, Progress};
pub use hub::Hub;
pub use listing::{ListError, ListedFile, Listing};
pub use reference::{Reference, ReferenceError};
pub use remote::{ReadError, RemoteFile};
pub use request_error::RequestError;
pub use settings::{Settings, SettingsError, Token, Wait};
