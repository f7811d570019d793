//! The contestants, and the command that starts each.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::bench::command::succeed;
use crate::bench::networks::Served;
use crate::bench::python::Environment;
use crate::infer::Infer;

/// A kind of server, whatever its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Kind {
    /// Bare Rust server, axum over ONNX Runtime: the ceiling
    Axum,
    /// This service, native, on ONNX Runtime
    Onnx,
    /// This service, native, on OpenVINO
    Openvino,
    /// FastAPI over onnxruntime
    Fastapi,
    /// This service, portable, on the WebAssembly engine
    Portable,
    /// The portable artifact on stock `wasmtime serve`
    Wasmtime,
}

impl Kind {
    /// The name in tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Axum => "axum + ort",
            Self::Onnx => "infer, ONNX Runtime",
            Self::Openvino => "infer, OpenVINO",
            Self::Fastapi => "FastAPI + onnxruntime",
            Self::Portable => "infer, portable",
            Self::Wasmtime => "wasmtime serve, portable",
        }
    }

    /// Whether a machine may lack its requirements.
    pub(super) fn may_be_missing(self) -> bool {
        self != Self::Portable
    }

    /// The settings to try; if there are several, the best one counts at each number of connections.
    fn settings(self, cores: usize) -> Vec<Setting> {
        match self {
            Self::Onnx => vec![Setting::Backend("onnx")],
            Self::Openvino => vec![Setting::Backend("openvino")],
            Self::Portable => vec![Setting::Backend("wasm")],
            Self::Wasmtime => vec![Setting::Stock],
            Self::Axum => {
                let session_a_core = Setting::Sessions {
                    sessions: cores,
                    threads: 1,
                    spins: false,
                };
                // Spinning threads are faster under load, and slower where they take cores from the thread that
                // reads the next request.
                let one_session = [true, false].map(|spins| Setting::Sessions {
                    sessions: 1,
                    threads: cores,
                    spins,
                });
                several(session_a_core, one_session, cores)
            }
            Self::Fastapi => {
                let one_worker = Setting::Workers {
                    workers: 1,
                    threads: None,
                };
                // FastAPI's documentation recommends "replication of processes to take advantage of multiple cores".
                // Each worker gets one thread, since otherwise every worker would use all cores.
                let worker_a_core = Setting::Workers {
                    workers: cores,
                    threads: Some(1),
                };
                several(one_worker, [worker_a_core], cores)
            }
        }
    }
}

/// All settings, or the first if there is one core, which makes them the same.
fn several<const N: usize>(one: Setting, others: [Setting; N], cores: usize) -> Vec<Setting> {
    let mut settings = vec![one];
    if cores > 1 {
        settings.extend(others);
    }
    settings
}

/// The settings of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Setting {
    /// `cargo infer up --backend …`
    Backend(&'static str),
    Sessions {
        sessions: usize,
        threads: usize,
        /// Whether the threads of a session spin between inferences, which is the default. A session of one thread
        /// has no such threads.
        spins: bool,
    },
    Workers {
        workers: usize,
        /// `None` for ONNX Runtime's default.
        threads: Option<usize>,
    },
    Stock,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        match self {
            Self::Backend(backend) => write!(f, "`up --backend {backend}`"),
            Self::Sessions {
                sessions,
                threads,
                spins,
            } => write!(
                f,
                "{sessions} session{} of {threads} thread{}{}",
                plural(*sessions),
                plural(*threads),
                if *spins { ", spinning" } else { "" }
            ),
            Self::Workers { workers, threads } => {
                write!(f, "{workers} worker{}", plural(*workers))?;
                match threads {
                    Some(threads) => write!(f, " of {threads} thread{}", plural(*threads)),
                    None => write!(f, ", threads by default"),
                }
            }
            Self::Stock => write!(f, "`wasmtime serve -S cli`"),
        }
    }
}

/// A server with its settings.
#[derive(Clone, Debug)]
pub(super) struct Contestant {
    pub(super) kind: Kind,
    setting: Setting,
}

impl Contestant {
    /// The contestants of some kinds.
    pub(super) fn all(kinds: &[Kind], cores: usize) -> Vec<Self> {
        let of = |kind: Kind| {
            let settings = kind.settings(cores).into_iter();
            settings.map(move |setting| Self { kind, setting })
        };
        kinds.iter().copied().flat_map(of).collect()
    }

    /// Its settings, as tables show them.
    pub(super) fn setting(&self) -> String {
        self.setting.to_string()
    }

    /// Its name in file names.
    pub(super) fn slug(&self) -> String {
        let text = format!("{:?} {}", self.kind, self.setting).to_lowercase();
        let parts = text.split(|c: char| !c.is_ascii_alphanumeric());
        let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
        parts.join("-")
    }

