//! `infer up`

mod build;
mod limits;
mod logging;
mod memory;
mod reload;
mod served;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use infer_host::limits::STOP_TIMEOUT;
use infer_host::{Admin, App, AppOptions, Control, Manifest, ObserveOptions, Server, Traces};
use infer_pack::{BuildOptions, Profile};

use self::build::{Builder, Served};
use self::limits::LimitFlags;
use self::logging::{Log, LogFormat};
use self::reload::{Events, Reloader};
use self::served::Served as Found;
use crate::models::ImportOptions;
use crate::models::source::SourceName;
use crate::progress::Terminal;
use crate::project::{self, Project};
use crate::{cache, command, demo};

/// Build what is out of date, then serve: the project's models, or a source.
#[derive(Args)]
pub struct Up {
    /// ONNX file, folder with one, hf:OWNER/NAME, model repository, or artifact [default: the project's models]
    #[arg(value_name = "SOURCE", conflicts_with = "models")]
    source: Option<SourceName>,
    /// Serve small models to try: shapes and digits in images, names in texts, a table
    #[arg(long, conflicts_with_all = ["source", "models"])]
    demo: bool,
    #[command(flatten)]
    import: ImportOptions,
    /// Address to listen on (port 0 picks a free one)
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Backend that runs the models
    #[arg(long, value_enum, default_value_t = Backend::Auto)]
    backend: Backend,
    /// Device of a native backend, by its own name: cpu, cuda, tensorrt; CPU, GPU, NPU
    #[arg(
        long,
        value_name = "DEVICE",
        default_value = "",
        hide_default_value = true
    )]
    device: String,
    /// Model repository [default: models, or the folder in spin.toml]
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Compile for deployment, as `cargo infer build` does; slower to compile
    #[arg(long)]
    release: bool,
    /// Threads that run instances and native inferences [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Address for /metrics, /healthz and /readyz; keep it private
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// Log format on standard error; filter with RUST_LOG
    #[arg(long, value_enum, default_value_t = LogFormat::Human)]
    log_format: LogFormat,
    /// Send traces to this OTLP/HTTP collector, for example http://127.0.0.1:4318
    #[arg(long, value_name = "URL")]
    otlp: Option<String>,
    /// Serve the models as they are now, and do not watch the repository for changes
    #[arg(long)]
    no_watch: bool,
    /// Let clients load and unload models at this address, and not only at the admin address
    #[arg(long)]
    allow_model_control: bool,
    #[command(flatten)]
    limits: LimitFlags,
}

/// The backends that run models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Backend {
    /// The first installed native library that loads all models, else the engine
    Auto,
    /// The engine in WebAssembly, composed into the component
    Wasm,
    /// ONNX Runtime
    Onnx,
    /// OpenVINO
    Openvino,
}

impl Up {
    /// Build and serve; return after a signal, when the requests have ended.
    pub fn run(self) -> Result<()> {
        // Dropping the log writes its remaining lines.
        let _log = Log::begin(self.log_format);
        let traces = self.otlp.as_deref().map(Traces::export_to).transpose()?;
        let alone = |models: PathBuf| {
            let options = project::options_for(models.clone())?;
            anyhow::Ok((options, Manifest::of_models(models, BTreeMap::new())))
        };
        let (mut options, mut manifest) = match &self.source {
            None if self.demo => alone(demo::repository()?)?,
            None => self.project()?,
            Some(source) => match served::find(
                source,
                self.import.variant.as_deref(),
                &self.import.options(),
            )? {
                Found::Artifact(component) => return self.artifact(component, traces),
                Found::Repository(models) => alone(models)?,
            },
        };
        if !self.release {
            options.profile = Profile::Local;
        }
        let builder = Builder {
            device: self.device.clone(),
            threads: self
                .threads
                .and_then(|threads| NonZeroUsize::new(threads.into())),
            instance_memory_bytes: self.limits.limits().instance_memory_bytes,
        };
        let served = builder.build(self.backend, &options, &Terminal::new())?;
        if served.graphs.is_some() {
            // The host reads the models in this case, and opening a folder for each request takes as long as
            // creating its instance.
            manifest.mounts.clear();
        }
        manifest.source.clone_from(&served.component);
        let cache_dir = options.cache.clone();
        self.serve(
            cache_dir,
            manifest,
            served,
            traces,
            Some((builder, options)),
        )
    }

