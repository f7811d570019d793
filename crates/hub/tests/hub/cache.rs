//! The cache: planted links, locks, files that cannot be written, and offline use.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use infer_hub::{CacheError, DownloadError, Hub, Listing};

use crate::fixture::{COMMIT, Fixture, contents, reference};
use crate::report;

const FILE: &str = "onnx/model.onnx";

fn digest(path: &str) -> String {
    contents()
        .into_iter()
        .find(|file| file.path == path)
        .unwrap()
        .digest()
}

fn storage(fixture: &Fixture) -> PathBuf {
    fixture.cache().join("models--owner--name")
}

/// Returns a client and a listing that need no network.
fn offline(fixture: &Fixture) -> (Hub, Result<Listing, String>) {
    let mut settings = fixture.settings();
    settings.offline = true;
    settings.endpoint = "http://127.0.0.1:1".parse().unwrap();
    let client = Hub::new(settings).unwrap();
    let listing = client.list(&reference()).map_err(|error| error.to_string());
    (client, listing)
}

#[test]
fn a_planted_link_does_not_lead_out_of_the_cache() {
    let blob = digest(FILE);
    let cases = [
        ("the repository", "models--owner--name".to_owned(), true),
        ("blobs", "models--owner--name/blobs".to_owned(), true),
        (
            "snapshots",
            "models--owner--name/snapshots".to_owned(),
            true,
        ),
        (
            "the commit",
            format!("models--owner--name/snapshots/{COMMIT}"),
            true,
        ),
        (
            "a folder",
            format!("models--owner--name/snapshots/{COMMIT}/onnx"),
            true,
        ),
        ("refs", "models--owner--name/refs".to_owned(), true),
        ("locks", ".locks".to_owned(), true),
        (
            "the repository's locks",
            ".locks/models--owner--name".to_owned(),
            true,
        ),
        (
            "a part",
            format!("models--owner--name/blobs/{blob}.incomplete"),
            false,
        ),
        (
            "a lock",
            format!(".locks/models--owner--name/{blob}.lock"),
            false,
        ),
    ];
    let mut problems = Vec::new();
    for (name, link, is_folder) in cases {
        let fixture = Fixture::new();
        let victim = fixture.home().join("victim");
        if is_folder {
            fs::create_dir(&victim).unwrap();
        } else {
            fs::write(&victim, "precious").unwrap();
        }
        let link = fixture.cache().join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(&victim, &link).unwrap();
        let listing = fixture.list();
        match fixture.client().download(&listing, &[FILE], &()) {
            Err(DownloadError::Cache(error @ CacheError::Kind { .. })) => {
                let text = error.to_string();
                if !text.contains("is a symbolic link") || !text.contains(link.to_str().unwrap()) {
                    problems.push(format!("{name}: {text}"));
                }
            }
            other => problems.push(format!("{name}: {other:?}")),
        }
        let is_intact = if is_folder {
            fs::read_dir(&victim).unwrap().count() == 0
        } else {
            fs::read(&victim).unwrap() == b"precious"
        };
        if !is_intact {
            problems.push(format!("{name}: the target was written"));
        }
    }
    report(&problems);
}

#[test]
fn a_planted_file_is_not_taken_for_a_download() {
    let size = contents()
        .into_iter()
        .find(|file| file.path == FILE)
        .unwrap()
        .bytes
        .len();
    type Plant = fn(&Path, &Path, &Path);
    let cases: [(&str, Plant); 6] = [
        ("a blob that leads out", |blob, _, victim| {
            symlink(victim, blob).unwrap()
        }),
        ("a blob of another size", |blob, _, _| {
            fs::write(blob, "short").unwrap()
        }),
        ("a dangling blob", |blob, _, _| {
            symlink("missing", blob).unwrap()
        }),
        ("a file that leads out", |_, file, victim| {
            symlink(victim, file).unwrap()
        }),
        ("a dangling file", |_, file, _| {
            symlink("../../../blobs/missing", file).unwrap()
        }),
        ("a file of another size", |_, file, _| {
            fs::write(file, "short").unwrap()
        }),
    ];
    let mut problems = Vec::new();
    for (name, plant) in cases {
        let fixture = Fixture::new();
        let victim = fixture.home().join("victim");
        fs::write(&victim, vec![7; size]).unwrap();
        let blob = storage(&fixture).join("blobs").join(digest(FILE));
        let file = storage(&fixture).join("snapshots").join(COMMIT).join(FILE);
        for path in [&blob, &file] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        plant(&blob, &file, &victim);
        let listing = fixture.list();
        let result = fixture.client().download(&listing, &[FILE], &());
        let expected = contents()
            .into_iter()
            .find(|file| file.path == FILE)
            .unwrap()
            .bytes;
        if result.is_err() || fs::read(&file).ok() != Some(expected) {
            problems.push(format!("{name}: {result:?}"));
        }
        if fs::read(&victim).unwrap() != vec![7; size] {
            problems.push(format!("{name}: the target was written"));
        }
    }
    report(&problems);
}

#[test]
fn a_blob_that_is_shared_within_the_cache_is_used() {
    let fixture = Fixture::new();
    let shared = fixture.cache().join("blobs/ab/shared");
    let blob = storage(&fixture).join("blobs").join(digest(FILE));
    for path in [&shared, &blob] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
    }
    let bytes = contents()
        .into_iter()
        .find(|file| file.path == FILE)
        .unwrap()
        .bytes;
    fs::write(&shared, &bytes).unwrap();
    symlink("../../blobs/ab/shared", &blob).unwrap();
    let listing = fixture.list();
    let snapshot = fixture.client().download(&listing, &[FILE], &()).unwrap();
    assert_eq!(fs::read(snapshot.join(FILE)).unwrap(), bytes);
    assert_eq!(fixture.storage.take_requests().len(), 0);
}

