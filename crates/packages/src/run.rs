//! Tools as processes, and the error of packaging.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A package could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("cannot {action} `{}`: {source}", path.display())]
    File {
        /// The failed action.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A tool is missing or failed.
    #[error("`{tool}` {reason}")]
    Tool {
        /// The tool's name.
        tool: String,
        /// The failure, with the tool's output.
        reason: String,
    },
    /// Packages are not made for this architecture.
    #[error("expected a machine of the architecture x86_64 or aarch64, got {0}")]
    Architecture(&'static str),
    /// A kind of packages that this operating system does not have.
    #[error("the package is for Linux and is made there alone")]
    NotLinux,
}

/// Run a tool and return what it prints.
pub(crate) fn run(command: &mut Command) -> Result<String, Error> {
    let tool = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => {
            let reason = format!("cannot be run: {error}");
            return Err(Error::Tool { tool, reason });
        }
    };
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let reason = format!("failed ({}): {stdout}{stderr}", output.status);
    Err(Error::Tool {
        tool,
        reason: reason.trim().to_owned(),
    })
}

/// The error of a file operation: `cannot ACTION PATH`.
pub(crate) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_fails_is_named_with_its_output() {
        // (program, argument, start of the error)
        let rows = [
            ("/none/tool", "", "`tool` cannot be run: No such file"),
            ("/", "", "`` cannot be run: Permission denied"),
            (
                "sh",
                "echo out; echo why >&2; exit 3",
                "`sh` failed (exit status: 3): out\nwhy",
            ),
            ("sh", "kill -9 $$", "`sh` failed (signal: 9 (SIGKILL))"),
        ];
        let mut wrong = Vec::new();
        for (program, argument, expected) in rows {
            let error = run(Command::new(program).args(["-c", argument])).unwrap_err();
            if !error.to_string().starts_with(expected) {
                wrong.push(format!("expected {expected:?}, got {error}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(run(Command::new("echo").arg("a")).unwrap(), "a\n");
    }
}
