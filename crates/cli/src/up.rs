//! `cargo infer up`

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use infer_host::nn::{Backend as Computes, Graphs, Library};
use infer_host::{App, AppOptions, Limits, Manifest, Server};
use infer_pack::{BuildOptions, Uncomposed};

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
    /// Threads that run instances; of a native library, threads that compute [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Time that a request may take
    #[arg(long, value_name = "MS", default_value_t = default_timeout_ms())]
    request_timeout_ms: u64,
    /// Memory that an instance may take
    #[arg(long, value_name = "MIB", default_value_t = default_memory_mib(),
          value_parser = clap::value_parser!(u32).range(1..=4096))]
    instance_memory_mib: u32,
    /// Instances at the same time
    #[arg(long, value_name = "N", default_value_t = infer_host::limits::DEFAULT_MAX_INSTANCES as u16,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    max_instances: u16,
    /// Requests that wait for an instance; those beyond are answered 503
    #[arg(long, value_name = "N", default_value_t = infer_host::limits::DEFAULT_MAX_WAITING)]
    max_waiting: usize,
}

fn default_timeout_ms() -> u64 {
    infer_host::limits::DEFAULT_REQUEST_TIMEOUT.as_secs() * 1000
}

fn default_memory_mib() -> u32 {
    u32::try_from(infer_host::limits::DEFAULT_INSTANCE_MEMORY_BYTES >> 20).unwrap_or(u32::MAX)
}

/// How long inferences may take to end after the last request has.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

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

/// What is served: a component, and the graphs that it asks the host for.
struct Served {
    component: PathBuf,
    graphs: Option<Arc<Graphs>>,
}

impl Up {
    /// Build, serve, and return when a signal came and requests have ended.
    pub fn run(self) -> Result<()> {
        tracing_subscriber::fmt()
            .with_env_filter(
                tracing_subscriber::EnvFilter::builder()
                    .with_default_directive(tracing_subscriber::filter::LevelFilter::WARN.into())
                    .from_env_lossy(),
            )
            .with_writer(std::io::stderr)
            .init();
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
        let computes = match &served.graphs {
            Some(graphs) => graphs.describe(),
            None => "the engine in WebAssembly".to_owned(),
        };
        let manifest = Manifest {
            source: served.component,
            mounts,
            ..manifest
        };
        self.serve(&root, manifest, served.graphs, &computes)
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
            graphs: Some(Arc::new(graphs)),
        })
    }

    fn serve(
        self,
        root: &Path,
        manifest: Manifest,
        graphs: Option<Arc<Graphs>>,
        computes: &str,
    ) -> Result<()> {
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
            limits: self.limits(),
            environment: settings(),
            graphs,
        })?;
        let served = runtime.block_on(async {
            let stop = stop_signal()?;
            let server = Server::bind(self.listen, app).await.with_context(|| {
                format!(
                    "cannot listen on {} (choose another with --listen)",
                    self.listen
                )
            })?;
            eprintln!("computing with {computes}");
            println!("serving http://{}", server.local_addr()?);
            std::io::stdout().flush()?;
            server.serve(stop).await;
            Ok(())
        });
        // An inference that does not look up when it is asked to end must not keep the process.
        runtime.shutdown_timeout(STOP_TIMEOUT);
        served
    }

    fn limits(&self) -> Limits {
        let request_timeout = Duration::from_millis(self.request_timeout_ms);
        Limits {
            request_timeout,
            instance_memory_bytes: (self.instance_memory_mib as usize) << 20,
            max_instances: self.max_instances.into(),
            max_waiting: self.max_waiting,
            drain_timeout: request_timeout,
        }
    }
}

/// The composed artefact, which needs nothing of the host.
fn composed(options: &BuildOptions) -> Result<Served> {
    Ok(Served {
        component: infer_pack::build(options, &Terminal::new())?.composed,
        graphs: None,
    })
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
