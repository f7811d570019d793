//! Artifacts that are no components.

use infer_oci::Digest;

use crate::components::{anonymous, check_errors, pull, pull_fails, small};
use crate::raw;
use crate::registry::{Registry, Setup};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";

#[test]
fn other_artifacts_are_named() {
    let Some(registry) = Registry::start(&Setup::default()) else {
        return;
    };
    let address = &registry.address;
    let blob = |media_type: &str, bytes: &[u8]| raw::blob(address, "mixed", media_type, bytes);
    let component = small();
    let digest = Digest::of(&component);
    let wasm = blob("application/wasm", &component);
    let tar = blob("application/vnd.oci.image.layer.v1.tar+gzip", b"layer");
    let module = wat::parse_str("(module)").unwrap();
    let config = |os: &str, digests: &str| {
        let text = format!(r#"{{"architecture":"wasm","os":"{os}","layerDigests":[{digests}]}}"#);
        blob(WASM_CONFIG, text.as_bytes())
    };
    let put = |tag: &str, media_type: &str, config: &str, layers: &[&str]| {
        let layers = layers.join(",");
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{media_type}","config":{config},"layers":[{layers}]}}"#
        );
        raw::manifest(address, "mixed", tag, media_type, &text);
        format!(
            r#"{{"mediaType":"{media_type}","digest":"{}","size":{}}}"#,
            Digest::of(text.as_bytes()),
            text.len()
        )
    };
    let image = put("image", MANIFEST, &blob(IMAGE_CONFIG, b"{}"), &[&tar]);
    put(
        "docker",
        DOCKER,
        &blob("application/vnd.docker.container.image.v1+json", b"{}"),
        &[&blob(
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            b"layer",
        )],
    );
    let spin = "application/vnd.fermyon.spin.application.v1+config";
    put(
        "spin-config",
        MANIFEST,
        &blob(spin, b"{}"),
        &[&blob(
            "application/vnd.wasm.content.layer.v1+wasm",
            &component,
        )],
    );
    put(
        "spin-layer",
        MANIFEST,
        &blob(IMAGE_CONFIG, b"{}"),
        &[&blob(spin, b"{}"), &wasm],
    );
    put(
        "chart",
        MANIFEST,
        &blob("application/vnd.cncf.helm.config.v1+json", b"{}"),
        &[&tar],
    );
    put("two", MANIFEST, &config("wasip2", ""), &[&wasm, &wasm]);
    put("none", MANIFEST, &config("wasip2", ""), &[]);
    put("tar", MANIFEST, &config("wasip2", ""), &[&tar]);
    put("wasip1", MANIFEST, &config("wasip1", ""), &[&wasm]);
    put(
        "other",
        MANIFEST,
        &config("wasip2", &format!("\"{}\"", Digest::of(b""))),
        &[&wasm],
    );
    put("no-json", MANIFEST, &blob(WASM_CONFIG, b"{"), &[&wasm]);
    put(
        "module",
        MANIFEST,
        &config("wasip2", ""),
        &[&blob("application/wasm", &module)],
    );
    put(
        "html",
        MANIFEST,
        &config("wasip2", ""),
        &[&blob("application/wasm", b"<html></html>")],
    );
    put(
        "empty",
        MANIFEST,
        &config("wasip2", ""),
        &[&blob("application/wasm", b"")],
    );
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{image}]}}"#);
    raw::manifest(address, "mixed", "index", INDEX, &index);

    // The form that other tools write, with members that this crate does not know.
    let other_tool = format!(
        r#"{{"created":"2026-01-01T00:00:00.5Z","author":null,"architecture":"wasm","os":"wasip2","layerDigests":["{digest}"],"component":{{"exports":[],"imports":[],"target":null,"new":1}}}}"#
    );
    put(
        "wkg",
        MANIFEST,
        &blob(WASM_CONFIG, other_tool.as_bytes()),
        &[&wasm],
    );
    assert!(
        pull(&format!("{address}/mixed:wkg"), &anonymous())
            .unwrap()
            .1
            == component
    );

    let rows: [(&str, &[&str]); 15] = [
        ("image", &["is a container image", "docker pull"]),
        ("docker", &["is a container image"]),
        (
            "spin-config",
            &["is a Spin application", "`spin registry pull "],
        ),
        (
            "spin-layer",
            &["is a Spin application", "`spin registry pull "],
        ),
        (
            "chart",
            &["`application/vnd.cncf.helm.config.v1+json`", WASM_CONFIG],
        ),
        ("index", &["is an image index"]),
        ("two", &["has 2 layers, expected one"]),
        ("none", &["has 0 layers, expected one"]),
        (
            "tar",
            &["`application/vnd.oci.image.layer.v1.tar+gzip`, expected `application/wasm`"],
        ),
        ("wasip1", &["is made for `wasip1` on `wasm`"]),
        (
            "other",
            &[
                "the config of",
                "`layerDigests` is `sha256:e3b0",
                digest.as_str(),
            ],
        ),
        ("no-json", &["the config of", "is malformed"]),
        ("module", &["core WebAssembly module"]),
        ("html", &["is text"]),
        ("empty", &["is empty"]),
    ];
    let fails = |tag: &str| pull_fails(&format!("{address}/mixed:{tag}"), &anonymous());
    check_errors(
        rows.into_iter()
            .map(|(tag, texts)| (tag, fails(tag), texts))
            .collect(),
    );
}
