//! Paths that a server sends, checked before they are shown or used on disk.

/// The longest path, in bytes. Linux allows 4096 for a whole path, which includes the cache's.
const MAX_PATH_BYTES: usize = 1024;

/// Why a path of a listing is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathProblem {
    Absolute,
    Parent,
    EmptyName,
    Control,
    Windows,
    Length,
}

impl PathProblem {
    /// Returns the end of a sentence about the path.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Absolute => "it is absolute",
            Self::Parent => "it has a part `..` or `.`",
            Self::EmptyName => "it has an empty part",
            Self::Control => "it has control characters",
            Self::Windows => {
                "it has `\\` or `:`, which are not part of a file's name on this system"
            }
            Self::Length => "it is longer than 1024 bytes",
        }
    }
}

/// Check that a path of `/`-separated names stays below the folder that it is joined to.
pub(crate) fn check_path(path: &str) -> Result<(), PathProblem> {
    if path.starts_with('/') {
        return Err(PathProblem::Absolute);
    }
    if path.len() > MAX_PATH_BYTES {
        return Err(PathProblem::Length);
    }
    if path.chars().any(char::is_control) {
        return Err(PathProblem::Control);
    }
    // Elsewhere both are ordinary characters of a name.
    if cfg!(windows) && path.contains(['\\', ':']) {
        return Err(PathProblem::Windows);
    }
    for name in path.split('/') {
        match name {
            "" => return Err(PathProblem::EmptyName),
            "." | ".." => return Err(PathProblem::Parent),
            _ => (),
        }
    }
    Ok(())
}

/// Whether the text is that many lowercase hexadecimal digits.
pub(crate) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
