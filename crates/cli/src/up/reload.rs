//! Serving a changed model repository without a restart.
//!
//! One thread waits for changes of the repository's files and for calls of clients. It builds again, and the host serves later
//! requests by the result. If the build fails, the service stays as it is, and the log, the metrics and the repository index
//! say why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use async_trait::async_trait;
use infer_host::{App, ControlError, Controller, Replacement};
use infer_model_card::ModelName;
use infer_pack::{BuildError, BuildOptions, Silent};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::oneshot;

use super::Backend;
use super::build::{Builder, Served};

/// The log's name for what this module says.
pub(super) const TARGET: &str = "infer::reload";

/// A change is complete when the files have been quiet for so long: programs write a model in several steps.
const QUIET: Duration = Duration::from_millis(300);

/// The longest wait for quiet files.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Why to build again.
pub(super) enum Event {
    /// A file of the repository changed.
    Changed,
    /// A client's call.
    Call {
        model: String,
        is_load: bool,
        done: oneshot::Sender<Result<(), ControlError>>,
    },
}

/// Sends clients' calls to the thread.
struct Caller(Sender<Event>);

impl Caller {
    async fn call(&self, model: &str, is_load: bool) -> Result<(), ControlError> {
        let (done, answered) = oneshot::channel();
        let call = Event::Call {
            model: model.to_owned(),
            is_load,
            done,
        };
        let stopping = || ControlError("the server is shutting down".to_owned());
        self.0.send(call).map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())?
    }
}

#[async_trait]
impl Controller for Caller {
    async fn load(&self, model: &str) -> Result<(), ControlError> {
        self.call(model, true).await
    }

    async fn unload(&self, model: &str) -> Result<(), ControlError> {
        self.call(model, false).await
    }
}

/// The channel from clients and the watcher to the thread.
pub(super) struct Events {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
}

impl Events {
    pub fn new() -> Self {
        let (sender, receiver) = mpsc::channel();
        Self { sender, receiver }
    }

    /// The receiver of clients' calls.
    pub fn controller(&self) -> Arc<dyn Controller> {
        Arc::new(Caller(self.sender.clone()))
    }

    /// Handle events in a thread of its own, which ends with the process.
    pub fn start(self, reloader: Reloader) -> Result<()> {
        let Self { receiver, .. } = self;
        std::thread::Builder::new()
            .name("reload".to_owned())
            .spawn(move || reloader.run(receiver))
            .context("cannot start the thread that reloads models")?;
        Ok(())
    }

    /// Send a change of any file in `folder` as an event, until the result is dropped.
    pub fn watch(&self, folder: &Path) -> Result<RecommendedWatcher> {
        let sender = self.sender.clone();
        let watch = || {
            let mut watcher =
                notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                    // Reading a file is an event too.
                    if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
                        _ = sender.send(Event::Changed);
                    }
                })?;
            watcher.watch(folder, RecursiveMode::Recursive)?;
            notify::Result::Ok(watcher)
        };
        watch().with_context(|| {
            format!(
                "cannot watch `{}` for changes (`--no-watch` serves it as it is)",
                folder.display()
            )
        })
    }
}

/// Builds again.
pub(super) struct Reloader {
    app: Arc<App>,
    builder: Builder,
    backend: Backend,
    options: BuildOptions,
    /// The digest of what is served.
    digest: Option<blake3::Hash>,
    /// The models that the last build could not serve, with the reason.
    broken: BTreeMap<String, String>,
}

impl Reloader {
    /// A reloader of what is served now.
    pub fn new(app: Arc<App>, builder: Builder, served: &Served, options: BuildOptions) -> Self {
        Self {
            app,
            builder,
            backend: served.backend,
            options,
            digest: digest_of(served).ok(),
            broken: BTreeMap::new(),
        }
    }

    /// Handle events until their senders are gone.
    pub fn run(mut self, events: Receiver<Event>) {
        while let Ok(event) = events.recv() {
            match event {
                Event::Changed => {
                    let calls = wait_for_quiet(&events);
                    _ = self.reload(self.options.without.clone());
                    for (model, is_load, done) in calls {
                        _ = done.send(self.call(&model, is_load));
                    }
                }
                Event::Call {
                    model,
                    is_load,
                    done,
                } => _ = done.send(self.call(&model, is_load)),
            }
        }
    }

