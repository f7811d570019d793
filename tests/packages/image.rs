//! The image: pushed to a registry, pulled, and run with its own configuration.

#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "the registry's own tests use the rest")]
#[path = "../../crates/oci/tests/oci/registry.rs"]
mod registry;

use std::path::Path;

use infer_packages::{DebianTools, Packages};
use serde_json::Value;

use self::registry::{Registry, Setup};

use crate::support::packaged;
use crate::support::python::succeed;
use crate::support::service::Service;
use crate::{answer, available, cache, maker, package, right};

/// The most that an image of a release may have, compressed, in bytes.
const LARGEST: u64 = 40_000_000;

/// An artifact of the digits model.
fn artifact(folder: &Path) -> std::path::PathBuf {
    let artifact = folder.join("app.wasm");
    let mut build = packaged::infer(cache());
    build
        .current_dir(folder)
        .args(["build", "--models"])
        .arg(crate::support::root().join("models"))
        .arg("-o")
        .arg(&artifact);
    succeed(&mut build).unwrap();
    artifact
}

/// The JSON document of a digest in an image layout.
fn document(layout: &Path, digest: &Value) -> Value {
    let digest = digest.as_str().unwrap().replace(':', "/");
    let text = std::fs::read(layout.join("blobs").join(digest)).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn words(value: &Value) -> Vec<String> {
    let words = value.as_array().unwrap().iter();
    words
        .map(|word| word.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_image_is_pushed_pulled_and_run() {
    let folder = tempfile::tempdir().unwrap();
    let make = |packages: &Packages| packages.image(&artifact(folder.path()));
    let Some(image) = package("infer-wasm-", ".oci.tar", make) else {
        return;
    };
    let folder = folder.path();
    let tools = &maker().tools;
    let needed = ["umoci", "skopeo", "bubblewrap"];
    let Some(tools) = available(DebianTools::get(tools, &needed)) else {
        return;
    };
    let Some(registry) = Registry::start(&Setup::default()) else {
        return;
    };
    let remote = format!("docker://{}/tests/infer:1", registry.address);
    let layout = folder.join("pulled");
    let local = format!("oci:{}:1", layout.display());
    let skopeo = |arguments: &[&str]| {
        let mut skopeo = tools.command("skopeo");
        skopeo
            .args(["--insecure-policy", "copy", "--quiet"])
            .args(arguments);
        succeed(&mut skopeo).unwrap();
    };
    let archive = format!("oci-archive:{}", image.display());
    skopeo(&["--dest-tls-verify=false", &archive, &remote]);
    skopeo(&["--src-tls-verify=false", &remote, &local]);

    let index = std::fs::read(layout.join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let manifest = document(&layout, &index["manifests"][0]["digest"]);
    let layers = manifest["layers"].as_array().unwrap();
    let bytes: u64 = layers
        .iter()
        .map(|layer| layer["size"].as_u64().unwrap())
        .sum();
    eprintln!("{} layers of {:.1} MB", layers.len(), bytes as f64 / 1e6);
    if std::env::var_os("INFER_PACKAGES").is_some() {
        assert!(
            bytes <= LARGEST,
            "the image has {bytes} bytes, expected at most {LARGEST}"
        );
    }
    let config = document(&layout, &manifest["config"]["digest"])["config"].clone();
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(
        config["Labels"]["org.opencontainers.image.version"],
        infer_packages::VERSION
    );

    let bundle = folder.join("bundle");
    let mut umoci = tools.command("umoci");
    umoci
        .args(["unpack", "--rootless", "--image"])
        .arg(&local[4..])
        .arg(&bundle);
    succeed(&mut umoci).unwrap();
    let root = bundle.join("rootfs");
    for shell in ["bin/sh", "bin/bash", "bin/busybox"] {
        assert!(!root.join(shell).exists(), "{shell}");
    }
    // A container runtime mounts on these.
    for mount in ["proc", "dev"] {
        _ = std::fs::create_dir(root.join(mount));
    }
    // The cache is in /tmp, or missing.
    for writable in [false, true] {
        let mut run = tools.command("bwrap");
        let bind = if writable { "--bind" } else { "--ro-bind" };
        run.arg(bind).arg(&root).arg("/");
        run.args([
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--unshare-user",
            "--unshare-pid",
        ]);
        run.args([
            "--die-with-parent",
            "--uid",
            "65532",
            "--gid",
            "65532",
            "--clearenv",
        ]);
        for variable in words(&config["Env"]) {
            let (name, value) = variable.split_once('=').unwrap();
            run.args(["--setenv", name, value]);
        }
        run.args(words(&config["Entrypoint"]));
        let mut arguments = words(&config["Cmd"]);
        let listen = arguments.iter_mut().find(|word| *word == "0.0.0.0:8080");
        *listen.expect("the address of images") = "127.0.0.1:0".to_owned();
        run.args(arguments);
        let service = Service::spawn(run);
        assert_eq!(answer(&service), *right(), "writable: {writable}");
    }
}
