//! Packages of the program `infer`, made from a program that is already built.
//!
//! A package contains the program as it is, so every package of a release has the same one. Each kind is one module, which
//! lays out the files and calls the tool of that kind. Tools are those on `PATH`, or else come from PyPI and Debian and are
//! unpacked below [`Packages::tools`], without root.

mod archive;
mod deb;
mod debian;
mod image;
mod npm;
mod run;
mod wheel;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use debian::DebianTools;
pub use run::Error;

use run::at;

/// The packages' name. The command is `infer`.
pub const NAME: &str = "infer-wasm";

/// Their version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// One sentence about the program.
const DESCRIPTION: &str = "ONNX models served as one WebAssembly component";

/// This crate's folder, with the packages' metadata.
const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// A program, and where its packages go.
#[derive(Clone, Debug)]
pub struct Packages {
    /// The program.
    pub program: PathBuf,
    /// The folder of its components. `None` for a program that contains them.
    pub components: Option<PathBuf>,
    /// The folder for the packages.
    pub output: PathBuf,
    /// The folder for tools that are not installed.
    pub tools: PathBuf,
}

/// An architecture, as the kinds of packages name it: Rust and Linux, Debian, npm, OCI.
struct Architecture {
    rust: &'static str,
    debian: &'static str,
    npm: &'static str,
    oci: &'static str,
}

const ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        rust: "x86_64",
        debian: "amd64",
        npm: "x64",
        oci: "amd64",
    },
    Architecture {
        rust: "aarch64",
        debian: "arm64",
        npm: "arm64",
        oci: "arm64",
    },
];

/// This machine's architecture, which the program has too.
fn architecture() -> Result<&'static Architecture, Error> {
    let name = std::env::consts::ARCH;
    ARCHITECTURES
        .iter()
        .find(|known| known.rust == name)
        .ok_or(Error::Architecture(name))
}

impl Packages {
    /// Copy the program, and its components to the folder `components` beside it, where the program finds them.
    fn install(&self, folder: &Path) -> Result<PathBuf, Error> {
        let program = folder.join("infer");
        copy(&self.program, &program)?;
        if let Some(components) = &self.components {
            for entry in fs::read_dir(components).map_err(at("read", components))? {
                let path = entry.map_err(at("read", components))?.path();
                let name = path.file_name().unwrap_or_default();
                copy(&path, &folder.join("components").join(name))?;
            }
        }
        Ok(program)
    }

    /// The path of a package's file, whose folder exists.
    fn file(&self, name: &str) -> Result<PathBuf, Error> {
        fs::create_dir_all(&self.output).map_err(at("create", &self.output))?;
        Ok(self.output.join(name))
    }

    /// A folder to work in, on the file system of the output.
    fn work(&self) -> Result<tempfile::TempDir, Error> {
        fs::create_dir_all(&self.output).map_err(at("create", &self.output))?;
        tempfile::tempdir_in(&self.output).map_err(at("write into", &self.output))
    }
}

/// Copy a file, and create its folder.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(at("create", folder))?;
    }
    fs::copy(from, to).map(drop).map_err(at("copy", from))
}

/// Write a file, and create its folder.
fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(at("create", folder))?;
    }
    fs::write(path, text).map_err(at("write", path))
}

/// The libraries that a program is linked with and its dynamic linker; none for a static program.
#[must_use]
pub fn libraries(program: &Path) -> Vec<PathBuf> {
    // ldd fails for a static program, or prints no path.
    let printed = run::run(Command::new("ldd").arg(program)).unwrap_or_default();
    let paths = printed
        .split_whitespace()
        .filter(|word| word.starts_with('/'));
    paths.map(PathBuf::from).collect()
}

/// The file in a folder whose name ends in `end`.
fn find(folder: &Path, end: &str) -> Result<PathBuf, Error> {
    let entries = fs::read_dir(folder).map_err(at("read", folder))?;
    entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().ends_with(end))
        .ok_or_else(|| at("find a file in", &folder.join(end))(std::io::ErrorKind::NotFound.into()))
}