    /// Build again without these models and serve the result, unless it is the same. If that fails, the service and the
    /// models that it is without stay as they are.
    fn reload(&mut self, without: BTreeSet<ModelName>) -> Result<(), String> {
        let begun = Instant::now();
        let options = BuildOptions {
            without,
            ..self.options.clone()
        };
        match self.build_and_replace(&options) {
            Ok(is_new) => {
                self.options = options;
                let was_broken = !std::mem::take(&mut self.broken).is_empty();
                if is_new {
                    tracing::info!(
                        target: TARGET,
                        "serving the changed models, built in {:.1} s",
                        begun.elapsed().as_secs_f64()
                    );
                } else if was_broken {
                    self.app.set_unavailable(&self.unavailable());
                }
                Ok(())
            }
            Err(error) => {
                let reason = crate::sentence(&error);
                tracing::error!(
                    target: TARGET,
                    "the changed models cannot be served, so the service stays as it is: {reason}"
                );
                let fault = error
                    .downcast_ref::<BuildError>()
                    .and_then(|error| error.model(&options.models));
                let fault = fault.map(|model| (model, reason.clone()));
                self.broken = fault.into_iter().collect();
                self.app.reload_failed(&self.unavailable());
                Err(reason)
            }
        }
    }

    /// Build, and serve the result. Returns whether it differs from what was served.
    fn build_and_replace(&mut self, options: &BuildOptions) -> Result<bool> {
        let served = self.builder.build(self.backend, options, &Silent)?;
        let digest = digest_of(&served)?;
        if self.digest == Some(digest) {
            return Ok(false);
        }
        self.app.replace(Replacement {
            models: served.names(),
            source: served.component,
            graphs: served.graphs,
            unavailable: unloaded(&options.without),
        })?;
        self.digest = Some(digest);
        Ok(true)
    }

    /// Load or unload a model.
    fn call(&mut self, model: &str, is_load: bool) -> Result<(), ControlError> {
        let action = if is_load { "load" } else { "unload" };
        let failed =
            |reason: String| ControlError(format!("failed to {action} `{model}`: {reason}"));
        let name = ModelName::new(model).map_err(|error| failed(error.to_string()))?;
        if !self.options.models.join(model).is_dir() {
            return Err(failed(
                "there is no model of that name in the repository".to_owned(),
            ));
        }
        let mut without = self.options.without.clone();
        match is_load {
            true => _ = without.remove(&name),
            false => _ = without.insert(name),
        }
        self.reload(without).map_err(failed)
    }

    /// The models that are not served as they are in the repository, with the reason.
    fn unavailable(&self) -> BTreeMap<String, String> {
        let mut models = unloaded(&self.options.without);
        models.extend(self.broken.clone());
        models
    }
}

/// The models that clients unloaded, with that as the reason.
fn unloaded(without: &BTreeSet<ModelName>) -> BTreeMap<String, String> {
    without
        .iter()
        .map(|name| (name.to_string(), "unloaded".to_owned()))
        .collect()
}

/// The digest of a component and of the graphs that it does not contain.
fn digest_of(served: &Served) -> Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    let mut add = |path: &Path| -> Result<()> {
        let read = std::fs::File::open(path).and_then(|file| hasher.update_reader(file).map(drop));
        read.with_context(|| format!("cannot read `{}`", path.display()))
    };
    add(&served.component)?;
    for model in &served.models {
        if served.backend != Backend::Wasm || !model.is_snapshot() {
            model.onnx_path.iter().try_for_each(|path| add(path))?;
        }
    }
    Ok(hasher.finalize())
}

/// A call that came while files changed.
type Call = (String, bool, oneshot::Sender<Result<(), ControlError>>);

/// Wait until the files are quiet. Returns the calls that came meanwhile.
fn wait_for_quiet(events: &Receiver<Event>) -> Vec<Call> {
    let end = Instant::now() + LONGEST_WAIT;
    let mut calls = Vec::new();
    while Instant::now() < end {
        match events.recv_timeout(QUIET) {
            Ok(Event::Changed) => {}
            Ok(Event::Call {
                model,
                is_load,
                done,
            }) => calls.push((model, is_load, done)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    calls
}
