//! Models of the Hugging Face hub, on the command line. A small hub on loopback speaks its API.

#[allow(dead_code, reason = "the hub's own tests use the rest")]
#[path = "../../crates/hub/tests/hub/server.rs"]
mod server;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support;
use serde_json::json;
use server::{Reply, Request, Server};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Files of the repository `owner/sentiment`: their paths there and here.
type Files = Vec<(String, PathBuf)>;

fn sentiment() -> Files {
    let root = support::root().join("tests/texts/sentiment");
    let mut files = vec![("README.md".to_owned(), support::root().join("README.md"))];
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let name = match name.as_str() {
            "model.onnx" => "onnx/model.onnx".to_owned(),
            _ => name,
        };
        if path.is_file() {
            files.push((name, path));
        }
    }
    files
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}

fn hub(files: Files) -> Server {
    Server::start(move |request| {
        let json = |value: serde_json::Value| {
            Reply::new(200)
                .with("content-type", "application/json")
                .body(value.to_string())
        };
        let path = request.path();
        if path == "/api/models/owner/sentiment/revision/main" {
            return json(json!({"id": "owner/sentiment", "sha": COMMIT}));
        }
        if path == format!("/api/models/owner/sentiment/tree/{COMMIT}") {
            let entry = |(name, path): (String, PathBuf)| {
                let bytes = std::fs::read(path).unwrap();
                let lfs = json!({"oid": sha256(&bytes), "size": bytes.len(), "pointerSize": 132});
                json!({"type": "file", "oid": "f".repeat(40), "size": bytes.len(), "path": name, "lfs": lfs})
            };
            return json(files.iter().cloned().map(entry).collect());
        }
        if path.starts_with("/api/models/owner/gated/") {
            return Reply::new(403).with("x-error-code", "GatedRepo");
        }
        let prefix = format!("/owner/sentiment/resolve/{COMMIT}/");
        let file = path
            .strip_prefix(&prefix)
            .and_then(|name| files.iter().find(|(file, _)| file == name));
        match file {
            Some((_, path)) => ranged(request, &std::fs::read(path).unwrap()),
            None => Reply::new(401).with("x-error-code", "RepoNotFound"),
        }
    })
}

/// The bytes of a `Range` header, or all.
fn ranged(request: &Request, bytes: &[u8]) -> Reply {
    let etag = format!("\"{}\"", sha256(bytes));
    let range = request.header("range").map(|range| {
        let (start, end) = range
            .strip_prefix("bytes=")
            .unwrap()
            .split_once('-')
            .unwrap();
        let start: usize = start.parse().unwrap();
        let end = end.parse().map_or(bytes.len(), |end: usize| end + 1);
        (start, end.min(bytes.len()))
    });
    let reply = match range {
        Some((start, end)) => Reply::new(206)
            .with(
                "content-range",
                format!("bytes {start}-{}/{}", end - 1, bytes.len()),
            )
            .body(&bytes[start..end]),
        None => Reply::new(200).body(bytes),
    };
    reply
        .with("etag", etag)
        .with("accept-ranges", "bytes")
        .with("x-repo-commit", COMMIT)
}

/// Run the program with this hub and a cache of its own.
fn infer(hub: &Server, home: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_infer"))
        .current_dir(support::root())
        .args(arguments)
        .env("HF_ENDPOINT", hub.url())
        .env("HF_HOME", home)
        .env_remove("HF_HUB_CACHE")
        .env_remove("HF_TOKEN")
        .env("NO_PROXY", "*")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn a_model_is_inspected_without_its_weights_and_then_added() {
    let (hub, folder) = (hub(sentiment()), tempfile::tempdir().unwrap());
    let (home, models) = (folder.path().join("home"), folder.path().join("models"));
    let models = models.to_str().unwrap();
    let (success, said) = infer(&hub, &home, &["inspect", "hf:owner/sentiment"]);
    assert!(success, "{said}");
    for part in [
        "output     logits FP32 [-1, 3]",
        "the graph was not run, since its weights are not here",
        "description = \"sentiment",
        "[classification]",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let is_graph = |request: &Request| request.path().ends_with("/onnx/model.onnx");
    let whole = |request: &Request| is_graph(request) && request.header("range").is_none();
    assert!(
        !hub.take_requests().iter().any(whole),
        "the weights were downloaded"
    );

    let (success, said) = infer(
        &hub,
        &home,
        &["add", "hf:owner/sentiment", "--models", models],
    );
    assert!(success && said.contains("added as "), "{said}");
    let added = Path::new(models).join("sentiment");
    let source = support::root().join("tests/texts/sentiment/model.onnx");
    assert_eq!(
        std::fs::read(added.join("model.onnx")).unwrap(),
        std::fs::read(source).unwrap()
    );
    assert!(added.join("tokenizer.json").is_file());
    let unused = |request: &Request| request.path().ends_with("README.md");
    assert!(
        !hub.take_requests().iter().any(unused),
        "only used files are downloaded"
    );

    // Everything is in the cache now.
    let again = [
        "add",
        "hf:owner/sentiment",
        "--models",
        models,
        "--name",
        "again",
    ];
    assert!(infer(&hub, &home, &again).0);
    assert!(!hub.take_requests().iter().any(is_graph));
}

#[test]
fn weights_in_other_files_are_downloaded_too() {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("weights.bin");
    let values: Vec<u8> = [2f32, 3.0]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    std::fs::write(&weights, &values).unwrap();
    let graph = support::root().join("crates/engine/tests/graphs/external.onnx");
    let hub = hub(vec![
        ("onnx/model.onnx".to_owned(), graph),
        ("onnx/weights.bin".to_owned(), weights.clone()),
        ("weights.bin".to_owned(), support::root().join("README.md")),
    ]);
    let (home, models) = (folder.path().join("home"), folder.path().join("models"));
    let (success, said) = infer(&hub, &home, &["inspect", "hf:owner/sentiment"]);
    assert!(success && said.contains("output     y FP32 [2]"), "{said}");
    let models = models.to_str().unwrap();
    let (success, said) = infer(
        &hub,
        &home,
        &["add", "hf:owner/sentiment", "--models", models],
    );
    assert!(success && said.contains("added as "), "{said}");
    // One file with everything in it.
    let added = std::fs::read(Path::new(models).join("sentiment/model.onnx")).unwrap();
    assert!(added.windows(values.len()).any(|bytes| bytes == values));
    let name = b"weights.bin";
    assert!(!added.windows(name.len()).any(|bytes| bytes == name));
    let requests = hub.take_requests();
    assert!(
        requests
            .iter()
            .any(|request| request.path().ends_with("/onnx/weights.bin"))
    );
    assert!(
        !requests
            .iter()
            .any(|request| request.path().ends_with(&format!("{COMMIT}/weights.bin")))
    );
}

#[test]
fn models_that_cannot_be_had_are_refused_in_words() {
    let (hub, folder) = (hub(sentiment()), tempfile::tempdir().unwrap());
    // (source, part of the error)
    let rows = [
        ("hf:owner/nothing", "nothing"),
        ("hf:owner/gated", "accept"),
        ("hf:owner/sentiment:q4", "has no variant `q4`, only model"),
        ("hf:owner/", "`hf:owner/` has an empty name"),
        ("hf:a/b/c", "has more than one `/`"),
        ("hf:owner/../x", "has more than one `/`"),
        ("hf:../x", "is not valid"),
    ];
    let mut wrong = Vec::new();
    for (source, part) in rows {
        let (success, said) = infer(&hub, folder.path(), &["inspect", source]);
        if success || !said.contains(part) {
            wrong.push(format!("{source}, expected {part:?}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
