//! The components that `cargo xtask dist` compiled: a list, and a compressed file for each component and kind of SIMD.
//!
//! The list is `components.txt`. Its first line has the digest of the sources, each other one a component, its kind of SIMD,
//! its BLAKE3 hash and its file:
//!
//! ```text
//! sources 1f0c…
//! engine relaxed-simd 9a3e… engine-relaxed-simd.wasm.gz
//! ```

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::compile::Component;

/// The list's file name.
pub const LIST: &str = "components.txt";

const RELAXED: &str = "relaxed-simd";
const STRICT: &str = "simd";

/// Prebuilt components.
#[derive(Clone, Debug)]
pub struct Prebuilt {
    sources: String,
    files: Vec<PrebuiltFile>,
}

/// A compiled component with the linker's relocations.
#[derive(Clone, Debug)]
pub(crate) struct PrebuiltFile {
    component: Component,
    relaxed_simd: bool,
    /// The hash of the component's bytes.
    pub(crate) digest: blake3::Hash,
    /// The bytes, compressed.
    pub(crate) gzip: Gzip,
}

/// A file that is compressed with gzip.
#[derive(Clone, Debug)]
pub enum Gzip {
    /// Part of this program.
    Static(&'static [u8]),
    /// Beside it.
    File(PathBuf),
}

impl Prebuilt {
    /// Read a list. `find` gives the file of a name.
    ///
    /// # Errors
    /// The first line that is not in the list's format or whose file is missing, in words.
    pub fn parse(list: &str, find: impl Fn(&str) -> Option<Gzip>) -> Result<Self, String> {
        let mut lines = list.lines();
        let sources = lines
            .next()
            .and_then(|line| line.strip_prefix("sources "))
            .ok_or("expected `sources` and a digest in the first line")?;
        let files = lines.map(|line| {
            parse_line(line, &find).ok_or_else(|| {
                format!(
                    "expected a component, its SIMD, its hash and an existing file, got `{line}`"
                )
            })
        });
        Ok(Self {
            sources: sources.to_owned(),
            files: files.collect::<Result<_, _>>()?,
        })
    }

    /// Read the list in a folder.
    ///
    /// # Errors
    /// In words; `NotFound` of the operating system if the folder has no list.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let list = fs::read_to_string(folder.join(LIST))?;
        let find = |name: &str| {
            let path = folder.join(name);
            path.is_file().then_some(Gzip::File(path))
        };
        Self::parse(&list, find).map_err(|reason| {
            let path = folder.join(LIST);
            io::Error::other(format!("`{}`: {reason}", path.display()))
        })
    }

    /// The digest of the sources, as [`sources_digest`](crate::components::sources_digest) computes it.
    #[must_use]
    pub fn sources(&self) -> &str {
        &self.sources
    }

    pub(crate) fn file(&self, component: Component, relaxed_simd: bool) -> Option<&PrebuiltFile> {
        let is_asked =
            |file: &&PrebuiltFile| (file.component, file.relaxed_simd) == (component, relaxed_simd);
        self.files.iter().find(is_asked)
    }
}

fn parse_line(line: &str, find: impl Fn(&str) -> Option<Gzip>) -> Option<PrebuiltFile> {
    let mut words = line.split(' ');
    let name = words.next()?;
    let component = Component::ALL.into_iter().find(|one| one.name() == name)?;
    let relaxed_simd = match words.next()? {
        RELAXED => true,
        STRICT => false,
        _ => return None,
    };
    let digest = blake3::Hash::from_hex(words.next()?).ok()?;
    let gzip = find(words.next()?)?;
    words.next().is_none().then_some(PrebuiltFile {
        component,
        relaxed_simd,
        digest,
        gzip,
    })
}

/// Write compiled components and their list to a folder.
///
/// # Errors
/// The operating system's error.
pub fn write(folder: &Path, sources: &str, files: &[(Component, bool, Vec<u8>)]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut list = format!("sources {sources}\n");
    for (component, relaxed_simd, bytes) in files {
        let simd = if *relaxed_simd { RELAXED } else { STRICT };
        let name = format!("{}-{simd}.wasm.gz", component.name());
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(bytes)?;
        fs::write(folder.join(&name), gzip.finish()?)?;
        let digest = blake3::hash(bytes).to_hex();
        list.push_str(&format!("{} {simd} {digest} {name}\n", component.name()));
    }
    fs::write(folder.join(LIST), list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_folder_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            (Component::Infer, true, b"infer".to_vec()),
            (Component::Engine, false, b"engine".to_vec()),
        ];
        write(folder.path(), "abc", &files).unwrap();
        let prebuilt = Prebuilt::read(folder.path()).unwrap();
        assert_eq!(prebuilt.sources(), "abc");
        for (component, relaxed_simd, bytes) in &files {
            let file = prebuilt.file(*component, *relaxed_simd).unwrap();
            assert_eq!(file.digest, blake3::hash(bytes));
            assert!(prebuilt.file(*component, !relaxed_simd).is_none());
        }
        fs::remove_file(folder.path().join("infer-relaxed-simd.wasm.gz")).unwrap();
        let error = Prebuilt::read(folder.path()).unwrap_err().to_string();
        let line = "an existing file, got `infer relaxed-simd";
        assert!(error.contains(line), "{error}");
    }

    #[test]
    fn a_malformed_list_is_refused_by_its_line() {
        let hash = blake3::hash(b"").to_hex();
        let rows = [
            String::new(),
            "source abc\n".to_owned(),
            "sources abc\nengine".to_owned(),
            format!("sources abc\nhost simd {hash} a"),
            format!("sources abc\nengine scalar {hash} a"),
            "sources abc\nengine simd 12 a".to_owned(),
            format!("sources abc\nengine simd {hash} a b"),
        ];
        for list in rows {
            let read = Prebuilt::parse(&list, |_| Some(Gzip::Static(b"")));
            assert!(read.unwrap_err().starts_with("expected "), "{list}");
        }
    }
}
