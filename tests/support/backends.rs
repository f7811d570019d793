//! The native libraries, fetched as a user fetches them, into a cache folder of the tests' own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The cache folder: what `XDG_CACHE_HOME` is for the commands under test.
pub fn cache() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// The folder of ONNX Runtime's wheel; see [`fetch`].
pub static ONNX: LazyLock<Option<PathBuf>> = LazyLock::new(|| fetch("onnx"));

/// The folder of OpenVINO's wheel; see [`fetch`].
pub static OPENVINO: LazyLock<Option<PathBuf>> = LazyLock::new(|| fetch("openvino"));

/// Both, by the names that `--backend` has for them; those that are not there are passed over.
pub fn installed() -> Vec<&'static str> {
    let both = [("onnx", &*ONNX), ("openvino", &*OPENVINO)];
    let there = both.into_iter().filter(|(_, folder)| folder.is_some());
    there.map(|(name, _)| name).collect()
}

/// Fetch a library. `None` where there is no Python or no package index in reach, which is said on
/// standard error; in CI (the variable `CI` is set) that fails the test instead.
fn fetch(name: &str) -> Option<PathBuf> {
    let output = infer(&["backend", "add", name]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    if output.status.success() {
        // The last line says where it is.
        return Some(printed.lines().last().unwrap().into());
    }
    let reason = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        std::env::var_os("CI").is_none(),
        "{name} cannot be fetched: {reason}"
    );
    eprintln!("SKIPPED, {name} cannot be fetched: {reason}");
    None
}

/// The binary with these arguments, in the project's root, with that cache and no library from elsewhere.
pub fn infer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_infer"));
    command
        .current_dir(super::root())
        .args(arguments)
        .env("XDG_CACHE_HOME", cache())
        .env_remove("ORT_DYLIB_PATH")
        .env_remove("OPENVINO_DYLIB_PATH");
    command
}

/// The library's file below its wheel's folder.
pub fn library(folder: &Path) -> PathBuf {
    use infer_host::nn::Library;
    Library::ALL
        .into_iter()
        .find_map(|library| library.find(folder).ok())
        .unwrap()
}
