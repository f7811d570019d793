//! Wasmtime for the components' setups: how it is configured, its cache, and the clock that ends a call.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use infer_machine_code::Cache;
use wasmtime::component::Component;
use wasmtime::{Config, Engine, OptLevel};

/// Compiled components that the cache keeps: both components with and without their addresses moved, for two builds.
const KEPT_COMPONENTS: usize = 8;

/// The unit of a call's time limit.
const TICK: Duration = Duration::from_millis(100);

/// How much to optimize the machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Its speed is measured.
    Fast,
    /// It runs once, in less time than it takes to compile.
    Once,
}

/// Compiles components, and counts the time of their calls.
pub(crate) struct Machine {
    engine: Engine,
    cache: Cache,
    stop: Arc<AtomicBool>,
    clock: Option<thread::JoinHandle<()>>,
}

impl Machine {
    /// Start the clock. The machine code is kept below `cache`.
    pub(crate) fn new(cache: &Path, code: Code) -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config
            .wasm_component_model(true)
            .epoch_interruption(true)
            .cranelift_opt_level(match code {
                Code::Fast => OptLevel::Speed,
                Code::Once => OptLevel::None,
            });
        let engine = Engine::new(&config)?;
        let stop = Arc::new(AtomicBool::new(false));
        let clock = thread::spawn({
            let engine = engine.clone();
            let stop = Arc::clone(&stop);
            move || {
                while !stop.load(Ordering::Relaxed) {
                    thread::park_timeout(TICK);
                    engine.increment_epoch();
                }
            }
        });
        Ok(Self {
            engine,
            cache: Cache::new(cache.join("setup"), KEPT_COMPONENTS),
            stop,
            clock: Some(clock),
        })
    }

    /// Wasmtime's engine.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Compile a component, or load it from the cache by its `key`.
    pub(crate) fn component(
        &self,
        key: blake3::Hash,
        wasm: impl FnOnce() -> wasmtime::Result<Vec<u8>>,
    ) -> wasmtime::Result<Component> {
        self.cache.load(&self.engine, key, wasm)
    }

    /// A duration in ticks of the clock, which is the unit of an epoch's deadline.
    pub(crate) fn ticks(duration: Duration) -> u64 {
        u64::try_from(duration.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(clock) = self.clock.take() {
            clock.thread().unpark();
            // The thread can only have ended, and a panic in it needs no handling here.
            _ = clock.join();
        }
    }
}
