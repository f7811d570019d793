//! The name of a model.

use std::fmt;

/// A model's name: `[A-Za-z0-9._-]+`, and neither `.` nor `..`.
///
/// Names come in through URLs and wasi-nn's `load-by-name`. They are looked up in lists and never
/// trusted as paths; this type makes sure that one which did end up in a path could not leave its
/// folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelName(String);

/// A text that is no model name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a model name: expected one or more of A-Z, a-z, 0-9, `.`, `_` and `-`")]
pub struct InvalidModelName {
    name: String,
}

impl ModelName {
    /// The longest name, in bytes: what file systems take as one folder's name.
    pub const MAX_LEN: usize = 255;

    /// Check a text and make it a name.
    ///
    /// # Errors
    /// When it is empty, longer than [`Self::MAX_LEN`], `.` or `..`, or has another character.
    pub fn new(name: &str) -> Result<Self, InvalidModelName> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if name.is_empty()
            || name.len() > Self::MAX_LEN
            || name == "."
            || name == ".."
            || !name.bytes().all(allowed)
        {
            return Err(InvalidModelName {
                name: name.chars().take(80).collect(),
            });
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        let long = "x".repeat(256);
        let cases = [
            ("digits", true),
            ("mobilenet_v2-1.0", true),
            ("...", true),
            ("", false),
            (".", false),
            ("..", false),
            ("a/b", false),
            ("../digits", false),
            ("a b", false),
            ("größe", false),
            ("a\0", false),
            (long.as_str(), false),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .filter(|(name, valid)| ModelName::new(name).is_ok() != *valid)
            .collect();
        assert!(wrong.is_empty(), "misjudged: {wrong:?}");
    }
}