    /// The command that starts it.
    pub(super) fn command(
        &self,
        tools: &Tools,
        served: &Served,
        address: SocketAddr,
    ) -> Result<Command> {
        Ok(match &self.setting {
            Setting::Backend(backend) => {
                let mut command = tools.infer.command();
                command
                    .current_dir(&tools.root)
                    .args(["up", "--release", "--backend", backend])
                    .args(["--listen", &address.to_string()])
                    .arg("--models")
                    .arg(&served.repository);
                command
            }
            Setting::Sessions {
                sessions,
                threads,
                spins,
            } => {
                let (server, library) = tools
                    .axum
                    .as_ref()
                    .context("bench/axum-ort was not compiled")?;
                let mut command = Command::new(server);
                command
                    .env("ORT_DYLIB_PATH", library)
                    .args(["--listen", &address.to_string()])
                    .arg("--model")
                    .arg(served.graph())
                    .args(["--name", &served.network])
                    .args(["--sessions", &sessions.to_string()])
                    .args(["--threads", &threads.to_string()]);
                if !spins {
                    command.arg("--stop-spinning");
                }
                command
            }
            Setting::Workers { workers, threads } => {
                let python = tools
                    .fastapi
                    .as_ref()
                    .context("FastAPI was not installed")?;
                let mut command = python.command("uvicorn");
                command
                    .current_dir(tools.root.join("bench/fastapi"))
                    .env("MODEL", served.graph())
                    .env("NAME", &served.network)
                    // An access log would slow the server down.
                    .args(["app:app", "--no-access-log", "--log-level", "warning"])
                    .args(["--host", &address.ip().to_string()])
                    .args(["--port", &address.port().to_string()])
                    .args(["--workers", &workers.to_string()]);
                if let Some(threads) = threads {
                    command.env("THREADS", threads.to_string());
                }
                command
            }
            Setting::Stock => {
                let mut command = Command::new("wasmtime");
                command
                    .args(["serve", "-S", "cli", "--addr", &address.to_string()])
                    .arg(&served.composed);
                command
            }
        })
    }
}

/// The prepared requirements of the servers.
pub(super) struct Tools {
    root: PathBuf,
    infer: Infer,
    fastapi: Option<Environment>,
    /// The server and ONNX Runtime's library.
    axum: Option<(PathBuf, PathBuf)>,
}

impl Tools {
    /// Install, compile and find the requirements of some kinds of servers; also return the kinds that are not
    /// available, and why.
    ///
    /// # Errors
    /// When `infer` does not compile.
    pub(super) fn prepare(
        root: &Path,
        kinds: &[Kind],
    ) -> Result<(Self, Vec<(Kind, anyhow::Error)>)> {
        let mut tools = Self {
            root: root.to_owned(),
            infer: Infer::build(root)?,
            fastapi: None,
            axum: None,
        };
        let mut missing = Vec::new();
        // The bare server may need the ONNX Runtime library of FastAPI's environment.
        if kinds.contains(&Kind::Fastapi) || kinds.contains(&Kind::Axum) {
            let folder = root.join("target/bench/fastapi");
            match Environment::prepare(&root.join("bench/fastapi"), folder) {
                Ok(environment) => tools.fastapi = Some(environment),
                Err(error) => missing.push((Kind::Fastapi, error)),
            }
        }
        if kinds.contains(&Kind::Axum) {
            match tools.compile_axum() {
                Ok(server) => tools.axum = Some(server),
                Err(error) => missing.push((Kind::Axum, error)),
            }
        }
        if kinds.contains(&Kind::Wasmtime)
            && let Err(error) = succeed(Command::new("wasmtime").arg("--version"))
        {
            missing.push((Kind::Wasmtime, error));
        }
        missing.retain(|(kind, _)| kinds.contains(kind));
        Ok((tools, missing))
    }

    fn compile_axum(&self) -> Result<(PathBuf, PathBuf)> {
        // The library that this service uses, if it is installed; otherwise the one in FastAPI's environment, which
        // has the same version.
        let library = self
            .infer
            .onnx_runtime(&self.root)
            .or_else(|| {
                let environment = self.fastapi.as_ref()?;
                environment.onnx_runtime()
            })
            .context(
                "ONNX Runtime is missing: expected the backend (run `cargo infer backend add onnx`) or the wheel in \
                 FastAPI's environment",
            )?;
        let target = self.root.join("target/bench/axum-ort");
        eprintln!("compiling bench/axum-ort …");
        succeed(
            Command::new("cargo")
                .args(["build", "--release", "--locked", "--quiet"])
                // The folder has a cargo configuration of its own.
                .current_dir(self.root.join("bench/axum-ort"))
                .env("CARGO_TARGET_DIR", &target)
                .env_remove("RUSTFLAGS"),
        )?;
        Ok((target.join("release/axum-ort"), library))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_words_and_file_names() {
        let all = Contestant::all(&[Kind::Axum, Kind::Fastapi, Kind::Portable], 4);
        let words: Vec<_> = all.iter().map(Contestant::setting).collect();
        let expected = [
            "4 sessions of 1 thread",
            "1 session of 4 threads, spinning",
            "1 session of 4 threads",
            "1 worker, threads by default",
            "4 workers of 1 thread",
            "`up --backend wasm`",
        ];
        assert_eq!(words, expected);
        assert_eq!(all[0].slug(), "axum-4-sessions-of-1-thread");
        assert_eq!(Contestant::all(&[Kind::Axum, Kind::Fastapi], 1).len(), 2);
    }
}
