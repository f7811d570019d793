//! The program as a package installs it: with prebuilt components, in a folder without a toolchain.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use infer_pack::compile::{Component, Profile, compile};
use infer_pack::{Silent, prebuilt, toolchain};

use super::client::send;
use super::service::Service;

/// A folder with the program and its components. The components use relaxed SIMD.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let root = super::root();
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("packaged");
        _ = std::fs::remove_dir_all(&folder);
        toolchain::ensure(&root, &Silent).unwrap();
        let files = [Component::Infer, Component::Engine].map(|component| {
            let path = compile(&root, component, Profile::of_trial(), true, &Silent).unwrap();
            (component, true, std::fs::read(path).unwrap())
        });
        // No checkout has this digest.
        prebuilt::write(&folder.join("components"), "packaged", &files).unwrap();
        std::fs::copy(env!("CARGO_BIN_EXE_infer"), folder.join("infer")).unwrap();
        folder
    })
}

/// The program, with nothing in its environment but a cache folder.
pub fn infer(cache: &Path) -> Command {
    let mut command = Command::new(folder().join("infer"));
    command.env_clear().env("XDG_CACHE_HOME", cache);
    command
}

/// The digits model's graph, for a program that has no checkout.
pub fn digits() -> PathBuf {
    super::root().join("models/digits/model.onnx")
}

/// A service's response to a digit of eight by eight pixels.
pub fn answer(service: &Service) -> serde_json::Value {
    let pixels: Vec<f32> = (0..64_u8).map(|pixel| f32::from(pixel % 17)).collect();
    let digit = serde_json::json!({
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [1, 1, 8, 8], "data": pixels}]
    });
    let body = digit.to_string();
    let path = "/v2/models/digits/infer";
    let response = send(service.address, "POST", path, &[], body.as_bytes());
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()["outputs"][0]["data"].clone()
}
