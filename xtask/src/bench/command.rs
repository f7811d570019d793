//! Runs other programs to their end.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Run a command to its end and return its standard output; the error has its standard error.
pub(crate) fn succeed(command: &mut Command) -> Result<String> {
    let name = Path::new(command.get_program()).to_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", name.display()))?;
    ensure!(
        output.status.success(),
        "`{}` failed ({}): {}",
        name.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
