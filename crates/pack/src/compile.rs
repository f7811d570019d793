//! Compiling the components with cargo.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::progress::Progress;
use crate::toolchain::TARGET;
use crate::toolchain::run::{CommandError, run};

/// How much the components are optimized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// For deployment: link-time optimization, which takes minutes after every edit.
    #[default]
    Release,
    /// For development: incremental, without link-time optimization.
    Local,
}

impl Profile {
    /// The cargo profile in the workspace's `Cargo.toml`.
    const fn name(self) -> &'static str {
        match self {
            Self::Release => "component",
            Self::Local => "component-local",
        }
    }
}

/// Code for one place in memory, as a component has, which is smaller than that for any. For [`trim`](crate::trim): where
/// addresses stand, and addresses of functions, which are indices of a table, that few other numbers are equal to. The
/// table has to have less than the 20,000 elements that hosts allow by default.
const LINKER: [&str; 3] = [
    "relocation-model=static",
    "link-arg=--emit-relocs",
    "link-arg=--table-base=10007",
];

/// A component that the workspace holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// HTTP in, wasi:nn, HTTP out.
    Infer,
    /// wasi:nn in WebAssembly.
    Engine,
}

impl Component {
    const ALL: [Self; 2] = [Self::Infer, Self::Engine];

    fn package(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::Engine => "infer-engine",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Infer => "infer.wasm",
            Self::Engine => "infer_engine.wasm",
        }
    }
}

/// Compile both components for wasm32-wasip2, and return the path of one.
///
/// One cargo run compiles both, so that their last steps, which take one thread each, run side by side. A call for the
/// other component finds nothing left to do.
///
/// `relaxed_simd` is off for hosts that lack it; the files of both kinds stay side by side.
///
/// # Errors
/// When cargo cannot be started or fails; its messages are on the terminal, or in the error where
/// there is no terminal.
pub fn compile(
    root: &Path,
    component: Component,
    profile: Profile,
    relaxed_simd: bool,
    progress: &dyn Progress,
) -> Result<PathBuf, CommandError> {
    let (features, folder) = if relaxed_simd {
        ("target-feature=+simd128,+relaxed-simd", "target")
    } else {
        ("target-feature=+simd128", "target/no-relaxed-simd")
    };
    let target_dir = root.join(folder);
    // Said here and not left to `.cargo/config.toml`: a user's RUSTFLAGS would replace it.
    let flags = [&[features][..], &LINKER].concat();
    let flags: Vec<&str> = flags.into_iter().flat_map(|flag| ["-C", flag]).collect();
    let mut cargo = Command::new(cargo_program());
    cargo
        .current_dir(root)
        .args(["build", "--profile", profile.name(), "--target", TARGET])
        .arg("--lib");
    for component in Component::ALL {
        cargo.args(["--package", component.package()]);
    }
    cargo
        .arg("--target-dir")
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env_remove("RUSTFLAGS");
    run(&mut cargo, progress)?;
    let folder = target_dir.join(TARGET).join(profile.name());
    Ok(folder.join(component.file()))
}

/// The cargo that runs this process, if one does.
pub(crate) fn cargo_program() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
