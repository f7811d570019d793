//! The state that all requests share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Linker;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::control::Control;
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

/// The setting with the names and reasons of [`App::set_unavailable`], in JSON.
const UNAVAILABLE_MODELS: &str = "INFER_UNAVAILABLE_MODELS";

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
    /// Loads and unloads models at a client's request; `None` if nothing does.
    pub control: Option<Control>,
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

/// The state that all requests share: the limits, and the component for new requests.
pub struct App {
    /// The component; [`App::replace`] puts another one here.
    served: RwLock<Arc<Served>>,
    pub(crate) limits: Limits,
    cache_dir: PathBuf,
    /// The user's settings, which override a manifest's.
    settings: BTreeMap<String, String>,
    /// Loads and unloads models at a client's request.
    pub(crate) control: Option<Control>,
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

/// A component that is ready to be instantiated. A request keeps the one that it began with.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) manifest: Manifest,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) graphs: Option<Arc<Graphs>>,
    pub(crate) proxy: ProxyPre<State>,
}

/// A component to serve in place of another.
#[derive(Clone)]
pub struct Replacement {
    /// The component's file.
    pub source: PathBuf,
    /// Graphs for guests that import wasi:nn.
    pub graphs: Option<Arc<Graphs>>,
    /// The operator's models, which logs and metrics name.
    pub models: BTreeSet<String>,
    /// As in [`App::set_unavailable`].
    pub unavailable: BTreeMap<String, String>,
}

impl Served {
    fn load(
        engine: &Engine,
        cache_dir: &Path,
        manifest: Manifest,
        graphs: Option<Arc<Graphs>>,
        settings: &BTreeMap<String, String>,
    ) -> Result<Self, LoadError> {
        if let Some(mount) = manifest.mounts.iter().find(|mount| !mount.source.is_dir()) {
            return Err(LoadError::Mount {
                path: mount.source.clone(),
            });
        }
        let component = compile::load(engine, &manifest.source, cache_dir)?;
        let mut linker = Linker::new(engine);
        let proxy = imports::add_to_linker(&mut linker)
            .and_then(|()| match &graphs {
                Some(_) => crate::nn::wit::add_to_linker(&mut linker, State::nn),
                None => Ok(()),
            })
            .and_then(|()| linker.instantiate_pre(&component))
            .and_then(ProxyPre::new)
            .map_err(LoadError::Wasmtime)?;
        let mut environment = manifest.environment.clone();
        environment.extend(settings.clone());
        environment.retain(|name, _| name.starts_with(SETTINGS));
        Ok(Self {
            manifest,
            environment,
            graphs,
            proxy,
        })
    }

    fn set_unavailable(&mut self, models: &BTreeMap<String, String>) {
        let text = serde_json::to_string(models).unwrap_or_default();
        self.environment.insert(UNAVAILABLE_MODELS.to_owned(), text);
    }
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
            control,
        } = options;
        let engine = compile::engine(&limits).map_err(LoadError::Wasmtime)?;
        let served = Served::load(&engine, &cache_dir, manifest, graphs, &environment)?;
        let default_model = served.environment.get(DEFAULT_MODEL).map(String::as_str);
        let observer = Observer::new(observe, default_model);
        observe_graphs(&observer, &served);
        Ok(Arc::new(Self {
            served: RwLock::new(Arc::new(served)),
            cache_dir,
            settings: environment,
            control,
            instances: Arc::new(Semaphore::new(limits.max_instances)),
            places: Arc::new(Semaphore::new(
                limits.max_instances.saturating_add(limits.max_waiting),
            )),
            connections: Arc::new(Semaphore::new(limits.max_connections)),
            drain: Arc::default(),
            observer: Arc::new(observer),
            ticker: Ticker::start(engine),
            limits,
        }))
    }

    /// The component for a new request.
    pub(crate) fn served(&self) -> Arc<Served> {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&served)
    }

    /// Serve later requests by another component. It is compiled first, so that no request waits for it; running requests
    /// end with the old one.
    ///
    /// # Errors
    /// As [`App::load`]; the old component then stays.
    pub fn replace(&self, replacement: Replacement) -> Result<(), LoadError> {
        let mut manifest = self.served().manifest.clone();
        manifest.source = replacement.source;
        let (engine, graphs) = (self.engine(), replacement.graphs);
        let mut served = Served::load(engine, &self.cache_dir, manifest, graphs, &self.settings)?;
        served.set_unavailable(&replacement.unavailable);
        observe_graphs(&self.observer, &served);
        let default_model = served.environment.get(DEFAULT_MODEL).map(String::as_str);
        self.observer.set_models(replacement.models, default_model);
        self.put(served);
        self.observer.metrics.reload(true);
        Ok(())
    }

    /// Tell clients, in the repository index, the models that are not served as they are in the repository: their names
    /// with the reason.
    pub fn set_unavailable(&self, models: &BTreeMap<String, String>) {
        let mut served = Served::clone(&self.served());
        served.set_unavailable(models);
        self.put(served);
    }

    /// Count a change of the repository that cannot be served, and tell clients like [`App::set_unavailable`].
    pub fn reload_failed(&self, unavailable: &BTreeMap<String, String>) {
        self.observer.metrics.reload(false);
        self.set_unavailable(unavailable);
    }

    fn put(&self, served: Served) {
        let mut slot = self.served.write().unwrap_or_else(PoisonError::into_inner);
        *slot = Arc::new(served);
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
            computing: (self.served().graphs.as_ref()).map_or(0, |graphs| graphs.computing()),
        }
    }

    /// The engine that runs the component.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.ticker.engine
    }
}

fn observe_graphs(observer: &Observer, served: &Served) {
    let graphs = served.graphs.iter();
    observer
        .metrics
        .graphs(graphs.flat_map(|graphs| graphs.load_times()));
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
