//! Compiles the component to machine code, and caches the code by content.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use wasmtime::component::Component;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::limits::Limits;

/// Compiled artifacts that a cache folder keeps, one per recent build.
const KEPT_ARTIFACTS: usize = 4;

/// Core instances, memories and tables that a component may have; Spin's limits.
const MAX_PER_COMPONENT: u32 = 32;

/// Initial memories up to this size become copy-on-write images, however sparse they are. Larger snapshots are
/// slow to serve anyway.
const IMAGE_BYTES: u64 = 256 * 1024 * 1024;

/// Memory of an ended instance that stays mapped for the next one: Wasmtime copies written pages back instead of
/// unmapping and faulting them in again. It covers the activations of common image networks.
const RESIDENT_BYTES: usize = 64 * 1024 * 1024;

/// Why the component could not be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The component's file, or the cache.
    #[error("cannot {action} `{}`: {source}", path.display())]
    File {
        /// The operation that failed.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Wasmtime refuses the component or the configuration.
    #[error("`{}` cannot be compiled: {source:#}", path.display())]
    Wasmtime {
        /// The component.
        path: PathBuf,
        /// Wasmtime's error.
        source: wasmtime::Error,
    },
}

/// The Wasmtime engine of this host: pooled instance slots (`limits.max_instances`), copy-on-write memory images,
/// and epoch interruption.
///
/// # Errors
/// When the machine cannot provide the configuration; mostly for lack of address space.
pub fn engine(limits: &Limits) -> wasmtime::Result<Engine> {
    let instances = u32::try_from(limits.max_instances).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(8))
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(8))
        .total_stacks(instances)
        .max_core_instances_per_component(MAX_PER_COMPONENT)
        .max_memories_per_component(MAX_PER_COMPONENT)
        .max_tables_per_component(MAX_PER_COMPONENT)
        .max_component_instance_size(4 * 1024 * 1024)
        .max_core_instance_size(4 * 1024 * 1024)
        .max_memory_size(limits.instance_memory_bytes)
        .linear_memory_keep_resident(RESIDENT_BYTES)
        .table_keep_resident(64 * 1024)
        .pagemap_scan(Enabled::Auto)
        // A slot that served this component before already maps its image.
        .max_unused_warm_slots(instances);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .memory_init_cow(true)
        .memory_guaranteed_dense_image_size(IMAGE_BYTES)
        .epoch_interruption(true)
        .wasm_component_model(true);
    Engine::new(&config)
}

/// Load the component's machine code from `cache_dir`, or compile it.
///
/// The name of a cached file contains a hash of the component's bytes and of Wasmtime's version and configuration.
/// A cached file that cannot be loaded is compiled again.
///
/// # Errors
/// When the component cannot be read or compiled, or the cache cannot be written.
pub fn load(engine: &Engine, path: &Path, cache_dir: &Path) -> Result<Component, CompileError> {
    let wasm = fs::read(path).map_err(file_error("read", path))?;
    let mut compatibility = DefaultHasher::new();
    engine
        .precompile_compatibility_hash()
        .hash(&mut compatibility);
    let cached = cache_dir.join(format!(
        "{}-{:016x}.cwasm",
        blake3::hash(&wasm).to_hex(),
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
    let wasmtime_error = |source| CompileError::Wasmtime {
        path: path.to_owned(),
        source,
    };
    let code = engine.precompile_component(&wasm).map_err(wasmtime_error)?;
    store(&cached, &code).map_err(file_error("write", &cached))?;
    prune(cache_dir);
    // SAFETY: the file holds `code`, which `precompile_component` of this engine returned just now.
    unsafe { Component::deserialize_file(engine, &cached) }.map_err(wasmtime_error)
}

fn store(path: &Path, code: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, code)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Remove all but the newest artifacts. A file that cannot be removed stays until the next build.
fn prune(cache_dir: &Path) {
    let mut files: Vec<(SystemTime, PathBuf)> = fs::read_dir(cache_dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|end| end == "cwasm"))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    files.sort();
    let surplus = files.len().saturating_sub(KEPT_ARTIFACTS);
    for (_, path) in files.into_iter().take(surplus) {
        _ = fs::remove_file(path);
    }
}

fn file_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CompileError {
    let path = path.to_owned();
    move |source| CompileError::File {
        action,
        path,
        source,
    }
}