    /// The project's models, or those of `--models`.
    fn project(&self) -> Result<(BuildOptions, Manifest)> {
        let project = Project::find()?;
        let mut options = project.build_options()?;
        let mut manifest = project.manifest()?;
        if let Some(models) = &self.models {
            let models = models
                .canonicalize()
                .with_context(|| format!("cannot read `{}`", models.display()))?;
            for mount in &mut manifest.mounts {
                if mount.source == options.models {
                    mount.source.clone_from(&models);
                }
            }
            options = options.with_models(models);
        }
        Ok((options, manifest))
    }

    /// Serve an artifact that a build made elsewhere.
    fn artifact(self, component: PathBuf, traces: Option<Traces>) -> Result<()> {
        if !matches!(self.backend, Backend::Auto | Backend::Wasm) {
            bail!(
                "an artifact contains the engine and is served in WebAssembly; a native backend needs the models: \
                 `{} up FOLDER`",
                command()
            );
        }
        let mut manifest = Manifest::of_models(PathBuf::new(), BTreeMap::new());
        manifest.mounts.clear();
        manifest.source.clone_from(&component);
        let served = Served {
            component,
            models: Vec::new(),
            graphs: None,
            backend: Backend::Wasm,
        };
        let cache = cache::folder()?.join("machine-code");
        self.serve(cache, manifest, served, traces, None)
    }

    fn serve(
        self,
        cache_dir: PathBuf,
        manifest: Manifest,
        served: Served,
        traces: Option<Traces>,
        building: Option<(Builder, BuildOptions)>,
    ) -> Result<()> {
        let computes = match &served.graphs {
            Some(graphs) => graphs.describe(),
            None => "the engine in WebAssembly".to_owned(),
        };
        for key in &manifest.ignored {
            tracing::warn!(
                "ignored `{key}` in {}: this host does not support it",
                project::SPIN
            );
        }
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        if let Some(threads) = self.threads {
            runtime.worker_threads(threads.into());
        }
        let runtime = runtime.enable_all().build()?;
        let events = Events::new();
        let app = App::load(AppOptions {
            manifest,
            cache_dir,
            limits: self.limits.limits(),
            environment: settings(),
            graphs: served.graphs.clone(),
            observe: ObserveOptions {
                models: served.names(),
                traces: traces.clone(),
            },
            control: building.is_some().then(|| Control {
                controller: events.controller(),
                is_public: self.allow_model_control,
            }),
        })?;
        // Dropping the watcher ends its events.
        let mut watcher = None;
        if let Some((builder, options)) = building {
            if !self.no_watch {
                watcher = Some(events.watch(&options.models)?);
            }
            let reloader = Reloader::new(Arc::clone(&app), builder, &served, options);
            events.start(reloader)?;
        }
        let served = runtime.block_on(async {
            let stop = stop_signal()?;
            let server = Server::bind(self.listen, Arc::clone(&app))
                .await
                .with_context(|| {
                    format!(
                        "cannot listen on {} (choose another with --listen)",
                        self.listen
                    )
                })?;
            if let Some(address) = self.admin {
                let admin = Admin::bind(address, app).await.with_context(|| {
                    format!("cannot listen on {address} (choose another with --admin)")
                })?;
                eprintln!("metrics at http://{}/metrics", admin.local_addr()?);
                tokio::spawn(admin.serve());
            }
            eprintln!("backend: {computes}");
            println!("serving http://{}", server.local_addr()?);
            std::io::stdout().flush()?;
            server.serve(stop).await;
            Ok(())
        });
        drop(watcher);
        // An inference that does not react to cancellation must not keep the process alive.
        runtime.shutdown_timeout(STOP_TIMEOUT);
        if let Some(traces) = traces {
            traces.shutdown();
        }
        served
    }
}

/// The user's `INFER_*` variables, which override the manifest's.
fn settings() -> BTreeMap<String, String> {
    std::env::vars()
        .filter(|(name, _)| name.starts_with("INFER_"))
        .collect()
}

/// Resolves on SIGINT or SIGTERM.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
