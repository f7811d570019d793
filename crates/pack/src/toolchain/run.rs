//! Runs the tools that a build needs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fmt, io};

use crate::progress::Progress;

/// A tool that could not be started, or failed.
#[derive(Debug)]
pub struct CommandError {
    command: String,
    // Boxed to keep the many results that contain it small.
    failure: Box<Failure>,
}

#[derive(Debug)]
enum Failure {
    Start(io::Error),
    Exit { status: String, output: String },
    NoEffect { folder: PathBuf },
}

impl CommandError {
    /// The error of a tool that reported success without creating `folder`.
    pub(crate) fn without_effect(command: &str, folder: &Path) -> Self {
        Self {
            command: command.to_owned(),
            failure: Box::new(Failure::NoEffect {
                folder: folder.to_owned(),
            }),
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.failure.as_ref() {
            Failure::Start(error) => write!(f, "cannot run `{}`: {error}", self.command),
            Failure::Exit { status, output } if output.is_empty() => {
                write!(f, "`{}` failed ({status})", self.command)
            }
            Failure::Exit { status, output } => {
                write!(f, "`{}` failed ({status}):\n{output}", self.command)
            }
            Failure::NoEffect { folder } => write!(
                f,
                "`{}` reported success, but `{}` is not there",
                self.command,
                folder.display()
            ),
        }
    }
}

impl std::error::Error for CommandError {}

/// How much of a failed tool's output an error keeps. It keeps the end, which has the reason.
const KEPT_OUTPUT_BYTES: usize = 8 * 1024;

/// Run a tool to completion. Its output goes to the terminal if there is one, and is captured otherwise.
///
/// # Errors
/// If it cannot be started, or exits with a status other than 0.
pub(crate) fn run(command: &mut Command, progress: &dyn Progress) -> Result<(), CommandError> {
    if progress.is_terminal() {
        let status = command
            .stdin(Stdio::null())
            .stdout(Stdio::inherit())
            .stderr(Stdio::inherit())
            .status()
            .map_err(|error| start_error(command, error))?;
        if status.success() {
            return Ok(());
        }
        return Err(CommandError {
            command: describe(command),
            failure: Box::new(Failure::Exit {
                status: status.to_string(),
                output: String::new(),
            }),
        });
    }
    output(command).map(drop)
}

/// Run a tool and return its standard output.
///
/// # Errors
/// As [`run`].
pub(crate) fn output(command: &mut Command) -> Result<String, CommandError> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| start_error(command, error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let mut start = stderr.len().saturating_sub(KEPT_OUTPUT_BYTES);
    while !stderr.is_char_boundary(start) {
        start += 1;
    }
    Err(CommandError {
        command: describe(command),
        failure: Box::new(Failure::Exit {
            status: output.status.to_string(),
            output: stderr[start..].trim().to_owned(),
        }),
    })
}

fn start_error(command: &Command, error: io::Error) -> CommandError {
    CommandError {
        command: describe(command),
        failure: Box::new(Failure::Start(error)),
    }
}

/// The program's name and its first arguments. The whole command line would bury the reason of the error.
fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut text = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    for arg in command.get_args().filter(|arg| *arg != "-o").take(4) {
        let arg = arg.to_string_lossy();
        if !arg.starts_with("Dir::") {
            text.push(' ');
            text.push_str(&arg);
        }
    }
    text
}
