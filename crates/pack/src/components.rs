//! The origin of the components' code: cargo, or this program.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::compile::{Component, Profile, compile};
use crate::prebuilt::{Gzip, Prebuilt};
use crate::progress::Progress;
use crate::toolchain::run::CommandError;
use crate::toolchain::{self, TARGET, ToolchainError};

/// The origin of the components' code.
#[derive(Clone, Debug)]
pub enum Components {
    /// The checkout at this root. cargo compiles them when a build needs them.
    Checkout(PathBuf),
    /// Compiled when this program was packaged.
    Prebuilt(Arc<Prebuilt>),
}

/// The code of a component.
#[derive(Clone, Debug)]
pub struct Code {
    component: Component,
    digest: blake3::Hash,
    bytes: CodeBytes,
}

#[derive(Clone, Debug)]
enum CodeBytes {
    Compiled(Vec<u8>),
    Gzip(Gzip),
}

/// The components are not available.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComponentsError {
    /// The target's standard library is missing.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// A component could not be compiled.
    #[error(transparent)]
    Compile(#[from] CommandError),
    /// A compiled component or a source could not be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// This program was packaged without one of its components.
    #[error(
        "this program was packaged without the component `{component}` {}; install it again",
        simd(*relaxed_simd)
    )]
    Missing {
        /// `infer` or `engine`.
        component: &'static str,
        /// Whether it would use relaxed SIMD.
        relaxed_simd: bool,
    },
    /// A prebuilt component cannot be decompressed.
    #[error(
        "the prebuilt component `{component}` is damaged; install this program again: {source}"
    )]
    Damaged {
        /// `infer` or `engine`.
        component: &'static str,
        /// The decompressor's error.
        source: io::Error,
    },
}

fn simd(is_relaxed: bool) -> &'static str {
    match is_relaxed {
        true => "with relaxed SIMD",
        false => "without relaxed SIMD",
    }
}

impl Components {
    /// The code of a component. In a checkout, cargo compiles it if its sources changed.
    ///
    /// # Errors
    /// If cargo fails, or a package is incomplete.
    pub(crate) fn code(
        &self,
        component: Component,
        profile: Profile,
        relaxed_simd: bool,
        progress: &dyn Progress,
    ) -> Result<Code, ComponentsError> {
        match self {
            Self::Checkout(root) => {
                let path = compile(root, component, profile, relaxed_simd, progress)?;
                let bytes = read(&path)?;
                Ok(Code {
                    component,
                    digest: blake3::hash(&bytes),
                    bytes: CodeBytes::Compiled(bytes),
                })
            }
            Self::Prebuilt(prebuilt) => {
                let file =
                    prebuilt
                        .file(component, relaxed_simd)
                        .ok_or(ComponentsError::Missing {
                            component: component.name(),
                            relaxed_simd,
                        })?;
                Ok(Code {
                    component,
                    digest: file.digest,
                    bytes: CodeBytes::Gzip(file.gzip.clone()),
                })
            }
        }
    }

    /// Make the standard library of the components' target available, which only a checkout needs.
    pub(crate) fn prepare(&self, progress: &dyn Progress) -> Result<(), ToolchainError> {
        match self {
            Self::Checkout(root) => toolchain::ensure(root, progress).map(drop),
            Self::Prebuilt(_) => Ok(()),
        }
    }

    /// The text of the step that calls [`Components::code`].
    pub(crate) fn described(&self, component: Component) -> String {
        let component = component.name();
        match self {
            Self::Checkout(_) => format!("{component}: compiling to {TARGET}"),
            Self::Prebuilt(_) => format!("{component}: prebuilt"),
        }
    }
}

impl Code {
    /// Which component it is.
    pub(crate) fn name(&self) -> &'static str {
        self.component.name()
    }

    /// The BLAKE3 hash of the bytes.
    pub(crate) fn digest(&self) -> blake3::Hash {
        self.digest
    }

    /// The component's bytes, with the linker's relocations.
    ///
    /// # Errors
    /// If this program is damaged.
    pub(crate) fn read(&self) -> Result<Cow<'_, [u8]>, ComponentsError> {
        let gzip = match &self.bytes {
            CodeBytes::Compiled(bytes) => return Ok(Cow::Borrowed(bytes)),
            CodeBytes::Gzip(Gzip::Static(gzip)) => Cow::Borrowed(*gzip),
            CodeBytes::Gzip(Gzip::File(path)) => Cow::Owned(read(path)?),
        };
        let damaged = |source| ComponentsError::Damaged {
            component: self.name(),
            source,
        };
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(&*gzip)
            .read_to_end(&mut bytes)
            .map_err(damaged)?;
        if blake3::hash(&bytes) != self.digest {
            return Err(damaged(io::Error::other("its hash is another")));
        }
        Ok(Cow::Owned(bytes))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ComponentsError> {
    fs::read(path).map_err(|source| ComponentsError::Read {
        path: path.to_owned(),
        source,
    })
}

