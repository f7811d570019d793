//! The build: runs every stage, from the toolchain to the composed artifact.

mod snapshots;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use infer_model_card::{
    GraphMismatch, Model, ModelId, RepositoryError, RuntimeChoice, read_repository,
};

use crate::check::{self, CheckError};
use crate::compile::{Component, Profile, compile};
use crate::compose::{ComposeError, compose};
use crate::progress::Progress;
use crate::snapshot::{EngineModel, Seed, SnapshotError, snapshot_engine};
use crate::stage::{Inputs, Stage, WriteError};
use crate::toolchain::run::CommandError;
use crate::toolchain::{self, TARGET, ToolchainError};
use crate::trim::{Linked, TrimError, Trimmed, Why};
use snapshots::{
    Engine, engine_exports, engine_stage, infer_exports, infer_stage, read_references, report_file,
};

/// Folder of the artifacts, relative to the workspace root. `spin.toml` names the composed artifact.
const FOLDER: &str = "target/infer";

/// Part of every stage's digest. Increment the number when this crate's output changes for the same inputs.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-5");

/// Options of a build: its sources, its output folder and its profile.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// The workspace root, which contains `spin.toml`.
    pub root: PathBuf,
    /// The model repository; by default, the folder `models` of the workspace root.
    pub models: PathBuf,
    /// The output folder for the artifacts.
    pub folder: PathBuf,
    /// Whether to use relaxed SIMD. Turn it off for hosts that lack it; the same models then run slower.
    pub relaxed_simd: bool,
    /// How much to optimize the components. Each profile has its own folder of artifacts.
    pub profile: Profile,
}

impl BuildOptions {
    /// Use another model repository than the workspace's. Its artifacts go to a separate folder.
    #[must_use]
    pub fn with_models(mut self, models: PathBuf) -> Self {
        let name = blake3::hash(models.as_os_str().as_encoded_bytes()).to_hex();
        self.folder = self.root.join(FOLDER).join("models").join(&name[..16]);
        self.models = models;
        self
    }

    /// Options to build the workspace at `root` with its own models, with relaxed SIMD and the release profile.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self {
            models: root.join("models"),
            folder: root.join(FOLDER),
            root,
            relaxed_simd: true,
            profile: Profile::Release,
        }
    }
}

/// The output of a build.
#[derive(Clone, Debug)]
pub struct Artifacts {
    /// The composed artifact, for any host with WASI 0.2 and HTTP.
    pub composed: PathBuf,
    /// The uncomposed artifact, for hosts that implement wasi:nn.
    pub uncomposed: PathBuf,
    /// The snapshot of the engine with its models, before it is trimmed and composed.
    pub engine: PathBuf,
    /// The trim reports of `infer` and of the engine, which list the kept functions; see [`Report`](trim::Report).
    pub reports: [PathBuf; 2],
    /// The models, sorted by name.
    pub models: Vec<Model>,
    /// The runtime of each model in the snapshot, by name. For `auto`, it is the runtime that the engine selected.
    pub runtimes: BTreeMap<String, RuntimeChoice>,
}

