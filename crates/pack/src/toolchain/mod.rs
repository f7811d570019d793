//! The wasm32-wasip2 standard library: already installed, from rustup, or built from Debian's packages.
//!
//! Most machines have rustup. If rustup's server is unreachable (an air-gapped site with a mirror of its
//! distribution), the library is built from the distribution's source package of exactly the compiler's version, and
//! installed where rustup would have put it: see [`debian`].

pub mod debian;
pub(crate) mod run;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::progress::Progress;
use run::{CommandError, output};

/// The target of the components.
pub const TARGET: &str = "wasm32-wasip2";

/// The origin of the standard library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It was already installed.
    Present,
    /// `rustup target add` installed it.
    Rustup,
    /// It was built from Debian's packages.
    Debian,
}

/// The compiler in use.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// The version, such as `1.95.0`.
    pub release: String,
    /// The folder of its libraries.
    pub sysroot: PathBuf,
}

/// The standard library for [`TARGET`] could not be made available.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolchainError {
    /// `rustc` cannot be run.
    #[error("no usable Rust compiler: {0}")]
    Compiler(CommandError),
    /// Neither rustup nor Debian's packages provided it.
    #[error(
        "the {TARGET} standard library for rustc {release} is missing and could not be made:\n\
         - from rustup: {rustup}\n\
         - from Debian's packages: {debian}\n\
         run `rustup target add {TARGET}` where rustup's server can be reached"
    )]
    Unavailable {
        /// The compiler's version.
        release: String,
        /// The error of rustup.
        rustup: CommandError,
        /// The error of the build from Debian's packages.
        debian: Box<debian::DebianError>,
    },
}

impl Compiler {
    /// Find the version and sysroot of `rustc`. It runs in `root`, so that `rust-toolchain.toml` applies.
    ///
    /// # Errors
    /// If it cannot be run.
    pub fn find(root: &Path) -> Result<Self, ToolchainError> {
        let rustc = || {
            let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
            let mut command = Command::new(program);
            command.current_dir(root);
            command
        };
        let version =
            output(rustc().args(["--version", "--verbose"])).map_err(ToolchainError::Compiler)?;
        let release = version
            .lines()
            .find_map(|line| line.strip_prefix("release: "))
            .unwrap_or_default()
            .to_owned();
        let sysroot =
            output(rustc().args(["--print", "sysroot"])).map_err(ToolchainError::Compiler)?;
        Ok(Self {
            release,
            sysroot: sysroot.trim_end().into(),
        })
    }

    /// The sysroot's folder for the libraries of [`TARGET`].
    #[must_use]
    pub fn target_folder(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib").join(TARGET)
    }

    /// Whether the standard library of [`TARGET`] is installed.
    #[must_use]
    pub fn has_target(&self) -> bool {
        let Ok(entries) = self.target_folder().join("lib").read_dir() else {
            return false;
        };
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libstd-") && name.ends_with(".rlib")
        })
    }
}

/// Make the standard library of [`TARGET`] available to the compiler in use.
///
/// # Errors
/// If it is not installed, and neither rustup nor Debian's packages can provide it.
pub fn ensure(root: &Path, progress: &dyn Progress) -> Result<Source, ToolchainError> {
    let compiler = Compiler::find(root)?;
    if compiler.has_target() {
        return Ok(Source::Present);
    }
    progress.detail("asking rustup for it");
    let rustup = output(
        Command::new("rustup")
            .current_dir(root)
            .args(["target", "add", TARGET]),
    );
    let rustup = match rustup {
        Ok(_) if compiler.has_target() => return Ok(Source::Rustup),
        // This rustup manages another toolchain than the compiler in use.
        Ok(_) => CommandError::without_effect("rustup target add", &compiler.target_folder()),
        Err(error) => error,
    };
    match debian::install(&compiler, progress) {
        Ok(()) => Ok(Source::Debian),
        Err(debian) => Err(ToolchainError::Unavailable {
            release: compiler.release,
            rustup,
            debian: Box::new(debian),
        }),
    }
}
