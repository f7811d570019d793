//! Components that misbehave, compiled for the host's tests.

use std::path::PathBuf;
use std::process::Command;

use infer_pack::Silent;
use infer_pack::toolchain::{self, TARGET};

/// Compile the component in `tests/guests/<folder>`; its file is called `<name>.wasm`.
pub fn build(folder: &str, name: &str) -> PathBuf {
    let root = super::root();
    toolchain::ensure(&root, &Silent).unwrap();
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let output = Command::new(env!("CARGO"))
        .current_dir(root.join("tests/guests").join(folder))
        .args(["build", "--locked", "--release"])
        .args(["--target", TARGET, "--target-dir"])
        .arg(&target)
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    target.join(TARGET).join(format!("release/{name}.wasm"))
}
