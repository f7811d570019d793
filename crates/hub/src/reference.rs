//! References to models of the hub: `hf:OWNER/NAME[@REVISION][:VARIANT]`.

use std::fmt;
use std::str::FromStr;

use crate::path::{PathProblem, check_path};

/// The prefix of a reference.
const SCHEME: &str = "hf:";
/// The hub's default branch.
const DEFAULT_REVISION: &str = "main";
/// The longest `OWNER/NAME`, in bytes: the limit of `validate_repo_id` of `huggingface_hub`.
const MAX_REPOSITORY_BYTES: usize = 96;
/// The longest revision and variant, in bytes: what a file system takes as a name.
const MAX_PART_BYTES: usize = 255;

/// A model of the hub, in the form `hf:OWNER/NAME[@REVISION][:VARIANT]`.
///
/// `hf:NAME` without an owner is valid, because the hub serves its oldest models under such names too (`hf:gpt2`). The
/// hub redirects them to their present owner. The cache keeps them under the name as given, like `huggingface_hub`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    repository: String,
    revision: Option<String>,
    variant: Option<String>,
}

/// A reference that the hub would not accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// The reference is not one of the hub.
    #[error("`{0}` is not a model of the hub: expected `hf:OWNER/NAME[@REVISION][:VARIANT]`")]
    Scheme(String),
    /// A part between the separators has no characters.
    #[error("`{reference}` has an empty {part}: expected `hf:OWNER/NAME[@REVISION][:VARIANT]`")]
    Empty {
        /// The reference.
        reference: String,
        /// The part: `owner`, `name`, `revision` or `variant`.
        part: &'static str,
    },
    /// The repository has more than an owner and a name.
    #[error(
        "`{0}` has more than one `/` before its revision: expected `hf:OWNER/NAME[@REVISION][:VARIANT]`"
    )]
    Slashes(String),
    /// A part has characters, or an order of them, that the hub does not allow.
    #[error("{part} `{value}` is not valid: {expected}")]
    Characters {
        /// The part: `owner`, `name`, `revision` or `variant`.
        part: &'static str,
        /// Its text.
        value: String,
        /// The rule that it breaks.
        expected: &'static str,
    },
    /// A part is longer than the hub or a file system allows.
    #[error("{part} of {length} bytes is too long: expected at most {limit}")]
    Length {
        /// The part: `OWNER/NAME`, `revision` or `variant`.
        part: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The longest that is valid.
        limit: usize,
    },
}

impl Reference {
    /// Returns the repository: `OWNER/NAME`, or `NAME` for a model without an owner.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the branch, tag or commit; `main` if the reference names none.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(DEFAULT_REVISION)
    }

    /// Returns the variant, whose meaning is the caller's.
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let rest = text
            .strip_prefix(SCHEME)
            .filter(|rest| !rest.starts_with("//"))
            .ok_or_else(|| ReferenceError::Scheme(text.to_owned()))?;
        // Git allows no `:` in a revision, and the hub neither `:` nor `@` in a name.
        let (rest, variant) = split(rest, ':');
        let (repository, revision) = split(rest, '@');
        check_repository(text, repository)?;
        for (part, value) in [("revision", revision), ("variant", variant)] {
            value.map_or(Ok(()), |value| check_part(text, part, value))?;
        }
        Ok(Self {
            repository: repository.to_owned(),
            revision: revision.map(str::to_owned),
            variant: variant.map(str::to_owned),
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.repository)?;
        if let Some(revision) = &self.revision {
            write!(f, "@{revision}")?;
        }
        if let Some(variant) = &self.variant {
            write!(f, ":{variant}")?;
        }
        Ok(())
    }
}

fn split(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// Check `OWNER/NAME` by the rules of `validate_repo_id` in `huggingface_hub/utils/_validators.py`.
fn check_repository(reference: &str, repository: &str) -> Result<(), ReferenceError> {
    let parts: &[(&'static str, &str)] = match *repository.split('/').collect::<Vec<_>>() {
        [name] => &[("name", name)],
        [owner, name] => &[("owner", owner), ("name", name)],
        _ => return Err(ReferenceError::Slashes(reference.to_owned())),
    };
    for &(part, value) in parts {
        if value.is_empty() {
            return Err(ReferenceError::Empty {
                reference: reference.to_owned(),
                part,
            });
        }
        check_name(part, value)?;
    }
    check_length("OWNER/NAME", repository, MAX_REPOSITORY_BYTES)
}

fn check_name(part: &'static str, value: &str) -> Result<(), ReferenceError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let expected = if !value.bytes().all(is_allowed) {
        "expected letters, digits, `-`, `_` and `.`"
    } else if value.starts_with(['-', '.']) || value.ends_with(['-', '.']) {
        "it must not start or end with `-` or `.`"
    } else if value.contains("--") || value.contains("..") {
        "it must not contain `--` or `..`"
    } else if value.ends_with(".git") {
        "it must not end with `.git`"
    } else {
        return Ok(());
    };
    Err(ReferenceError::Characters {
        part,
        value: value.to_owned(),
        expected,
    })
}

/// Check a revision by the rules of `git check-ref-format`, and a variant by the same ones. Both may become a path.
fn check_part(reference: &str, part: &'static str, value: &str) -> Result<(), ReferenceError> {
    if value.is_empty() {
        return Err(ReferenceError::Empty {
            reference: reference.to_owned(),
            part,
        });
    }
    check_length(part, value, MAX_PART_BYTES)?;
    let is_forbidden = |c: char| c == ' ' || c.is_control() || "~^:?*[\\@".contains(c);
    let expected = if value.contains(is_forbidden) {
        "expected a name of git, which has no spaces and none of `~^:?*[\\@`"
    } else if value.contains("..") {
        "it must not contain `..`"
    } else if value.ends_with('.') || value.split('/').any(|name| name.starts_with('.')) {
        "none of its parts may start with `.`, and it must not end with `.`"
    } else {
        match check_path(value) {
            Ok(()) => return Ok(()),
            Err(PathProblem::Absolute) => "it must not start with `/`",
            Err(_) => "expected names separated by single `/`",
        }
    };
    Err(ReferenceError::Characters {
        part,
        value: value.to_owned(),
        expected,
    })
}

fn check_length(part: &'static str, value: &str, limit: usize) -> Result<(), ReferenceError> {
    if value.len() > limit {
        return Err(ReferenceError::Length {
            part,
            length: value.len(),
            limit,
        });
    }
    Ok(())
}
