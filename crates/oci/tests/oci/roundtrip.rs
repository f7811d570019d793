//! What is pushed can be pulled.

use std::collections::BTreeMap;
use std::fs;

use infer_oci::Digest;

use crate::components::{
    anonymous, check_errors, large, message, pull, pull_fails, push, reference, small,
};
use crate::raw;
use crate::registry::{Registry, Setup};

#[test]
fn a_pushed_component_is_pulled_unchanged() {
    let Some(registry) = Registry::start(&Setup::default()) else {
        return;
    };
    let address = &registry.address;
    let options = anonymous();
    for component in [small(), large(3 << 20)] {
        let size = component.len() as u64;
        let target = format!("{address}/team/digits:1.0");
        let mut steps = Vec::new();
        let annotations =
            BTreeMap::from([("org.example.key".to_owned(), "a \"value\"".to_owned())]);
        let pushed = infer_oci::push(
            &reference(&target),
            &component,
            &annotations,
            &options,
            &mut |done, total| steps.push((done, total)),
        )
        .unwrap();
        assert!(pushed.uploaded > size);
        assert_eq!(steps.last(), Some(&(size, size)));
        assert!(steps.is_sorted());

        steps.clear();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pulled.wasm");
        fs::write(&path, "an older file").unwrap();
        let pulled =
            infer_oci::pull_to_file(&reference(&target), &path, &options, &mut |done, total| {
                steps.push((done, total));
            })
            .unwrap();
        assert!(fs::read(&path).unwrap() == component);
        assert_eq!(pulled.digest, pushed.digest);
        assert_eq!(pulled.size, size);
        assert_eq!(pulled.annotations, annotations);
        assert_eq!(steps.last(), Some(&(size, size)));

        let (by_digest, bytes) = pull(&pushed.reference.to_string(), &options).unwrap();
        assert!(bytes == component);
        assert_eq!(by_digest.digest, pushed.digest);
        // The digest decides.
        let both = format!("{address}/team/digits:other@{}", pushed.digest);
        assert!(pull(&both, &options).unwrap().1 == component);
    }
}

#[test]
fn nothing_is_uploaded_twice() {
    let Some(registry) = Registry::start(&Setup::default()) else {
        return;
    };
    let address = &registry.address;
    let component = large(2 << 20);
    let options = anonymous();
    let first = push(&format!("{address}/digits"), &component, &options).unwrap();
    let uploads = || {
        // One more request, whose line comes after all others.
        raw::request(address, "GET", "/v2/the-end/tags/list", "", b"");
        let lines = registry.log_until("the-end");
        let upload = |line: &&String| line.contains("\"POST ") || line.contains("\"PUT ");
        lines.iter().filter(upload).count()
    };
    let before = uploads();
    // Two blobs of two requests, and the manifest.
    assert_eq!(before, 5);
    let again = push(&format!("{address}/digits:latest"), &component, &options).unwrap();
    assert_eq!(again.uploaded, 0);
    assert_eq!(again.digest, first.digest);
    assert_eq!(uploads(), before);
    // Another tag needs its manifest only.
    let tag = push(&format!("{address}/digits:2"), &component, &options).unwrap();
    assert!((1..4096).contains(&tag.uploaded), "{}", tag.uploaded);
}

#[test]
fn the_documents_have_the_layouts_form() {
    let Some(registry) = Registry::start(&Setup::default()) else {
        return;
    };
    let address = &registry.address;
    let component = small();
    push(&format!("{address}/digits:1"), &component, &anonymous()).unwrap();
    let get = |path: &str| {
        let accept = "Accept: application/vnd.oci.image.manifest.v1+json\r\n";
        let response = raw::request(address, "GET", path, accept, b"");
        assert_eq!(response.status, 200, "{path}: {}", response.head);
        serde_json::from_slice::<serde_json::Value>(&response.body).unwrap()
    };
    let manifest = get("/v2/digits/manifests/1");
    let layer = Digest::of(&component).to_string();
    let config = manifest["config"]["digest"].as_str().unwrap();
    assert_eq!(
        manifest,
        serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.wasm.config.v0+json",
                "digest": config,
                "size": manifest["config"]["size"].as_u64().unwrap(),
            },
            "layers": [{
                "mediaType": "application/wasm",
                "digest": layer,
                "size": component.len(),
            }],
        })
    );
    assert_eq!(
        get(&format!("/v2/digits/blobs/{config}")),
        serde_json::json!({
            "created": "1970-01-01T00:00:00Z",
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [layer],
            "component": {
                "exports": ["wasi:cli/run@0.2.0"],
                "imports": ["wasi:io/poll@0.2.0"],
            },
        })
    );
}

#[test]
fn only_components_are_pushed() {
    let component = small();
    let module = wat::parse_str("(module)").unwrap();
    let nowhere = "127.0.0.1:1/digits:1";
    let digest = format!("127.0.0.1:1/digits@{}", Digest::of(b""));
    let try_push = |bytes: &[u8]| message(push(nowhere, bytes, &anonymous()));
    check_errors(vec![
        ("empty", try_push(b""), &["is empty"]),
        (
            "module",
            try_push(&module),
            &["core WebAssembly module", "wasm-tools component new"],
        ),
        ("text", try_push(b"(component)"), &["is text"]),
        (
            "image",
            try_push(b"\x89PNG\r\n\x1a\n\0\0"),
            &["is not WebAssembly"],
        ),
        (
            "magic",
            try_push(b"\0asm"),
            &["ends within its first eight bytes"],
        ),
        (
            "layer",
            try_push(b"\0asm\x0d\0\x07\0"),
            &["unknown layer 7"],
        ),
        (
            "cut",
            try_push(&component[..component.len() - 9]),
            &["damaged or incomplete"],
        ),
        (
            "digest",
            message(push(&digest, &component, &anonymous())),
            &["expected a tag"],
        ),
    ]);
}

#[test]
fn what_a_registry_lacks_is_named() {
    let Some(registry) = Registry::start(&Setup::default()) else {
        return;
    };
    let address = &registry.address;
    push(&format!("{address}/digits:1"), &small(), &anonymous()).unwrap();
    let fails = |rest: &str| pull_fails(&format!("{address}/{rest}"), &anonymous());
    let digest = Digest::of(b"unknown");
    check_errors(vec![
        (
            "tag",
            fails("digits:2"),
            &[
                "does not have",
                "digits:2",
                "manifest unknown",
                "check the name and the tag",
            ],
        ),
        ("name", fails("letters:1"), &["does not have", "letters:1"]),
        (
            "digest",
            fails(&format!("digits@{digest}")),
            &["does not have", digest.as_str()],
        ),
    ]);
}

#[test]
fn the_size_limit_holds() {
    let Some(registry) = Registry::start(&Setup::default()) else {
        return;
    };
    let component = small();
    let target = format!("{}/digits:1", registry.address);
    push(&target, &component, &anonymous()).unwrap();
    let mut options = anonymous();
    options.max_size = component.len() as u64;
    assert!(pull(&target, &options).is_ok());
    options.max_size -= 1;
    let limit = format!("more than the limit of {}", options.max_size);
    check_errors(vec![("limit", pull_fails(&target, &options), &[&limit])]);
}
