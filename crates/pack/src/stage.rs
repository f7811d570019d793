//! Build stages, which are skipped when up to date.
//!
//! Each stage writes one file and, next to it, the digest of all its inputs. A stage whose digest is unchanged is not
//! run again. Modification times play no role.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// A digest of a stage's named inputs.
#[derive(Debug, Clone)]
pub struct Inputs(blake3::Hasher);

impl Inputs {
    /// Start the inputs of the stage named `stage`; `version` changes with the code that runs it.
    #[must_use]
    pub fn new(stage: &str, version: &str) -> Self {
        let mut inputs = Self(blake3::Hasher::new());
        inputs.add("stage", stage.as_bytes());
        inputs.add("version", version.as_bytes());
        inputs
    }

    /// Add one input. Lengths are hashed too, so that different lists of inputs never concatenate to the same bytes.
    pub fn add(&mut self, name: &str, bytes: &[u8]) {
        for part in [name.as_bytes(), bytes] {
            self.0.update(&(part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    /// The digest.
    pub(crate) fn hash(&self) -> blake3::Hash {
        self.0.finalize()
    }
}

/// A stage: its output file and the digest of its inputs.
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
            digest: inputs.hash().to_hex().to_string(),
        }
    }

    /// The file's bytes, if it was built from the same inputs.
    #[must_use]
    pub fn read_fresh(&self) -> Option<Vec<u8>> {
        self.is_fresh().then(|| fs::read(&self.file).ok())?
    }

    /// Whether the file was built from the same inputs.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.file.is_file()
            && fs::read_to_string(self.digest_file()).is_ok_and(|found| found == self.digest)
    }

    /// Write the file atomically, then its digest.
    ///
    /// # Errors
    /// The operating system's error, with the path.
    pub fn write(&self, bytes: &[u8]) -> Result<(), WriteError> {
        self.writing(&self.file, |_| {
            replace(&self.file, bytes)?;
            fs::write(self.digest_file(), &self.digest)
        })
    }

    /// Write a file that belongs to the one that [`Stage::write`] writes next. A fresh stage has both from one build.
    ///
    /// # Errors
    /// The operating system's error, with the path.
    pub fn write_beside(&self, path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
        self.writing(path, |_| fs::write(path, bytes))
    }

    /// Remove the old digest, so that a build that is interrupted from here on leaves a stage that is not fresh. Then
    /// write to `path`; `write` gets its folder.
    fn writing(
        &self,
        path: &Path,
        write: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), WriteError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let written = fs::create_dir_all(folder).and_then(|()| {
            match fs::remove_file(self.digest_file()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            write(folder)
        });
        written.map_err(|source| WriteError {
            path: path.to_owned(),
            source,
        })
    }

    fn digest_file(&self) -> PathBuf {
        let mut name = self.file.clone().into_os_string();
        name.push(".inputs");
        name.into()
    }
}

/// Write a file at once: a host reads the old file or the new one, and never half of it.
///
/// # Errors
/// The operating system's.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = temporary_file(folder.unwrap_or(Path::new(".")))?;
    io::Write::write_all(&mut file, bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Create a temporary file with the mode of a normal new file (0666 & !umask). Temporary files are private by default, but
/// a host may read artifacts as another user, for example in a container.
fn temporary_file(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// An output file of the build could not be written.
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

    #[test]
    fn a_stage_with_a_newer_file_beside_it_is_not_fresh() {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::new(folder.path().join("new/out"), &inputs(&[]));
        let beside = folder.path().join("new/out.list");
        stage.write_beside(&beside, b"list").unwrap();
        stage.write(b"made").unwrap();
        assert!(stage.is_fresh());
        stage.write_beside(&beside, b"newer").unwrap();
        assert!(!stage.is_fresh(), "an interrupted build leaves this");
        assert_eq!(fs::read(&beside).unwrap(), b"newer");
    }

    /// A test cannot change the umask of its process, so this compares with a file created with default options.
    #[cfg(unix)]
    #[test]
    fn an_artifact_has_the_mode_of_a_normal_file() {
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
    fn digests_depend_on_input_boundaries() {
        let one = inputs(&[("a", b"bc")]).hash();
        assert_ne!(one, inputs(&[("ab", b"c")]).hash());
        assert_ne!(one, inputs(&[("a", b"b"), ("", b"c")]).hash());
    }
}
