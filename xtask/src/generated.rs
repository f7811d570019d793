//! Files that a command writes, and `--check`, which compares them with what the command would write.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// What a command does with the text that it generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Write the file if it differs.
    Write,
    /// Fail if the file differs.
    Check,
}

impl Mode {
    /// The mode that the flag `--check` selects.
    pub(crate) fn of(check: bool) -> Self {
        match check {
            true => Self::Check,
            false => Self::Write,
        }
    }

    /// Write a whole file below `root`, or check it; `command` is the command that writes it.
    ///
    /// # Errors
    /// When the file differs in [`Mode::Check`], or cannot be written.
    pub(crate) fn file(self, root: &Path, path: &str, text: &str, command: &str) -> Result<()> {
        let file = root.join(path);
        let is_same = fs::read_to_string(&file).is_ok_and(|current| current == text);
        match self {
            _ if is_same => Ok(()),
            Self::Check => bail!("`{path}` is out of date: run `{command}`"),
            Self::Write => {
                fs::write(&file, text)
                    .with_context(|| format!("cannot write `{}`", file.display()))?;
                println!("written: {path}");
                Ok(())
            }
        }
    }
}
