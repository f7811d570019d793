//! The wasm32-wasip2 standard library: there already, from rustup, or built from Debian's packages.
//!
//! rustup is the way on most machines. Where its server is out of reach (an air-gapped site, a
//! company mirror of a distribution) the library is built from the distribution's source package of
//! exactly the compiler's version, and put where rustup would have put it: see [`debian`].

pub mod debian;
pub(crate) mod run;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::progress::Progress;
use run::{CommandError, output};

/// The target of the components.
pub const TARGET: &str = "wasm32-wasip2";

/// Where the standard library came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It was there.
    Present,
    /// `rustup target add` fetched it.
    Rustup,
    /// Built from Debian's packages.
    Debian,
}

/// The compiler in use.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// Such as `1.95.0`.
    pub release: String,
    /// Where its libraries are.
    pub sysroot: PathBuf,
}

/// Why there is no standard library for [`TARGET`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolchainError {
    /// There is no working compiler.
    #[error("no usable Rust compiler: {0}")]
    Compiler(CommandError),
    /// Every way failed.
    #[error(
        "the {TARGET} standard library for rustc {release} is missing and could not be made:\n\
         - from rustup: {rustup}\n\
         - from Debian's packages: {debian}\n\
         run `rustup target add {TARGET}` where rustup's server can be reached"
    )]
    Unavailable {
        /// The compiler's version.
        release: String,
        /// Why rustup did not do.
        rustup: CommandError,
        /// Why Debian's packages did not do.
        debian: Box<debian::DebianError>,
    },
}

impl Compiler {
    /// Ask `rustc` (as it is chosen in `root`, where `rust-toolchain.toml` has a word) what it is.
    ///
    /// # Errors
    /// When it cannot be run.
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

    /// Where the libraries of [`TARGET`] belong.
    #[must_use]
    pub fn target_folder(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib").join(TARGET)
    }

    /// Whether the standard library is there.
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
/// When it is not there and neither rustup nor Debian's packages can bring it.
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
        // A rustup that manages another toolchain than the compiler in use.
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
