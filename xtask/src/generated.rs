//! Files and parts of files that a command writes, and `--check`, which compares them with what it would write.

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

/// Replace the part of a page between the two marks of `command`.
///
/// # Errors
/// When the page lacks one of them.
pub(crate) fn replace_part(page: &str, command: &str, part: &str) -> Result<String> {
    let (before, after) = around(page, command)?;
    let (begin, end) = marks(command);
    Ok(format!("{before}{begin}\n\n{part}\n{end}{after}"))
}

/// The part of a page between the two marks of `command`.
///
/// # Errors
/// When the page lacks one of them.
pub(crate) fn part<'a>(page: &'a str, command: &str) -> Result<&'a str> {
    let (before, after) = around(page, command)?;
    let (begin, end) = marks(command);
    let part = &page[before.len() + begin.len()..page.len() - after.len() - end.len()];
    Ok(part.trim_matches('\n'))
}

fn around<'a>(page: &'a str, command: &str) -> Result<(&'a str, &'a str)> {
    let (begin, end) = marks(command);
    let split = || {
        let (before, rest) = page.split_once(&begin)?;
        let (_, after) = rest.split_once(&end)?;
        Some((before, after))
    };
    split().with_context(|| format!("expected the lines `{begin}` and `{end}`"))
}

fn marks(command: &str) -> (String, String) {
    (
        format!("<!-- begin: written by `{command}` -->"),
        format!("<!-- end: written by `{command}` -->"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "By hand.\n\n<!-- begin: written by `a` -->\n\nold\n<!-- end: written by `a` -->\n\nMore.\n";

    #[test]
    fn only_the_part_between_the_marks_changes() {
        let page = replace_part(PAGE, "a", "new\n").unwrap();
        assert_eq!(page, PAGE.replace("old\n", "new\n\n"));
        assert_eq!(part(&page, "a").unwrap(), "new");
        assert_eq!(part(PAGE, "a").unwrap(), "old");
    }

    #[test]
    fn missing_marks_are_named() {
        let reason = "expected the lines `<!-- begin: written by `b` -->` and `<!-- end: written by `b` -->`";
        for page in [PAGE, "", "<!-- begin: written by `b` -->"] {
            let error = replace_part(page, "b", "").unwrap_err();
            assert_eq!(error.to_string(), reason, "{page}");
        }
    }
}
