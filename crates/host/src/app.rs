//! The state that all requests share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Linker;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::drain::Drain;
use crate::instance::compile::{self, CompileError};
use crate::instance::imports;
use crate::instance::state::State;
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::nn::Graphs;
use crate::observe::{Now, ObserveOptions, Observer};

/// Interval at which a running guest yields: the delay of a timeout, and the longest time that one request keeps a
/// thread from another.
const EPOCH: Duration = Duration::from_millis(10);

/// Prefix of the settings that the user's environment may override.
const SETTINGS: &str = "INFER_";

/// The setting that names the default model.
const DEFAULT_MODEL: &str = "INFER_DEFAULT_MODEL";

/// The component to serve, and its configuration.
#[derive(Clone)]
pub struct AppOptions {
    /// Routes, mounts, environment and the component's file.
    pub manifest: Manifest,
    /// Cache folder for compiled artifacts.
    pub cache_dir: PathBuf,
    /// Resource limits.
    pub limits: Limits,
    /// Settings that override the manifest's. Names without the prefix `INFER_` are ignored.
    pub environment: BTreeMap<String, String>,
    /// Graphs for guests that import wasi:nn. With `None`, the host does not offer wasi:nn.
    pub graphs: Option<Arc<Graphs>>,
    /// Log, metrics and traces.
    pub observe: ObserveOptions,
}

/// Why the component cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The component could not be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// Wasmtime rejects the configuration, or the component imports an interface that this host does not offer.
    #[error("the component cannot be served: {0:#}")]
    Wasmtime(wasmtime::Error),
    /// A mounted folder does not exist.
    #[error("cannot mount `{}`: not a folder (check `files` in the manifest or --models)", path.display())]
    Mount {
        /// The folder.
        path: PathBuf,
    },
}

/// A component that is ready to be instantiated, and its limits.
pub struct App {
    pub(crate) manifest: Manifest,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) limits: Limits,
    pub(crate) graphs: Option<Arc<Graphs>>,
    pub(crate) proxy: ProxyPre<State>,
    /// One permit per instance.
    pub(crate) instances: Arc<Semaphore>,
    /// One permit per running or queued request.
    pub(crate) places: Arc<Semaphore>,
    /// One permit per connection.
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) drain: Arc<Drain>,
    pub(crate) observer: Arc<Observer>,
    ticker: Ticker,
}

impl App {
    /// Compile the component, or load it from the cache, and prepare its instances.
    ///
    /// # Errors
    /// When the component cannot be compiled, imports an interface that this host does not offer, or a mount is
    /// missing.
    pub fn load(options: AppOptions) -> Result<Arc<Self>, LoadError> {
        let AppOptions {
            manifest,
            cache_dir,
            limits,
            environment,
            graphs,
            observe,
        } = options;
        if let Some(mount) = manifest.mounts.iter().find(|mount| !mount.source.is_dir()) {
            return Err(LoadError::Mount {
                path: mount.source.clone(),
            });
        }
        let engine = compile::engine(&limits).map_err(LoadError::Wasmtime)?;
        let component = compile::load(&engine, &manifest.source, &cache_dir)?;
        let mut linker = Linker::new(&engine);
        let proxy = imports::add_to_linker(&mut linker)
            .and_then(|()| match &graphs {
                Some(_) => crate::nn::wit::add_to_linker(&mut linker, State::nn),
                None => Ok(()),
            })
            .and_then(|()| linker.instantiate_pre(&component))
            .and_then(ProxyPre::new)
            .map_err(LoadError::Wasmtime)?;
        let mut merged = manifest.environment.clone();
        merged.extend(environment);
        merged.retain(|name, _| name.starts_with(SETTINGS));
        let observer = Observer::new(observe, merged.get(DEFAULT_MODEL).map(String::as_str));
        for (name, took) in graphs.iter().flat_map(|graphs| graphs.load_times()) {
            observer.metrics.graph(name, took);
        }
        Ok(Arc::new(Self {
            environment: merged,
            proxy,
            instances: Arc::new(Semaphore::new(limits.max_instances)),
            places: Arc::new(Semaphore::new(
                limits.max_instances.saturating_add(limits.max_waiting),
            )),
            connections: Arc::new(Semaphore::new(limits.max_connections)),
            drain: Arc::default(),
            observer: Arc::new(observer),
            ticker: Ticker::start(engine),
            manifest,
            limits,
            graphs,
        }))
    }

    /// The current values of the gauges.
    pub(crate) fn now(&self) -> Now {
        let Limits {
            max_instances,
            max_waiting,
            max_connections,
            ..
        } = self.limits;
        let taken = |places: &Semaphore, of: usize| of.saturating_sub(places.available_permits());
        let instances = taken(&self.instances, max_instances);
        let places = taken(&self.places, max_instances.saturating_add(max_waiting));
        Now {
            instances,
            waiting: places.saturating_sub(instances),
            connections: taken(&self.connections, max_connections),
            computing: self.graphs.as_ref().map_or(0, |graphs| graphs.computing()),
        }
    }

    /// The engine that runs the component.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.ticker.engine
    }
}

/// Increments the engine's epoch until it is dropped.
struct Ticker {
    engine: Engine,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: Engine) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let engine = engine.clone();
            let stop = Arc::clone(&stop);
            move || {
                while !stop.load(Ordering::Relaxed) {
                    thread::sleep(EPOCH);
                    engine.increment_epoch();
                }
            }
        });
        Self {
            engine,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The thread can only have ended, and a panic in it needs no handling here.
            _ = thread.join();
        }
    }
}
