//! Compiles the component to machine code, and caches the code by content.

use std::path::{Path, PathBuf};
use std::{fs, io};

use infer_machine_code::Cache;
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
    /// The component's file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
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
/// # Errors
/// When the component cannot be read or compiled.
pub fn load(engine: &Engine, path: &Path, cache_dir: &Path) -> Result<Component, CompileError> {
    let wasm = fs::read(path).map_err(|source| CompileError::Read {
        path: path.to_owned(),
        source,
    })?;
    Cache::new(cache_dir.to_owned(), KEPT_ARTIFACTS)
        .load(engine, blake3::hash(&wasm), || Ok(wasm))
        .map_err(|source| CompileError::Wasmtime {
            path: path.to_owned(),
            source,
        })
}
