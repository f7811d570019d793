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
use infer_pack::{BuildOptions, Uncomposed};

use self::limits::LimitFlags;
use self::logging::{Log, LogFormat};
use crate::backend::choose::{self, Computing};
use crate::progress::Terminal;
use crate::workspace;

/// Build what is out of date, then serve.
#[derive(Args)]
pub struct Up {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// What runs the models
    #[arg(long, value_enum, default_value_t = Backend::Auto)]
    backend: Backend,
    /// Of a native library, its own name of a device: cpu, cuda, tensorrt; CPU, GPU, NPU
    #[arg(
        long,
        value_name = "DEVICE",
        default_value = "",
        hide_default_value = true
    )]
    device: String,
    /// The model repository [default: the manifest's, models]
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Threads that run instances and, with a native library, compute [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// An address of its own for metrics and probes: /metrics, /healthz, /readyz; best a loopback one
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// How the log is written, on standard error; RUST_LOG says what is
    #[arg(long, value_enum, default_value_t = LogFormat::Human)]
    log_format: LogFormat,
    /// A collector of traces, which are sent as OTLP over HTTP: http://127.0.0.1:4318
    #[arg(long, value_name = "URL")]
    otlp: Option<String>,
    #[command(flatten)]
    limits: LimitFlags,
}

/// What runs the models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Backend {
    /// A native library that is installed, else the engine
    Auto,
    /// The engine in WebAssembly, composed into the component
    Wasm,
    /// ONNX Runtime
    Onnx,
    /// OpenVINO
    Openvino,
}

/// What is served: a component, its models' names, and the graphs that it asks the host for.
struct Served {
    component: PathBuf,
    models: BTreeSet<String>,
    graphs: Option<Arc<Graphs>>,
}

impl Up {
    /// Build, serve, and return when a signal came and requests have ended.
    pub fn run(self) -> Result<()> {
        // Until the end: what is left of the log is written when this is dropped.
        let _log = Log::begin(self.log_format);
        let traces = self.otlp.as_deref().map(Traces::export_to).transpose()?;
        let root = workspace::root()?;
        let manifest = Manifest::read(&root.join(workspace::MANIFEST))?;
        let mut options = BuildOptions::new(root.clone());
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
            Backend::Auto => self.whatever_there_is(&options)?,
        };
        if served.graphs.is_some() {
            // It is the host that reads models then; to open a folder for each request takes as long as to make
            // its instance.
            mounts.clear();
        }
        let manifest = Manifest {
            source: served.component.clone(),
            mounts,
            ..manifest
        };
        self.serve(&root, manifest, served, traces)
    }

    /// The component alone, with a library to compute for it.
    fn native(&self, library: Library, options: &BuildOptions) -> Result<Served> {
        // Before the build, which takes longer than to find that it is not there.
        let backend = choose::load(library, self.computing())?;
        let built = infer_pack::build_uncomposed(options, &Terminal::new())?;
        self.served(backend, built)
    }

    /// The first library that is installed and takes all models; else the engine. What is passed over is told.
    fn whatever_there_is(&self, options: &BuildOptions) -> Result<Served> {
        let mut installed = choose::installed().peekable();
        if installed.peek().is_none() {
            eprintln!(
                "no native library is installed; `cargo infer backend add onnx` fetches one that is several \
                 times as fast"
            );
            return composed(options);
        }
        // What is wrong with a model card is wrong for all of them.
        let built = infer_pack::build_uncomposed(options, &Terminal::new())?;
        for library in installed {
            let served = choose::load(library, self.computing())
                .and_then(|backend| self.served(backend, built.clone()));
            match served {
                Ok(served) => return Ok(served),
                Err(error) => eprintln!(
                    "not computing with {}: {}",
                    library.name(),
                    crate::sentence(&error)
                ),
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

    /// The component, with its models' graphs in that library.
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
                "`{key}` in {} means nothing to this host",
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
            eprintln!("computing with {computes}");
            println!("serving http://{}", server.local_addr()?);
            std::io::stdout().flush()?;
            server.serve(stop).await;
            Ok(())
        });
        // An inference that does not look up when it is asked to end must not keep the process.
        runtime.shutdown_timeout(STOP_TIMEOUT);
        if let Some(traces) = traces {
            traces.shutdown();
        }
        served
    }
}

/// The composed artifact, which needs nothing of the host.
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

/// The user's own `INFER_*` variables, which go before the manifest's.
fn settings() -> BTreeMap<String, String> {
    std::env::vars()
        .filter(|(name, _)| name.starts_with("INFER_"))
        .collect()
}

/// Ready when the process is asked to stop.
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