/// A build failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The model repository could not be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The model repository is empty.
    #[error("there is no model in `{}`: expected a folder with `model.onnx` and `model.toml`", path.display())]
    NoModels {
        /// The repository.
        path: PathBuf,
    },
    /// A model without an ONNX file, which the engine cannot read.
    #[error(
        "model `{model}` has no `model.onnx`, only OpenVINO's `model.xml`; the engine in WebAssembly reads \
         ONNX, `up --backend openvino` both"
    )]
    NoOnnx {
        /// The model.
        model: ModelId,
    },
    /// A model card that contradicts its graph.
    #[error("model `{model}`: {source}")]
    CardMismatch {
        /// The model.
        model: ModelId,
        /// The difference.
        source: GraphMismatch,
    },
    /// A file could not be read, or the output folder could not be locked.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The target's standard library is missing.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// A component could not be compiled.
    #[error(transparent)]
    Compile(#[from] CommandError),
    /// A component could not be set up or snapshotted.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A component could not be trimmed.
    #[error(transparent)]
    Trim(#[from] TrimError),
    /// The components could not be composed.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// An artifact has wrong imports or exports, or is too large.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// An artifact could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Build all artifacts. Stages whose inputs are unchanged are skipped.
///
/// # Errors
/// At the first stage that fails: see [`BuildError`].
pub fn build(options: &BuildOptions, progress: &dyn Progress) -> Result<Artifacts, BuildError> {
    const STEPS: usize = 5;
    let Workplace {
        models,
        folder,
        _lock,
    } = Workplace::enter(options, progress, STEPS)?;
    let engine = Engine::compile(options, progress, STEPS)?;
    progress.step(3, STEPS, &format!("infer: compiling to {TARGET}"));
    let infer_code = code(options, Component::Infer, progress)?;
    progress.step(4, STEPS, "snapshot: loading the models");
    let (snapshot, runtimes) = engine_stage(&folder, &engine, &models, options.profile, progress)?;
    let infer = infer_stage(&folder, &infer_code, &models, options.profile)?;
    progress.step(5, STEPS, "compose: the engine into infer");
    let composed = folder.join("infer.composed.wasm");
    let mut inputs = Inputs::new("composed", VERSION);
    inputs.add("infer", &infer.bytes);
    inputs.add("engine", &snapshot.bytes);
    inputs.add("engine code", &engine.code);
    let stage = Stage::new(composed.clone(), &inputs);
    let engine_report = report_file(&snapshot.file);
    if !stage.is_fresh() || !engine_report.is_file() {
        let is_called = engine_exports(&infer.bytes)?;
        let Trimmed { bytes, report } =
            engine
                .linked()?
                .trim(&snapshot.bytes, snapshot.references.as_ref(), is_called)?;
        let bytes = compose(&infer.bytes, &bytes)?;
        check::check_composed(&bytes)?;
        stage.write_beside(&engine_report, report.to_string().as_bytes())?;
        stage.write(&bytes)?;
    }
    Ok(Artifacts {
        composed,
        reports: [report_file(&infer.file), engine_report],
        uncomposed: infer.file,
        engine: snapshot.file,
        models,
        runtimes,
    })
}

/// Build all artifacts, then find the references that keep functions in the composed artifact. The functions are those
/// of `infer` and of the engine whose names contain `symbol`.
///
/// # Errors
/// If the build fails.
pub fn why(
    options: &BuildOptions,
    symbol: &str,
    progress: &dyn Progress,
) -> Result<[Why; 2], BuildError> {
    let artifacts = build(options, progress)?;
    let infer = read(&artifacts.uncomposed)?;
    let engine = read(&artifacts.engine)?;
    // `infer` is trimmed and the engine is not, but both contain the snapshot's memory. The references come from the
    // code before trimming.
    let linked = Linked::read("infer", &code(options, Component::Infer, progress)?)?;
    let references = read_references(&artifacts.uncomposed);
    let why_infer = linked.why(&infer, references.as_ref(), infer_exports, symbol)?;
    let linked = Linked::read("engine", &code(options, Component::Engine, progress)?)?;
    let references = read_references(&artifacts.engine);
    let is_called = engine_exports(&infer)?;
    let why_engine = linked.why(&engine, references.as_ref(), is_called, symbol)?;
    Ok([why_infer, why_engine])
}

/// Find which of the engine's runtimes `auto` selects for a graph. The engine times both runtimes if the graph alone
/// does not decide.
///
/// # Errors
/// If the engine cannot be compiled, or rejects the graph.
pub fn measure_runtime(
    options: &BuildOptions,
    name: &str,
    onnx: Vec<u8>,
    progress: &dyn Progress,
) -> Result<RuntimeChoice, BuildError> {
    const STEPS: usize = 3;
    toolchain_step(options, progress, STEPS)?;
    let engine = Engine::compile(options, progress, STEPS)?;
    progress.step(3, STEPS, "runtime: measuring which is faster");
    let model = (EngineModel::Snapshot(onnx), RuntimeChoice::Auto);
    let models = BTreeMap::from([(name.to_owned(), model)]);
    let code = engine.linked()?.component();
    let (_, infos) = snapshot_engine(code, &models, Seed::random(), |name| {
        progress.detail(name);
    })?;
    Ok(infos
        .get(name)
        .map_or(RuntimeChoice::Auto, |info| info.runtime.into()))
}

/// The uncomposed artifact, for hosts that implement wasi:nn, and its models.
#[derive(Clone, Debug)]
pub struct Uncomposed {
    /// The component's file.
    pub file: PathBuf,
    /// The models, sorted by name.
    pub models: Vec<Model>,
}

/// Build the uncomposed artifact only. No engine is compiled and no graph is read.
///
/// # Errors
/// At the first stage that fails: see [`BuildError`].
pub fn build_uncomposed(
    options: &BuildOptions,
    progress: &dyn Progress,
) -> Result<Uncomposed, BuildError> {
    const STEPS: usize = 3;
    let Workplace {
        models,
        folder,
        _lock,
    } = Workplace::enter(options, progress, STEPS)?;
    progress.step(2, STEPS, &format!("infer: compiling to {TARGET}"));
    let code = code(options, Component::Infer, progress)?;
    progress.step(3, STEPS, "snapshot: reading the model cards");
    let infer = infer_stage(&folder, &code, &models, options.profile)?;
    Ok(Uncomposed {
        file: infer.file,
        models,
    })
}

/// The models and the output folder, which is locked against other builds.
struct Workplace {
    models: Vec<Model>,
    folder: PathBuf,
    _lock: File,
}

impl Workplace {
    /// Read the models, lock the folder, and make the standard library available. This is the first of `steps` steps.
    fn enter(
        options: &BuildOptions,
        progress: &dyn Progress,
        steps: usize,
    ) -> Result<Self, BuildError> {
        let models = read_repository(&options.models)?;
        if models.is_empty() {
            return Err(BuildError::NoModels {
                path: options.models.clone(),
            });
        }
        let mut folder = options.folder.clone();
        if options.profile == Profile::Local {
            folder.push("local");
        }
        if !options.relaxed_simd {
            folder.push("no-relaxed-simd");
        }
        let lock = lock(&folder)?;
        toolchain_step(options, progress, steps)?;
        Ok(Self {
            models,
            folder,
            _lock: lock,
        })
    }
}

/// Make the standard library available, which is the first of `steps` steps.
fn toolchain_step(
    options: &BuildOptions,
    progress: &dyn Progress,
    steps: usize,
) -> Result<(), ToolchainError> {
    let text = format!("toolchain: the {TARGET} standard library");
    progress.step(1, steps, &text);
    toolchain::ensure(&options.root, progress)?;
    Ok(())
}

/// Compile a component and read its code.
fn code(
    options: &BuildOptions,
    component: Component,
    progress: &dyn Progress,
) -> Result<Vec<u8>, BuildError> {
    read(&compile(
        &options.root,
        component,
        options.profile,
        options.relaxed_simd,
        progress,
    )?)
}

/// Lock the folder: builds in two processes, such as tests, would write the same files.
fn lock(folder: &Path) -> Result<File, BuildError> {
    let path = folder.join("lock");
    let open = || -> std::io::Result<File> {
        fs::create_dir_all(folder)?;
        let file = File::create(&path)?;
        file.lock()?;
        Ok(file)
    };
    open().map_err(|source| BuildError::Read {
        path: path.clone(),
        source,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    fs::read(path).map_err(|source| BuildError::Read {
        path: path.to_owned(),
        source,
    })
}
