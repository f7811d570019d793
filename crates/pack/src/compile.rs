//! Compiles the components with cargo.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::progress::Progress;
use crate::toolchain::TARGET;
use crate::toolchain::run::{CommandError, run};

/// How much the components are optimized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// For deployment: with link-time optimization, which takes minutes after every edit.
    #[default]
    Release,
    /// For development: incremental, without link-time optimization.
    Local,
}

impl Profile {
    /// The profile of the engine that tries graphs: for development, so that a trial does not wait for link-time optimization,
    /// unless the environment variable `COMPONENT_PROFILE` is `release`. CI sets it, to compile the components once.
    #[must_use]
    pub fn of_trial() -> Self {
        match std::env::var_os("COMPONENT_PROFILE") {
            Some(profile) if profile == "release" => Self::Release,
            _ => Self::Local,
        }
    }

    /// The cargo profile in the workspace's `Cargo.toml`.
    const fn name(self) -> &'static str {
        match self {
            Self::Release => "component",
            Self::Local => "component-local",
        }
    }
}

/// Linker flags. Static relocation suits a component, whose memory has a fixed base, and gives smaller code than PIC.
///
/// [`trim`](crate::trim) needs the other two: the relocations, which tell where addresses are, and a table base that
/// makes function addresses (table indices) unlikely to equal other numbers. The table must stay below 20,000 elements,
/// the default limit of hosts.
const LINKER: [&str; 3] = [
    "relocation-model=static",
    "link-arg=--emit-relocs",
    "link-arg=--table-base=10007",
];

/// A component of the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// Serves HTTP and calls wasi:nn.
    Infer,
    /// Implements wasi:nn in WebAssembly.
    Engine,
}

impl Component {
    pub(crate) const ALL: [Self; 2] = [Self::Infer, Self::Engine];

    /// The component's name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::Engine => "engine",
        }
    }

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
/// One cargo run compiles both, so that their single-threaded last steps run in parallel. A later call for the other
/// component has nothing left to do.
///
/// Builds with and without `relaxed_simd` have separate target folders.
///
/// # Errors
/// If cargo cannot be started or fails. Its messages are on the terminal, or in the error if there is no terminal.
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
    // Passed here and not set in `.cargo/config.toml`, which a user's RUSTFLAGS would override.
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

/// The cargo that runs this process, or else the one in `PATH`.
pub(crate) fn cargo_program() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
