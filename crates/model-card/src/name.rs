//! Names of models and versions.

use std::cmp::Ordering;
use std::fmt;

/// A model's name: `[A-Za-z0-9._-]+`, and neither `.` nor `..`.
///
/// Names come from URLs and from wasi-nn's `load-by-name`. They are looked up in lists and never used as
/// paths. If a name ended up in a path all the same, this type's check would keep it inside its folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelName(String);

/// A string that is not a model name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is not a model name or version: expected one or more of A-Z, a-z, 0-9, `.`, `_` and `-`"
)]
pub struct InvalidModelName {
    name: String,
}

impl ModelName {
    /// The longest name in bytes, which is the file systems' limit for one folder.
    pub const MAX_LEN: usize = 255;

    /// Check a string and make it a name.
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

    /// The name as a string.
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

/// A model and, if its folder has several versions, one of them: `resnet`, `resnet/2`. This is the graph's
/// name in wasi-nn and the folder's path in the model repository.
///
/// Models are ordered by name, then by version. Versions that are numbers are ordered as numbers, after all
/// other versions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelId {
    /// The model's name.
    pub name: ModelName,
    /// The version's folder; `None` where the model's own folder has the graph.
    pub version: Option<ModelName>,
}

impl ModelId {
    /// Parse `name` or `name/version`.
    ///
    /// # Errors
    /// When either part is not a name.
    pub fn new(text: &str) -> Result<Self, InvalidModelName> {
        let (name, version) = match text.split_once('/') {
            Some((name, version)) => (name, Some(ModelName::new(version)?)),
            None => (text, None),
        };
        Ok(Self {
            name: ModelName::new(name)?,
            version,
        })
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{}/{version}", self.name),
            None => self.name.fmt(f),
        }
    }
}

impl Ord for ModelId {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |id: &Self| {
            id.version.clone().map(|version| {
                let number: Option<u64> = version.as_str().parse().ok();
                (number, version)
            })
        };
        self.name
            .cmp(&other.name)
            .then_with(|| key(self).cmp(&key(other)))
    }
}

impl PartialOrd for ModelId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
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
        assert!(wrong.is_empty(), "wrong result for {wrong:?}");
    }

    #[test]
    fn versions_are_ordered_as_numbers() {
        let mut ids: Vec<ModelId> = ["b", "a/10", "a/9", "a/beta", "a-b/1", "a/1"]
            .map(|text| ModelId::new(text).unwrap())
            .to_vec();
        ids.sort();
        let sorted: Vec<String> = ids.iter().map(ToString::to_string).collect();
        assert_eq!(sorted, ["a/beta", "a/1", "a/9", "a/10", "a-b/1", "b"]);
        for wrong in ["", "/", "a/", "/1", "a/b/c", "a/..", "../a"] {
            assert!(ModelId::new(wrong).is_err(), "{wrong}");
        }
    }
}