/// The sources of the components, relative to the root of a checkout.
const SOURCES: [&str; 5] = ["Cargo.lock", "Cargo.toml", "crates", "src", "wit"];

/// A digest of all sources of a checkout, in hexadecimal digits: of their paths and contents.
///
/// # Errors
/// If a source cannot be read.
pub fn sources_digest(root: &Path) -> Result<String, ComponentsError> {
    let mut hasher = blake3::Hasher::new();
    for source in SOURCES {
        add(&mut hasher, root, &root.join(source))?;
    }
    Ok(hasher.finalize().to_hex().to_string())
}

fn add(hasher: &mut blake3::Hasher, root: &Path, path: &Path) -> Result<(), ComponentsError> {
    let failed = |source| ComponentsError::Read {
        path: path.to_owned(),
        source,
    };
    if path.is_dir() {
        let entries = fs::read_dir(path).map_err(failed)?;
        let mut paths: Vec<PathBuf> = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        paths.sort();
        return paths.iter().try_for_each(|path| add(hasher, root, path));
    }
    let name = path.strip_prefix(root).unwrap_or(path);
    for part in [name.as_os_str().as_encoded_bytes(), &read(path)?] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::progress::Silent;

    #[test]
    fn prebuilt_code_is_read_or_its_fault_is_named() {
        let list = |hash: blake3::Hash| {
            format!(
                "sources abc\nengine relaxed-simd {} engine.wasm.gz\n",
                hash.to_hex()
            )
        };
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"the code").unwrap();
        let gzip = gzip.finish().unwrap();
        let read = |list: &str, gzip: &[u8], component, relaxed| {
            let gzip: &'static [u8] = gzip.to_vec().leak();
            let prebuilt = Prebuilt::parse(list, |_| Some(Gzip::Static(gzip))).unwrap();
            assert_eq!(prebuilt.sources(), "abc");
            Components::Prebuilt(Arc::new(prebuilt))
                .code(component, Profile::Release, relaxed, &Silent)
                .and_then(|code| Ok(code.read()?.into_owned()))
                .map_err(|error| error.to_string())
        };
        let right = list(blake3::hash(b"the code"));
        assert_eq!(
            read(&right, &gzip, Component::Engine, true),
            Ok(b"the code".into())
        );
        let other = list(blake3::hash(b"other code"));
        let missing = "this program was packaged without the component";
        let damaged = "the prebuilt component `engine` is damaged; install this program again: ";
        let rows = [
            (read(&right, &gzip, Component::Infer, true), missing),
            (read(&right, &gzip, Component::Engine, false), missing),
            (read(&right, b"no gzip", Component::Engine, true), damaged),
            (
                read(&right, &gzip[..gzip.len() - 9], Component::Engine, true),
                damaged,
            ),
            (read(&other, &gzip, Component::Engine, true), damaged),
        ];
        for (actual, expected) in rows {
            let message = actual.unwrap_err();
            assert!(message.starts_with(expected), "{message}");
        }
    }

    #[test]
    fn a_digest_of_sources_changes_with_names_and_contents() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for file in [
            "Cargo.lock",
            "Cargo.toml",
            "crates/a.rs",
            "src/b.rs",
            "wit/c.wit",
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let mut seen = vec![sources_digest(root).unwrap()];
        assert_eq!(sources_digest(root).unwrap(), seen[0]);
        fs::write(root.join("src/b.rs"), "other").unwrap();
        seen.push(sources_digest(root).unwrap());
        fs::rename(root.join("src/b.rs"), root.join("src/d.rs")).unwrap();
        seen.push(sources_digest(root).unwrap());
        fs::write(root.join("README.md"), "no source").unwrap();
        assert_eq!(sources_digest(root).unwrap(), seen[2]);
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 3);
        fs::remove_file(root.join("Cargo.lock")).unwrap();
        assert!(sources_digest(root).is_err());
    }
}
