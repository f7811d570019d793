//! Downloading files, and what goes wrong on the way.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use infer_hub::{Hub, Progress, RequestError};

use crate::fixture::{COMMIT, Content, Fault, Fixture, contents, large_bytes, ranged, reference};
use crate::report;
use crate::server::{Reply, Request};

pub const LARGE: &str = "onnx/model.onnx";

pub fn large() -> Content {
    contents()
        .into_iter()
        .find(|file| file.path == LARGE)
        .unwrap()
}

pub fn blobs(fixture: &Fixture) -> std::path::PathBuf {
    fixture.cache().join("models--owner--name/blobs")
}

pub fn incomplete(fixture: &Fixture) -> std::path::PathBuf {
    blobs(fixture).join(format!("{}.incomplete", large().digest()))
}

/// Download the large file, and check its contents.
pub fn download_large(fixture: &Fixture) -> Result<(), String> {
    let client = fixture.client();
    let listing = client
        .list(&reference())
        .map_err(|error| error.to_string())?;
    let snapshot = client
        .download(&listing, &[LARGE], &())
        .map_err(|error| error.to_string())?;
    let bytes = fs::read(snapshot.join(LARGE)).map_err(|error| error.to_string())?;
    if bytes == large_bytes() {
        Ok(())
    } else {
        Err("other contents".to_owned())
    }
}

/// Respond differently to the requests for the large file's contents.
pub fn fault_large(
    fixture: &Fixture,
    fault: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
) {
    fixture.fault_at("/blobs/*", fault);
}

#[test]
fn a_snapshot_has_the_layout_of_the_cache() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let listing = client.list(&reference()).unwrap();
    let paths: Vec<_> = listing
        .files()
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    let snapshot = client.download(&listing, &paths, &()).unwrap();
    let storage = fixture.cache().join("models--owner--name");
    assert_eq!(snapshot, storage.join("snapshots").join(COMMIT));
    assert_eq!(
        fs::read_to_string(storage.join("refs/main")).unwrap(),
        COMMIT
    );
    for file in contents() {
        assert_eq!(
            fs::read(snapshot.join(file.path)).unwrap(),
            file.bytes,
            "{}",
            file.path
        );
        assert_eq!(
            fs::read(blobs(&fixture).join(file.digest())).unwrap(),
            file.bytes,
            "{}",
            file.path
        );
    }
    let target = fs::read_link(snapshot.join(LARGE)).unwrap();
    assert_eq!(
        target.to_str().unwrap(),
        format!("../../../blobs/{}", large().digest())
    );
    // Nothing else is left.
    let names: Vec<_> = fs::read_dir(blobs(&fixture))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), contents().len(), "{names:?}");
    // Cached files are not requested again.
    fixture.hub.take_requests();
    client.download(&listing, &paths, &()).unwrap();
    assert_eq!(fixture.hub.take_requests().len(), 0);
}

#[test]
fn a_revision_with_slashes_is_kept() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let listing = client
        .list(&"hf:owner/name@refs/pr/1".parse().unwrap())
        .unwrap();
    client.download(&listing, &["config.json"], &()).unwrap();
    let reference = fixture.cache().join("models--owner--name/refs/refs/pr/1");
    assert_eq!(fs::read_to_string(reference).unwrap(), COMMIT);
}

#[test]
fn wrong_contents_do_not_enter_the_cache() {
    let size = large_bytes().len();
    let wrong = || vec![7_u8; 3_000_000];
    let cases: Vec<(&str, Box<Fault>, &str)> = vec![
        (
            "other bytes",
            Box::new(move |request| Some(ranged(request, &wrong(), "e"))),
            "is damaged or not the listed file: expected SHA-256",
        ),
        (
            "other bytes in parts",
            Box::new(move |request| Some(ranged(request, &wrong(), "e").cut(1_000_000))),
            "is damaged or not the listed file",
        ),
        (
            "too short",
            Box::new(|_| Some(Reply::new(200).body("short"))),
            "expected 3000000 bytes, got 5 of type `unknown`",
        ),
        (
            "HTML",
            Box::new(|_| {
                Some(
                    Reply::new(200)
                        .with("content-type", "text/html")
                        .body("<html>"),
                )
            }),
            "got 6 of type `text/html`",
        ),
        (
            "a giant",
            Box::new(|_| {
                Some(
                    Reply::new(200)
                        .with("content-length", "1000000000000000")
                        .body("x"),
                )
            }),
            "got 1000000000000000 of type",
        ),
        (
            "a giant without a length",
            Box::new(move |_| {
                let mut chunk = format!("{:x}\r\n", size + 1).into_bytes();
                chunk.extend(vec![7; size + 1]);
                Some(
                    Reply::new(200)
                        .with("transfer-encoding", "chunked")
                        .body(chunk),
                )
            }),
            "expected 3000000 bytes, got more than that",
        ),
        (
            "short without a length",
            Box::new(|_| {
                Some(
                    Reply::new(200)
                        .with("transfer-encoding", "chunked")
                        .body("3\r\nabc\r\n0\r\n\r\n"),
                )
            }),
            "ended early (3 of 3000000 bytes)",
        ),
        (
            "half, always",
            Box::new(|request| {
                (request.header("range").is_none())
                    .then(|| Reply::new(200).body(large_bytes()).cut(1000))
                    .or(Some(Reply {
                        hang_up: true,
                        ..Reply::default()
                    }))
            }),
            "ended early",
        ),
        (
            "a stall",
            Box::new(|_| Some(Reply::new(200).body(large_bytes()).cut(1000).stall())),
            "sent nothing for 0.2 s",
        ),
        (
            "another total",
            Box::new(|_| {
                Some(
                    Reply::new(206)
                        .with("content-range", "bytes 0-9/10")
                        .body("0123456789"),
                )
            }),
            "expected 3000000 bytes, got 10",
        ),
        (
            "no range",
            Box::new(|_| Some(Reply::new(206).body(large_bytes()))),
            "sends another range than the requested one",
        ),
        (
            "forbidden",
            Box::new(|_| Some(Reply::new(403))),
            "is forbidden",
        ),
        (
            "missing",
            Box::new(|_| Some(Reply::new(404))),
            "responded with status 404",
        ),
        (
            "unavailable",
            Box::new(|_| Some(Reply::new(503))),
            "failed with status 503",
        ),
    ];
    let mut problems = Vec::new();
    for (name, fault, expected) in cases {
        let fixture = Fixture::new();
        fault_large(&fixture, fault);
        let mut settings = fixture.settings();
        settings.idle_timeout = Duration::from_millis(200);
        let client = Hub::new(settings).unwrap();
        let listing = client.list(&reference()).unwrap();
        let result = client.download(&listing, &[LARGE], &());
        match result.map_err(|error| error.to_string()) {
            Err(error) if error.contains(expected) && !error.contains("signature") => (),
            other => problems.push(format!("{name}: {other:?}, expected `{expected}`")),
        }
        let snapshot = fixture.cache().join("models--owner--name/snapshots");
        if blobs(&fixture).join(large().digest()).exists() || snapshot.exists() {
            problems.push(format!("{name}: the cache has the file"));
        }
        let left = fs::metadata(incomplete(&fixture)).map_or(0, |metadata| metadata.len());
        if left > size as u64 {
            problems.push(format!("{name}: {left} bytes are left"));
        }
    }
    report(&problems);
}

