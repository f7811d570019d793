//! The digests by which git and its large files name contents.

use std::fmt::{self, Write as _};

use ring::digest;

use crate::path::is_hex;

/// A file's digest, which is also its name in the cache, and the hub's ETag.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Digest {
    /// SHA-256 of the contents, in 64 hexadecimal digits: the name of a large file (Git LFS, Xet).
    Sha256(String),
    /// SHA-1 of the git blob, in 40 hexadecimal digits: the name of any other file.
    GitBlob(String),
}

impl Digest {
    /// Returns the SHA-256 in these lowercase hexadecimal digits, if they are 64.
    pub(crate) fn sha256(digits: &str) -> Option<Self> {
        is_hex(digits, 64).then(|| Self::Sha256(digits.to_owned()))
    }

    /// Returns the git blob with these lowercase hexadecimal digits, if they are 40.
    pub(crate) fn git_blob(digits: &str) -> Option<Self> {
        is_hex(digits, 40).then(|| Self::GitBlob(digits.to_owned()))
    }

    /// Returns the hexadecimal digits.
    pub fn digits(&self) -> &str {
        match self {
            Self::Sha256(digits) | Self::GitBlob(digits) => digits,
        }
    }

    /// Start computing this kind of digest for a file of `size` bytes.
    pub(crate) fn hasher(&self, size: u64) -> Hasher {
        match self {
            Self::Sha256(_) => Hasher(digest::Context::new(&digest::SHA256)),
            Self::GitBlob(_) => {
                let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
                context.update(format!("blob {size}\0").as_bytes());
                Hasher(context)
            }
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Sha256(_) => "SHA-256",
            Self::GitBlob(_) => "git blob",
        };
        write!(f, "{kind} {}", self.digits())
    }
}

/// A digest that is being computed.
#[derive(Clone)]
pub(crate) struct Hasher(digest::Context);

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the lowercase hexadecimal digits.
    pub(crate) fn finish(self) -> String {
        let mut digits = String::new();
        for byte in self.0.finish().as_ref() {
            // Writing to a string cannot fail.
            let _ = write!(digits, "{byte:02x}");
        }
        digits
    }
}
