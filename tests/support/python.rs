//! Python environments for the tests.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

/// A virtual environment, which is reused while its requirements stay the same.
pub struct Python {
    bin: PathBuf,
}

impl Python {
    /// Create the environment with the folder's `requirements.txt`, in the versions of its `constraints.txt`. If there
    /// is no Python or no package index, log that and return `None`; in CI (the variable `CI` is set), fail the test.
    pub fn prepare(folder: &Path) -> Option<Self> {
        // Tests of one program run concurrently.
        static MAKING: Mutex<()> = Mutex::new(());
        let _making = MAKING.lock().unwrap_or_else(|error| error.into_inner());
        match make(folder) {
            Ok(python) => Some(python),
            Err(reason) if std::env::var_os("CI").is_some() => {
                panic!("{} cannot be installed: {reason}", folder.display())
            }
            Err(reason) => {
                eprintln!(
                    "SKIPPED, {} cannot be installed: {reason}",
                    folder.display()
                );
                None
            }
        }
    }

    /// The folder of its programs.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// A command that runs a program of the environment.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        // Ignore the user's own packages and settings.
        command
            .env("PYTHONNOUSERSITE", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env_remove("PYTHONPATH");
        command
    }
}

fn make(folder: &Path) -> Result<Python, String> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let environment = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{name}"));
    let python = Python {
        bin: environment.join("bin"),
    };
    let required = ["requirements.txt", "constraints.txt"]
        .map(|name| std::fs::read_to_string(folder.join(name)).unwrap())
        .concat();
    // Written last, so its absence means an unfinished environment.
    let installed = environment.join("installed.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == required) {
        return Ok(python);
    }
    succeed(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&environment),
    )?;
    succeed(
        python
            .command("pip")
            .args([
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-input",
            ])
            .arg("--requirement")
            .arg(folder.join("requirements.txt"))
            .arg("--constraint")
            .arg(folder.join("constraints.txt")),
    )?;
    std::fs::write(&installed, required).map_err(|error| error.to_string())?;
    Ok(python)
}

/// Run a command to completion. The error contains its standard error.
pub fn succeed(command: &mut Command) -> Result<Output, String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!(
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    ))
}
