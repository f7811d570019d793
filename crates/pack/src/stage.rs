//! Build stages, which are skipped when up to date.
//!
//! Every stage writes one file and, beside it, the digest of everything that went into it. A stage
//! whose digest has not changed is not run again, whatever the files' times say.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// A digest over a stage's inputs, each under a name of its own.
#[derive(Debug, Clone)]
pub struct Inputs(blake3::Hasher);

impl Inputs {
    /// The inputs of the stage called `stage`; `version` changes with the code that runs it.
    #[must_use]
    pub fn new(stage: &str, version: &str) -> Self {
        let mut inputs = Self(blake3::Hasher::new());
        inputs.add("stage", stage.as_bytes());
        inputs.add("version", version.as_bytes());
        inputs
    }

    /// Add one input. Lengths go in too, so that no two lists of inputs look alike.
    pub fn add(&mut self, name: &str, bytes: &[u8]) {
        for part in [name.as_bytes(), bytes] {
            self.0.update(&(part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    fn digest(&self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}

/// A stage's file.
#[derive(Debug, Clone)]
pub struct Stage {
    file: PathBuf,
    digest: String,
}

impl Stage {
    /// The stage that writes `file` from `inputs`.
    #[must_use]
    pub fn new(file: PathBuf, inputs: &Inputs) -> Self {
        Self {
            file,
            digest: inputs.digest(),
        }
    }

    /// The file's bytes, if it was made from the same inputs.
    #[must_use]
    pub fn read_fresh(&self) -> Option<Vec<u8>> {
        self.is_fresh().then(|| fs::read(&self.file).ok())?
    }

    /// Whether the file was made from the same inputs.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.file.is_file()
            && fs::read_to_string(self.digest_file()).is_ok_and(|found| found == self.digest)
    }

    /// Write the file whole or not at all, then its digest.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn write(&self, bytes: &[u8]) -> Result<(), WriteError> {
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let write = || -> io::Result<()> {
            fs::create_dir_all(folder)?;
            // Old digest first: a build that is cut off here leaves a stage that is not fresh.
            match fs::remove_file(self.digest_file()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = temporary_file(folder)?;
            io::Write::write_all(&mut file, bytes)?;
            file.persist(&self.file).map_err(|error| error.error)?;
            fs::write(self.digest_file(), &self.digest)
        };
        write().map_err(|source| WriteError {
            path: self.file.clone(),
            source,
        })
    }

    fn digest_file(&self) -> PathBuf {
        let mut name = self.file.clone().into_os_string();
        name.push(".inputs");
        name.into()
    }
}

/// A temporary file whose mode is that of any new file (0666 less the umask). Temporary files are private by default, and hosts
/// read artifacts as other users, in containers for example.
fn temporary_file(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// A file of the build could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`: {source}; check the permissions of its folder and the free space", path.display())]
pub struct WriteError {
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(parts: &[(&str, &[u8])]) -> Inputs {
        let mut inputs = Inputs::new("test", "1");
        for (name, bytes) in parts {
            inputs.add(name, bytes);
        }
        inputs
    }

    #[test]
    fn a_stage_is_fresh_until_an_input_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out");
        let stage = Stage::new(file.clone(), &inputs(&[("a", b"1")]));
        assert_eq!(stage.read_fresh(), None);
        stage.write(b"made").unwrap();
        assert_eq!(stage.read_fresh().as_deref(), Some(&b"made"[..]));
        for other in [&[("a", &b"2"[..])][..], &[("b", b"1")], &[]] {
            assert!(!Stage::new(file.clone(), &inputs(other)).is_fresh());
        }
        fs::remove_file(&file).unwrap();
        assert!(!stage.is_fresh(), "the file itself is gone");
    }

    /// The umask belongs to the process, so this compares with a file that is made without options.
    #[cfg(unix)]
    #[test]
    fn other_users_may_read_an_artifact() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let other = folder.path().join("other");
        fs::write(&other, b"").unwrap();
        let file = folder.path().join("artifact.wasm");
        let stage = Stage::new(file.clone(), &inputs(&[]));
        // Twice: the second write replaces a file.
        for bytes in [b"one", b"two"] {
            stage.write(bytes).unwrap();
            assert_eq!(mode(&file), mode(&other), "{:o}", mode(&file));
        }
        assert_ne!(mode(&file), 0o600, "the umask hides the difference");
    }

    #[test]
    fn where_one_input_ends_matters() {
        let one = inputs(&[("a", b"bc")]).digest();
        assert_ne!(one, inputs(&[("ab", b"c")]).digest());
        assert_ne!(one, inputs(&[("a", b"b"), ("", b"c")]).digest());
    }
}
