//! The native libraries, installed as a user installs them, into a cache folder of the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The value of `XDG_CACHE_HOME` for the commands under test.
pub fn cache() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// The folder of ONNX Runtime's wheel; see [`fetch`].
pub static ONNX: LazyLock<Option<PathBuf>> = LazyLock::new(|| fetch("onnx"));

/// The folder of OpenVINO's wheel; see [`fetch`].
pub static OPENVINO: LazyLock<Option<PathBuf>> = LazyLock::new(|| fetch("openvino"));

/// The available libraries, by their names in `--backend`.
pub fn installed() -> Vec<&'static str> {
    let both = [("onnx", &*ONNX), ("openvino", &*OPENVINO)];
    let there = both.into_iter().filter(|(_, folder)| folder.is_some());
    there.map(|(name, _)| name).collect()
}

/// Install a library. If there is no Python or no package index, log that and return `None`; in CI (the variable `CI` is
/// set), fail the test.
fn fetch(name: &str) -> Option<PathBuf> {
    let output = infer(&["backend", "add", name]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    if output.status.success() {
        // The last line is the library's folder.
        return Some(printed.lines().last().unwrap().into());
    }
    let reason = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        std::env::var_os("CI").is_none(),
        "{name} cannot be installed: {reason}"
    );
    eprintln!("SKIPPED, {name} cannot be installed: {reason}");
    None
}

/// A command that runs the binary in the root of the checkout, with the tests' cache and no other libraries. In CI, `up`
/// serves the optimized build.
pub fn infer(arguments: &[&str]) -> Command {
    let release = arguments.first() == Some(&"up") && std::env::var_os("CI").is_some();
    let mut command = Command::new(env!("CARGO_BIN_EXE_infer"));
    command
        .current_dir(super::root())
        .args(arguments)
        .args(release.then_some("--release"))
        .env("XDG_CACHE_HOME", cache())
        .env_remove("ORT_DYLIB_PATH")
        .env_remove("OPENVINO_DYLIB_PATH");
    command
}

/// The library file in the folder of its wheel.
pub fn library(folder: &Path) -> PathBuf {
    use infer_host::nn::Library;
    Library::ALL
        .into_iter()
        .find_map(|library| library.find(folder).ok())
        .unwrap()
}
