//! `cargo infer up`

mod limits;
mod logging;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use infer_host::limits::STOP_TIMEOUT;
use infer_host::nn::{Backend as Computes, Graphs, Library};
use infer_host::{Admin, App, AppOptions, Manifest, ObserveOptions, Server, Traces};
use infer_model_card::Model;
use infer_pack::{BuildOptions, Profile, Uncomposed};

use self::limits::LimitFlags;
use self::logging::{Log, LogFormat};
use crate::backend::choose::{self, Computing};
use crate::progress::Terminal;
use crate::workspace;

/// Build what is out of date, then serve.
#[derive(Args)]
pub struct Up {
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

/// The component to serve, its models' names, and the graphs that the host runs for it.
struct Served {
    component: PathBuf,
    models: BTreeSet<String>,
    graphs: Option<Arc<Graphs>>,
}

impl Up {
    /// Build and serve; return after a signal, when the requests have ended.
    pub fn run(self) -> Result<()> {
        // Dropping the log writes its remaining lines.
        let _log = Log::begin(self.log_format);
        let traces = self.otlp.as_deref().map(Traces::export_to).transpose()?;
        let root = workspace::root()?;
        let manifest = Manifest::read(&root.join(workspace::MANIFEST))?;
        let mut options = BuildOptions::new(root.clone());
        if !self.release {
            options.profile = Profile::Local;
        }
        let mut mounts = manifest.mounts;
        if let Some(models) = &self.models {
            let models = models
                .canonicalize()
                .with_context(|| format!("cannot read `{}`", models.display()))?;
            for mount in &mut mounts {
                if mount.source == options.models {
                    mount.source.clone_from(&models);
                }
            }
            options = options.with_models(models);
        }
        let served = match self.backend {
            Backend::Wasm => composed(&options)?,
            Backend::Onnx => self.native(Library::OnnxRuntime, &options)?,
            Backend::Openvino => self.native(Library::OpenVino, &options)?,
            Backend::Auto => self.automatic(&options)?,
        };
        if served.graphs.is_some() {
            // The host reads the models in this case, and opening a folder for each request takes as long as
            // creating its instance.
            mounts.clear();
        }
        let manifest = Manifest {
            source: served.component.clone(),
            mounts,
            ..manifest
        };
        self.serve(&root, manifest, served, traces)
    }

    /// Build the component alone, with a native library as its backend.
    fn native(&self, library: Library, options: &BuildOptions) -> Result<Served> {
        // Load the library before the slow build, so that a missing one is reported at once.
        let backend = choose::load(library, self.computing())?;
        let built = infer_pack::build_uncomposed(options, &Terminal::new())?;
        self.served(backend, built)
    }

    /// Select the first installed library that loads all models, else the engine. Logs the libraries that it skipped.
    fn automatic(&self, options: &BuildOptions) -> Result<Served> {
        let mut installed = choose::installed().peekable();
        if installed.peek().is_none() {
            eprintln!(
                "no native library is installed: running models in WebAssembly; `cargo infer backend add onnx` \
                 installs ONNX Runtime, which is several times as fast"
            );
            return composed(options);
        }
        // An invalid model card fails here, before any library is tried.
        let built = infer_pack::build_uncomposed(options, &Terminal::new())?;
        for library in installed {
            let served = choose::load(library, self.computing())
                .and_then(|backend| self.served(backend, built.clone()));
            match served {
                Ok(served) => return Ok(served),
                Err(error) => eprintln!("skipped {}: {}", library.name(), crate::sentence(&error)),
            }
        }
        composed(options)
    }

    fn computing(&self) -> Computing<'_> {
        Computing {
            device: &self.device,
            threads: self
                .threads
                .and_then(|threads| NonZeroUsize::new(threads.into())),
        }
    }

    /// Load the models' graphs into the library.
    fn served(&self, backend: Box<dyn Computes>, built: Uncomposed) -> Result<Served> {
        let graphs = choose::graphs(backend, &built.models, self.computing())?;
        Ok(Served {
            component: built.file,
            models: names(&built.models),
            graphs: Some(Arc::new(graphs)),
        })
    }

    fn serve(
        self,
        root: &Path,
        manifest: Manifest,
        served: Served,
        traces: Option<Traces>,
    ) -> Result<()> {
        let computes = match &served.graphs {
            Some(graphs) => graphs.describe(),
            None => "the engine in WebAssembly".to_owned(),
        };
        for key in &manifest.ignored {
            tracing::warn!(
                "ignored `{key}` in {}: this host does not support it",
                workspace::MANIFEST
            );
        }
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        if let Some(threads) = self.threads {
            runtime.worker_threads(threads.into());
        }
        let runtime = runtime.enable_all().build()?;
        let app = App::load(AppOptions {
            manifest,
            cache_dir: root.join("target/infer/cache"),
            limits: self.limits.limits(),
            environment: settings(),
            graphs: served.graphs,
            observe: ObserveOptions {
                models: served.models,
                traces: traces.clone(),
            },
        })?;
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
        // An inference that does not react to cancellation must not keep the process alive.
        runtime.shutdown_timeout(STOP_TIMEOUT);
        if let Some(traces) = traces {
            traces.shutdown();
        }
        served
    }
}

/// The composed artifact, which contains the engine.
fn composed(options: &BuildOptions) -> Result<Served> {
    let built = infer_pack::build(options, &Terminal::new())?;
    Ok(Served {
        component: built.composed,
        models: names(&built.models),
        graphs: None,
    })
}

fn names(models: &[Model]) -> BTreeSet<String> {
    models
        .iter()
        .map(|model| model.id.name.to_string())
        .collect()
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
