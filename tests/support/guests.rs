//! Misbehaving components, compiled once per test program.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use infer_pack::Silent;
use infer_pack::toolchain::{self, TARGET};

use super::python::succeed;

/// The component that misbehaves in a different way on each path.
pub static TROUBLE: LazyLock<PathBuf> = LazyLock::new(|| build("trouble", "trouble"));

/// The component that misuses wasi:nn.
pub static NN: LazyLock<PathBuf> = LazyLock::new(|| build("nn", "nn_trouble"));

/// Compile the component in `tests/guests/<folder>`. Returns the path of `<name>.wasm`.
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
