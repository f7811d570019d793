//! A small hub: one repository, with its large files on another server, as on the real one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use infer_hub::{Hub, Listing, Reference, Settings, Token};
use ring::digest;
use serde_json::json;
use tempfile::TempDir;

use crate::server::{Reply, Request, Server};

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub const TOKEN: &str = "hf_secret";
/// Its files are more than one page.
const PAGE: usize = 2;

/// A file, whose contents are large or in git itself.
#[derive(Clone)]
pub struct Content {
    pub path: &'static str,
    pub bytes: Vec<u8>,
    pub is_large: bool,
}

impl Content {
    pub fn digest(&self) -> String {
        if self.is_large {
            hex(&digest::SHA256, &self.bytes)
        } else {
            let mut blob = format!("blob {}\0", self.bytes.len()).into_bytes();
            blob.extend_from_slice(&self.bytes);
            hex(&digest::SHA1_FOR_LEGACY_USE_ONLY, &blob)
        }
    }
}

fn hex(algorithm: &'static digest::Algorithm, bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in digest::digest(algorithm, bytes).as_ref() {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// 3 MB that do not repeat within a read's size.
static LARGE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let bytes = (0..3_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8);
    bytes.collect()
});

/// Returns the contents of the large file.
pub fn large_bytes() -> Vec<u8> {
    LARGE.clone()
}

pub fn contents() -> Vec<Content> {
    let file = |path, bytes: &[u8], is_large| Content {
        path,
        bytes: bytes.to_vec(),
        is_large,
    };
    vec![
        file(".gitattributes", b"", false),
        file("config.json", b"{\"model_type\": \"bert\"}\n", false),
        // Its name is escaped in an address.
        file("onnx/a b#?%c.json", b"{}", false),
        file("onnx/model.onnx", &large_bytes(), true),
        file("README.md", b"# A model\n", false),
    ]
}

/// A response in place of the usual one.
pub type Fault = dyn Fn(&Request) -> Option<Reply> + Send + Sync;
type Faults = Arc<Mutex<Vec<Box<Fault>>>>;

/// The hub, the storage of its large files, and an empty cache.
pub struct Fixture {
    pub hub: Server,
    pub storage: Server,
    faults: Faults,
    folder: TempDir,
    /// The waits between retries, in seconds.
    pub waits: Arc<Mutex<Vec<u64>>>,
}

impl Fixture {
    pub fn new() -> Self {
        let faults: Faults = Arc::default();
        let fault = |faults: &Faults, request: &Request| {
            let faults = faults.lock().unwrap();
            faults.iter().find_map(|fault| fault(request))
        };
        let storage = Server::start({
            let faults = faults.clone();
            move |request| fault(&faults, request).unwrap_or_else(|| stored(request))
        });
        let hub = Server::start({
            let (faults, storage) = (faults.clone(), storage.url());
            move |request| fault(&faults, request).unwrap_or_else(|| api(request, &storage))
        });
        Self {
            hub,
            storage,
            faults,
            folder: tempfile::tempdir().unwrap(),
            waits: Arc::default(),
        }
    }

    /// Respond differently to the requests for which `fault` returns something, on both servers.
    pub fn fault(&self, fault: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) {
        self.faults.lock().unwrap().push(Box::new(fault));
    }

    /// Respond differently to a path, which may end with `*`.
    pub fn fault_at(
        &self,
        path: &str,
        fault: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
    ) {
        let path = path.to_owned();
        self.fault(move |request| {
            let matches = match path.strip_suffix('*') {
                Some(start) => request.path().starts_with(start),
                None => request.path() == path,
            };
            matches.then(|| fault(request)).flatten()
        });
    }

    /// Returns the folder of `HF_HOME`.
    pub fn home(&self) -> &Path {
        self.folder.path()
    }

    pub fn cache(&self) -> PathBuf {
        self.home().join("hub")
    }

    pub fn settings(&self) -> Settings {
        let mut settings = Settings::new(&self.hub.url(), self.cache()).unwrap();
        settings.proxy = false;
        settings.token = Token::new(TOKEN).unwrap();
        let waits = self.waits.clone();
        settings.wait = Arc::new(move |wait: Duration| waits.lock().unwrap().push(wait.as_secs()));
        settings
    }

    pub fn client(&self) -> Hub {
        Hub::new(self.settings()).unwrap()
    }

    pub fn list(&self) -> Listing {
        self.client().list(&reference()).unwrap()
    }

    pub fn waits(&self) -> Vec<u64> {
        std::mem::take(&mut *self.waits.lock().unwrap())
    }
}

pub fn reference() -> Reference {
    "hf:owner/name".parse().unwrap()
}