#[test]
fn a_wrong_git_blob_is_rejected() {
    let fixture = Fixture::new();
    let path = format!("/owner/name/resolve/{COMMIT}/config.json");
    // Of the listed size.
    fixture.fault_at(&path, |_| {
        Some(Reply::new(200).body("{\"model_type\": \"bort\"}\n"))
    });
    let listing = fixture.list();
    let error = fixture
        .client()
        .download(&listing, &["config.json"], &())
        .unwrap_err();
    assert!(error.to_string().contains("expected git blob"), "{error}");
    assert_eq!(fs::read_dir(blobs(&fixture)).unwrap().count(), 0);
}

#[test]
fn a_file_that_is_not_listed_is_rejected() {
    let fixture = Fixture::new();
    let listing = fixture.list();
    for path in ["missing", "../x", "onnx", ""] {
        let error = fixture
            .client()
            .download(&listing, &["config.json", path], &())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("model `owner/name` has no file `{path}`")
        );
    }
    assert!(
        !fixture.cache().exists(),
        "nothing is downloaded before all paths are found"
    );
}

#[test]
fn progress_is_reported() {
    #[derive(Default)]
    struct Log {
        steps: Mutex<Vec<(u64, u64)>>,
        retries: Mutex<Vec<String>>,
    }
    impl Progress for Log {
        fn advance(&self, path: &str, received: u64, total: u64) {
            assert_eq!(path, LARGE);
            self.steps.lock().unwrap().push((received, total));
        }
        fn retry(&self, _: &str, error: &RequestError, wait: Duration) {
            self.retries
                .lock()
                .unwrap()
                .push(format!("{error} {}", wait.as_secs()));
        }
    }
    let fixture = Fixture::new();
    fault_large(&fixture, |request| {
        (request.earlier == 0).then(|| Reply::new(429).with("retry-after", "9"))
    });
    let log = Log::default();
    let listing = fixture.list();
    fixture.client().download(&listing, &[LARGE], &log).unwrap();
    let steps = log.steps.into_inner().unwrap();
    assert!(steps.len() > 10, "{} steps", steps.len());
    assert!(steps.is_sorted(), "{steps:?}");
    assert_eq!(steps.last(), Some(&(3_000_000, 3_000_000)));
    let retries = log.retries.into_inner().unwrap();
    assert_eq!(retries.len(), 1, "{retries:?}");
    assert!(
        retries[0].contains("status 429") && retries[0].ends_with(" 9"),
        "{retries:?}"
    );
}

#[test]
fn threads_download_a_file_once() {
    let fixture = Fixture::new();
    let listing = fixture.list();
    let mut settings = fixture.settings();
    // The lock's wait lets the other thread work.
    settings.wait = Arc::new(|_| std::thread::yield_now());
    let client = Hub::new(settings).unwrap();
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    client
                        .download(&listing, &[LARGE], &())
                        .map_err(|error| error.to_string())
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let locked = |result: &Result<_, String>| {
        result
            .as_ref()
            .is_err_and(|error| error.contains("has held the lock"))
    };
    // A thread may give up, since its waits are short here.
    assert!(results.iter().any(Result::is_ok), "{results:?}");
    assert!(
        results
            .iter()
            .all(|result| result.is_ok() || locked(result)),
        "{results:?}"
    );
    assert_eq!(fixture.storage.take_requests().len(), 1);
}
