//! A cache of the machine code that Wasmtime compiles from components.
//!
//! Compiling takes seconds, loading a millisecond. The name of a cached file contains a hash of the component and one of
//! Wasmtime's version, its configuration and this machine's features, so that no file is ever outdated.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use wasmtime::Engine;
use wasmtime::component::Component;

/// A folder of machine code.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    kept: usize,
}

impl Cache {
    /// A cache in `folder`, which is created on the first write. It keeps the `kept` files that were used last. The folder
    /// must belong to the user: whoever writes into it decides what this process runs.
    #[must_use]
    pub fn new(folder: PathBuf, kept: usize) -> Self {
        Self { folder, kept }
    }

    /// Load the machine code of the component with the hash `key`, or compile it. `wasm` gives the component's bytes and is
    /// called only in the second case. A file that cannot be loaded is compiled again. A folder that cannot be written is
    /// a warning in the log.
    ///
    /// # Errors
    /// The error of `wasm`, and Wasmtime's for a component that cannot be compiled.
    pub fn load(
        &self,
        engine: &Engine,
        key: blake3::Hash,
        wasm: impl FnOnce() -> wasmtime::Result<Vec<u8>>,
    ) -> wasmtime::Result<Component> {
        let mut compatibility = DefaultHasher::new();
        engine
            .precompile_compatibility_hash()
            .hash(&mut compatibility);
        let cached = self.folder.join(format!(
            "{}-{:016x}.cwasm",
            key.to_hex(),
            compatibility.finish()
        ));
        if cached.is_file() {
            // SAFETY: the cache folder belongs to the user, like this program itself. Only `store` writes into it,
            // atomically, and only Wasmtime's own output.
            match unsafe { Component::deserialize_file(engine, &cached) } {
                Ok(component) => {
                    // `prune` keeps the newest files.
                    if let Ok(file) = fs::File::open(&cached) {
                        _ = file.set_modified(SystemTime::now());
                    }
                    return Ok(component);
                }
                Err(error) => tracing::warn!(
                    "cannot load `{}`, compiling again: {error:#}",
                    cached.display()
                ),
            }
        }
        let code = engine.precompile_component(&wasm()?)?;
        match store(&cached, &code) {
            Ok(()) => {
                self.prune();
                // SAFETY: the file holds `code`, which `precompile_component` of this engine returned just now.
                unsafe { Component::deserialize_file(engine, &cached) }
            }
            Err(error) => {
                tracing::warn!(
                    "cannot keep machine code in `{}`, so the next start compiles it again: {error}",
                    self.folder.display()
                );
                // SAFETY: `precompile_component` of this engine returned `code` just now.
                unsafe { Component::deserialize(engine, &code) }
            }
        }
    }

    /// Remove all but the files used last. A file that cannot be removed stays until the next time.
    fn prune(&self) {
        let mut files: Vec<(SystemTime, PathBuf)> = fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|end| end == "cwasm"))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        files.sort();
        let surplus = files.len().saturating_sub(self.kept);
        for (_, path) in files.into_iter().take(surplus) {
            _ = fs::remove_file(path);
        }
    }
}

fn store(path: &Path, code: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, code)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine() -> Engine {
        let mut config = wasmtime::Config::new();
        config.wasm_component_model(true);
        Engine::new(&config).unwrap()
    }

    fn wasm() -> wasmtime::Result<Vec<u8>> {
        Ok(wat::parse_str("(component)").unwrap())
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder).map_or(0, Iterator::count)
    }

    #[test]
    fn code_is_compiled_once_and_the_oldest_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (engine, cache) = (engine(), Cache::new(folder.path().join("new"), 2));
        for number in 0..4_u8 {
            let key = blake3::hash(&[number]);
            cache.load(&engine, key, wasm).unwrap();
            let not_again = || wasmtime::bail!("it is cached");
            cache.load(&engine, key, not_again).unwrap();
            assert_eq!(files(&cache.folder), 2.min(usize::from(number) + 1));
        }
    }

    #[test]
    fn a_damaged_file_is_compiled_again() {
        let folder = tempfile::tempdir().unwrap();
        let (engine, cache) = (engine(), Cache::new(folder.path().to_owned(), 2));
        let key = blake3::hash(b"a");
        cache.load(&engine, key, wasm).unwrap();
        for entry in fs::read_dir(folder.path()).unwrap() {
            fs::write(entry.unwrap().path(), b"damaged").unwrap();
        }
        cache.load(&engine, key, wasm).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let cache = Cache::new(file.path().join("below-a-file"), 2);
        cache.load(&engine(), blake3::hash(b"a"), wasm).unwrap();
    }

    #[test]
    fn errors_are_wasmtimes_and_the_callers() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned(), 2);
        let load = |wasm: fn() -> wasmtime::Result<Vec<u8>>| {
            let loaded = cache.load(&engine(), blake3::hash(b"a"), wasm);
            loaded.map(drop).unwrap_err().to_string()
        };
        assert_eq!(load(|| wasmtime::bail!("no file")), "no file");
        assert!(!load(|| Ok(b"no component".to_vec())).is_empty());
        assert_eq!(files(folder.path()), 0);
    }
}