/// Returns the hub's response without a fault.
fn api(request: &Request, storage: &str) -> Reply {
    let path = request.path();
    if let Some(revision) = path.strip_prefix("/api/models/owner/name/revision/") {
        let is_known = ["main", "refs%2Fpr%2F1", COMMIT].contains(&revision);
        return if is_known {
            json_reply(&json!({"id": "owner/name", "sha": COMMIT, "siblings": []}))
        } else {
            Reply::new(404).with("x-error-code", "RevisionNotFound")
        };
    }
    if path == format!("/api/models/owner/name/tree/{COMMIT}") {
        return tree(request);
    }
    // A renamed repository.
    if let Some(rest) = path.strip_prefix("/api/models/old-name/") {
        return Reply::new(307).with("location", format!("/api/models/owner/name/{rest}"));
    }
    for revision in ["main", COMMIT] {
        if let Some(name) = path.strip_prefix(&format!("/owner/name/resolve/{revision}/")) {
            return resolve(request, name, storage);
        }
    }
    Reply::new(401).with("x-error-code", "RepoNotFound")
}

fn json_reply(value: &serde_json::Value) -> Reply {
    Reply::new(200)
        .with("content-type", "application/json; charset=utf-8")
        .body(value.to_string())
}

/// Returns a file's entry in a listing.
pub fn entry(file: &Content) -> serde_json::Value {
    if file.is_large {
        let pointer = "f".repeat(40);
        let lfs = json!({"oid": file.digest(), "size": file.bytes.len(), "pointerSize": 132});
        json!({"type": "file", "oid": pointer, "size": file.bytes.len(), "path": file.path, "lfs": lfs})
    } else {
        json!({"type": "file", "oid": file.digest(), "size": file.bytes.len(), "path": file.path})
    }
}

fn tree(request: &Request) -> Reply {
    let mut entries =
        vec![json!({"type": "directory", "oid": "a".repeat(40), "size": 0, "path": "onnx"})];
    entries.extend(contents().iter().map(entry));
    let start = request
        .target
        .split_once("cursor=")
        .map_or(0, |(_, at)| at.parse().unwrap());
    let end = entries.len().min(start + PAGE);
    let reply = json_reply(&json!(entries[start..end]));
    if end == entries.len() {
        return reply;
    }
    let host = request.header("host").unwrap();
    let next = format!(
        "http://{host}{}?recursive=true&expand=false&limit={PAGE}&cursor={end}",
        request.path()
    );
    reply.with("link", format!("<{next}>; rel=\"next\""))
}

/// Returns the text without its escapes.
fn unescape(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .unwrap()
        .into_owned()
}

fn resolve(request: &Request, name: &str, storage: &str) -> Reply {
    let name = unescape(name);
    let Some(file) = contents().into_iter().find(|file| file.path == name) else {
        return Reply::new(404).with("x-error-code", "EntryNotFound");
    };
    if file.is_large {
        let digest = file.digest();
        return Reply::new(302)
            .with(
                "location",
                format!("{storage}/blobs/{digest}?signature=secret"),
            )
            .with("x-repo-commit", COMMIT)
            .with("x-linked-etag", format!("\"{digest}\""))
            .with("x-linked-size", file.bytes.len().to_string());
    }
    ranged(request, &file.bytes, &file.digest()).with("x-repo-commit", COMMIT)
}

fn stored(request: &Request) -> Reply {
    let digest = request.path().trim_start_matches("/blobs/");
    match contents().into_iter().find(|file| file.digest() == digest) {
        Some(file) => ranged(request, &file.bytes, "storage-etag"),
        None => Reply::new(403),
    }
}

/// Respond to a request for a file or a part of it (RFC 9110, section 14).
pub fn ranged(request: &Request, bytes: &[u8], etag: &str) -> Reply {
    let etag = format!("\"{etag}\"");
    let range = request
        .header("range")
        .and_then(|range| range.strip_prefix("bytes="));
    let is_same = request
        .header("if-range")
        .is_none_or(|validator| validator == etag);
    let Some((first, last)) = range
        .and_then(|range| range.split_once('-'))
        .filter(|_| is_same)
    else {
        return Reply::new(200).with("etag", etag).body(bytes);
    };
    let first: usize = first.parse().unwrap();
    if first >= bytes.len() {
        return Reply::new(416).with("content-range", format!("bytes */{}", bytes.len()));
    }
    let last = last
        .parse()
        .map_or(bytes.len() - 1, |last: usize| last.min(bytes.len() - 1));
    Reply::new(206)
        .with("etag", etag)
        .with(
            "content-range",
            format!("bytes {first}-{last}/{}", bytes.len()),
        )
        .body(&bytes[first..=last])
}
