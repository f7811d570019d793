//! Components that misbehave, compiled for the host's tests.

use std::path::PathBuf;
use std::process::Command;

use infer_pack::Silent;
use infer_pack::toolchain::{self, TARGET};

use super::python::succeed;

/// Compile the component in `tests/guests/<folder>`; its file is called `<name>.wasm`.
pub fn build(folder: &str, name: &str) -> PathBuf {
    let root = super::root();
    toolchain::ensure(&root, &Silent).unwrap();
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(root.join("tests/guests").join(folder))
        .args(["build", "--locked", "--release"])
        .args(["--target", TARGET, "--target-dir"])
        .arg(&target)
        .env_remove("RUSTFLAGS");
    succeed(&mut cargo).unwrap_or_else(|reason| panic!("{reason}"));
    target.join(TARGET).join(format!("release/{name}.wasm"))
}
