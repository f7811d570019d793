//! The users' binary, `infer`, which benchmarks run as users do.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::bench::command::succeed;

/// The binary, compiled from this checkout.
pub(crate) struct Infer {
    program: PathBuf,
}

impl Infer {
    /// Compile the binary into the folder of this program.
    pub(crate) fn build(root: &Path) -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        succeed(
            Command::new(cargo)
                .current_dir(root)
                .args(["build", "--quiet", "--bin", "infer"]),
        )?;
        let program = std::env::current_exe()
            .context("cannot find the folder of this program")?
            .with_file_name(format!("infer{}", std::env::consts::EXE_SUFFIX));
        ensure!(
            program.is_file(),
            "`cargo build --bin infer` did not write `{}`: run this program by `cargo xtask`",
            program.display()
        );
        Ok(Self { program })
    }

    /// The command that runs the binary.
    pub(crate) fn command(&self) -> Command {
        Command::new(&self.program)
    }

    /// ONNX Runtime's library, if `infer backend add onnx` installed it.
    pub(crate) fn onnx_runtime(&self, root: &Path) -> Option<PathBuf> {
        let listed = succeed(self.command().current_dir(root).args(["backend", "list"])).ok()?;
        library_of(&listed, "onnx").filter(|path| path.is_file())
    }
}

/// The path that `infer backend list` prints for a backend, which follows the library's name.
fn library_of(listed: &str, backend: &str) -> Option<PathBuf> {
    let line = listed
        .lines()
        .find(|line| line.split_whitespace().next() == Some(backend))?;
    let (_, path) = line.split_once(", ")?;
    Some(path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_path_is_read_from_the_list() {
        let listed = "\
wasm      the engine in WebAssembly, always there
onnx      ONNX Runtime, /home/me, myself/lib.so
openvino  OpenVINO, not installed; cargo infer backend add openvino
";
        let cases = [
            ("onnx", Some("/home/me, myself/lib.so")),
            (
                "openvino",
                Some("not installed; cargo infer backend add openvino"),
            ),
            ("cuda", None),
        ];
        for (backend, expected) in cases {
            assert_eq!(
                library_of(listed, backend),
                expected.map(PathBuf::from),
                "{backend}"
            );
        }
    }
}
