//! Digests of content, as image-spec's descriptors have them.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// The only supported algorithm. Every registry has it, and image-spec requires it.
const ALGORITHM: &str = "sha256";

/// A text that is not a supported digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidDigest {
    /// The algorithm is not SHA-256.
    #[error("the digest algorithm `{0}` is not supported, expected `{ALGORITHM}`")]
    Algorithm(String),
    /// The text has no algorithm, or is no lowercase hexadecimal number of the right length.
    #[error("`{0}` is not a digest, expected `{ALGORITHM}:` and 64 lowercase hexadecimal digits")]
    Form(String),
}

/// A SHA-256 digest, written as `sha256:` and 64 lowercase hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// The digest's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let form = || InvalidDigest::Form(printable(text));
        let (algorithm, hex) = text.split_once(':').ok_or_else(form)?;
        if algorithm != ALGORITHM {
            return Err(InvalidDigest::Algorithm(printable(algorithm)));
        }
        let lowercase_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if hex.len() == 64 && hex.bytes().all(lowercase_hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(form())
        }
    }
}

/// A digest of bytes that come in pieces.
#[derive(Default)]
pub(crate) struct Hasher(Sha256);

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> Digest {
        Digest(format!("{ALGORITHM}:{:x}", self.0.finalize()))
    }
}

/// The longest text of a peer that a message repeats, in characters.
const PRINTABLE_CHARS: usize = 300;

/// `text` without control characters, and shortened, so that a peer's text cannot change a terminal.
pub(crate) fn printable(text: &str) -> String {
    let mut result: String = text
        .chars()
        .take(PRINTABLE_CHARS)
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    if text.chars().nth(PRINTABLE_CHARS).is_some() {
        result.push('…');
    }
    result
}
