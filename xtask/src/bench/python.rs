//! Virtual environments below `target/` with the packages of a folder's `requirements.txt`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::command::succeed;

/// A virtual environment, created once for the same requirements.
pub(super) struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// Create the environment unless it is there. `requirements.txt` names the packages, and `constraints.txt`, if
    /// there is one, pins the versions.
    pub(super) fn prepare(requirements: &Path, folder: PathBuf) -> Result<Self> {
        let environment = Self { folder };
        let mut install = environment.command("pip");
        install
            .args(["install", "--quiet", "--no-input"])
            .arg("--disable-pip-version-check");
        let mut requested = String::new();
        for (option, name) in [
            ("--requirement", "requirements.txt"),
            ("--constraint", "constraints.txt"),
        ] {
            let path = requirements.join(name);
            if path.is_file() {
                requested += &std::fs::read_to_string(&path)
                    .with_context(|| format!("cannot read `{}`", path.display()))?;
                install.arg(option).arg(path);
            }
        }
        // Written last, so its absence means an unfinished environment.
        let installed = environment.folder.join("installed.txt");
        if std::fs::read_to_string(&installed).is_ok_and(|text| text == requested) {
            return Ok(environment);
        }
        eprintln!("installing {} …", requirements.display());
        succeed(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&environment.folder),
        )?;
        succeed(&mut install)?;
        std::fs::write(&installed, requested)
            .with_context(|| format!("cannot write `{}`", installed.display()))?;
        Ok(environment)
    }

    /// A command that runs a program of the environment.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join("bin").join(program));
        // The user's own packages and settings must not get in.
        command
            .env("PYTHONNOUSERSITE", "1")
            .env_remove("PYTHONPATH");
        command
    }

    /// The ONNX Runtime library from the wheel.
    pub(super) fn onnx_runtime(&self) -> Option<PathBuf> {
        let versions = std::fs::read_dir(self.folder.join("lib")).ok()?;
        let folders = versions.flatten().map(|version| {
            let packages = version.path().join("site-packages");
            packages.join("onnxruntime/capi")
        });
        folders.filter_map(|folder| library_in(&folder)).next()
    }
}

/// The file `libonnxruntime.*` in a folder.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder).ok()?.flatten();
    let mut names = files.map(|file| file.path());
    names.find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // The dot tells it from libonnxruntime_providers_shared.so.
        name.starts_with("libonnxruntime.")
    })
}