#[test]
fn unusable_places_are_errors() {
    type Prepare = fn(&Fixture);
    let cases: [(&str, Prepare, &str); 4] = [
        (
            "a file as the cache",
            |fixture| fs::write(fixture.cache(), "").unwrap(),
            "cannot use",
        ),
        (
            "a file as the repository",
            |fixture| {
                fs::create_dir_all(fixture.cache()).unwrap();
                fs::write(storage(fixture), "").unwrap();
            },
            "is a file, where the cache has a folder: remove it",
        ),
        (
            "a folder as the part",
            |fixture| {
                fs::create_dir_all(
                    storage(fixture)
                        .join("blobs")
                        .join(format!("{}.incomplete", digest(FILE))),
                )
                .unwrap();
            },
            "cannot use",
        ),
        (
            "a folder as the file",
            |fixture| {
                fs::create_dir_all(storage(fixture).join("snapshots").join(COMMIT).join(FILE))
                    .unwrap();
            },
            "is a folder, where the cache has a file",
        ),
    ];
    let mut problems = Vec::new();
    for (name, prepare, expected) in cases {
        let fixture = Fixture::new();
        prepare(&fixture);
        let listing = fixture.list();
        match fixture
            .client()
            .download(&listing, &[FILE], &())
            .map_err(|error| error.to_string())
        {
            Err(error) if error.contains(expected) => (),
            other => problems.push(format!("{name}: {other:?}, expected `{expected}`")),
        }
    }
    report(&problems);
}

#[test]
fn a_pipe_in_the_cache_does_not_block() {
    let fixture = Fixture::new();
    let part = storage(&fixture)
        .join("blobs")
        .join(format!("{}.incomplete", digest(FILE)));
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(&part)
        .status()
        .unwrap();
    assert!(made.success());
    let listing = fixture.list();
    let error = fixture
        .client()
        .download(&listing, &[FILE], &())
        .unwrap_err();
    assert!(
        error.to_string().contains("is not a regular file"),
        "{error}"
    );
}

#[test]
fn a_read_only_cache_is_an_error_unless_nothing_is_missing() {
    let fixture = Fixture::new();
    let listing = fixture.list();
    fixture
        .client()
        .download(&listing, &["config.json"], &())
        .unwrap();
    fs::remove_dir_all(storage(&fixture).join("refs")).unwrap();
    let folders = [
        fixture.cache(),
        fixture.cache().join(".locks/models--owner--name"),
        storage(&fixture),
        storage(&fixture).join("blobs"),
    ];
    let set_mode = |mode| {
        for folder in &folders {
            fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    set_mode(0o555);
    let probe = File::create(fixture.cache().join("probe"));
    let present = fixture.client().download(&listing, &["config.json"], &());
    let missing = fixture.client().download(&listing, &[FILE], &());
    set_mode(0o755);
    present.unwrap();
    if probe.is_ok() {
        eprintln!("skipped: the superuser writes to read-only folders");
        return;
    }
    let error = missing.unwrap_err().to_string();
    assert!(
        error.contains("cannot write") && error.contains("HF_HUB_CACHE"),
        "{error}"
    );
}

#[test]
fn a_lock_that_is_never_released_is_an_error() {
    let fixture = Fixture::new();
    let folder = fixture.cache().join(".locks/models--owner--name");
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join(format!("{}.lock", digest(FILE)))).unwrap();
    lock.lock().unwrap();
    let listing = fixture.list();
    let error = fixture
        .client()
        .download(&listing, &[FILE], &())
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("another process has held the lock"),
        "{error}"
    );
    assert_eq!(fixture.waits().len(), 600);
    assert_eq!(fixture.storage.take_requests().len(), 0);
}

#[test]
fn an_offline_client_uses_what_is_cached() {
    let fixture = Fixture::new();
    let (_, nothing) = offline(&fixture);
    assert!(
        nothing
            .unwrap_err()
            .contains("has no model `owner/name` in revision `main`: unset `HF_HUB_OFFLINE`")
    );
    let listing = fixture.list();
    fixture
        .client()
        .download(&listing, &["config.json", FILE], &())
        .unwrap();
    let (client, cached) = offline(&fixture);
    let cached = cached.unwrap();
    assert_eq!(cached.commit(), COMMIT);
    let paths: Vec<_> = cached
        .files()
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    assert_eq!(paths, ["config.json", FILE]);
    for file in cached.files() {
        assert_eq!(listing.file(&file.path), Some(file));
    }
    let snapshot = client.download(&cached, &paths, &()).unwrap();
    assert!(snapshot.join(FILE).exists());
    // A listing from before knows more files than the cache.
    let error = client.download(&listing, &["README.md"], &()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the cache does not have `README.md`"),
        "{error}"
    );
    let error = client.open(&listing, "README.md").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the cache does not have `README.md`"),
        "{error}"
    );
    let mut file = client.open(&cached, "config.json").unwrap();
    assert_eq!(file.read_at(2, 10).unwrap(), b"model_type");
}

#[test]
fn a_planted_reference_does_not_lead_out_of_the_cache() {
    for commit in ["../../../../etc", "", "0123", &"f".repeat(100)] {
        let fixture = Fixture::new();
        fs::create_dir_all(storage(&fixture).join("refs")).unwrap();
        fs::write(storage(&fixture).join("refs/main"), commit).unwrap();
        let (_, listing) = offline(&fixture);
        assert!(
            listing.unwrap_err().contains("has no model `owner/name`"),
            "{commit}"
        );
    }
}
