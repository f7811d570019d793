//! The build: runs every stage, from the toolchain to the composed artifact.

mod snapshots;

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use infer_model_card::{
    GraphMismatch, Model, ModelId, ModelName, RepositoryError, read_repository_without,
};

use crate::check::{self, CheckError};
use crate::compile::{Component, Profile};
use crate::components::{Code, Components, ComponentsError};
use crate::compose::{ComposeError, compose};
use crate::progress::Progress;
use crate::snapshot::SnapshotError;
use crate::stage::{Inputs, Stage, WriteError};
use crate::toolchain::ToolchainError;
use crate::trim::{Linked, TrimError, Trimmed, Why};
use snapshots::{Engine, Stages, engine_exports, infer_exports, read_references, report_file};

/// Folder of a checkout's artifacts, relative to its root. Its `spin.toml` names the composed artifact.
const FOLDER: &str = "target/infer";

/// Part of every stage's digest. Increment the number when this crate's output changes for the same inputs.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-6");

/// Options of a build: its components, its models, its output folder and its profile.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// The origin of the components' code.
    pub components: Components,
    /// The model repository.
    pub models: PathBuf,
    /// The output folder for the artifacts.
    pub folder: PathBuf,
    /// The folder for machine code, which may be shared by all builds.
    pub cache: PathBuf,
    /// Whether to use relaxed SIMD. Turn it off for hosts that lack it; the same models then run slower.
    pub relaxed_simd: bool,
    /// How much to optimize the components. Each profile has its own folder of artifacts.
    pub profile: Profile,
    /// Models of the repository that are left out.
    pub without: BTreeSet<ModelName>,
    /// The seed of the snapshots' random numbers, for builds that are compared; `None` for a random one, as an artifact that is
    /// served must have, since its hash maps keep it.
    pub seed: Option<u64>,
}

impl BuildOptions {
    /// Use another model repository. Its artifacts go to a folder of their own below `folder`.
    #[must_use]
    pub fn with_models(mut self, models: PathBuf) -> Self {
        let name = blake3::hash(models.as_os_str().as_encoded_bytes()).to_hex();
        self.folder = self.folder.join("models").join(&name[..16]);
        self.models = models;
        self
    }

    /// Options to build the checkout at `root` with its own models, with relaxed SIMD and the release profile.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        let folder = root.join(FOLDER);
        Self {
            models: root.join("models"),
            ..Self::with(Components::Checkout(root), folder.join("cache"), folder)
        }
    }

    /// Options for these components, with relaxed SIMD and the release profile, but without a model repository:
    /// [`BuildOptions::with_models`] names one.
    #[must_use]
    pub fn with(components: Components, cache: PathBuf, folder: PathBuf) -> Self {
        Self {
            components,
            models: PathBuf::new(),
            folder,
            cache,
            relaxed_simd: true,
            profile: Profile::Release,
            without: BTreeSet::new(),
            seed: None,
        }
    }

    /// The code of a component.
    pub(crate) fn code(
        &self,
        component: Component,
        progress: &dyn Progress,
    ) -> Result<Code, ComponentsError> {
        self.components
            .code(component, self.profile, self.relaxed_simd, progress)
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
    /// The names of the models in the snapshot; the others are mounted.
    pub in_snapshot: BTreeSet<String>,
}

/// A build failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The model repository could not be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The model repository is empty.
    #[error("there is no model in `{}`: expected a folder with `model.onnx` and `model.toml`, as `infer add` writes it", path.display())]
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
    /// A graph that cannot be read with its weights.
    #[error("model `{model}`: {source}")]
    Onnx {
        /// The model.
        model: ModelId,
        /// The reason.
        source: Box<infer_onnx::ExternalError>,
    },
    /// A model card that contradicts its graph.
    #[error("model `{model}`: {source}")]
    CardMismatch {
        /// The model.
        model: ModelId,
        /// The difference.
        source: GraphMismatch,
    },
    /// A file could not be read.
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
    /// A component is not available.
    #[error(transparent)]
    Components(#[from] ComponentsError),
    /// The output folder could not be created or locked.
    #[error("cannot write `{}`: {source}", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
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

impl BuildError {
    /// The name of the model that is at fault in the repository `dir`, if it is one.
    #[must_use]
    pub fn model(&self, dir: &Path) -> Option<String> {
        match self {
            Self::NoOnnx { model }
            | Self::Onnx { model, .. }
            | Self::CardMismatch { model, .. } => Some(model.name.to_string()),
            Self::Repository(error) => error.model(dir),
            // The name of a version follows that of its model.
            Self::Snapshot(SnapshotError::Model { model, .. }) => {
                model.split('/').next().map(str::to_owned)
            }
            _ => None,
        }
    }
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
    progress.step(3, STEPS, &options.components.described(Component::Infer));
    let infer_code = options.code(Component::Infer, progress)?;
    progress.step(4, STEPS, "snapshot: loading the models");
    let stages = Stages::new(options, &folder);
    let (snapshot, in_snapshot) = stages.engine(&engine, &models, progress)?;
    let infer = stages.infer(&infer_code, &models)?;
    progress.step(5, STEPS, "compose: the engine into infer");
    let composed = folder.join("infer.composed.wasm");
    let mut inputs = Inputs::new("composed", VERSION);
    inputs.add("infer", &infer.bytes);
    inputs.add("engine", &snapshot.bytes);
    inputs.add("engine code", engine.code.digest().as_bytes());
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
        in_snapshot,
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
    let code = options.code(Component::Infer, progress)?;
    let linked = Linked::read("infer", &code.read()?)?;
    let references = read_references(&artifacts.uncomposed);
    let why_infer = linked.why(&infer, references.as_ref(), infer_exports, symbol)?;
    let code = options.code(Component::Engine, progress)?;
    let linked = Linked::read("engine", &code.read()?)?;
    let references = read_references(&artifacts.engine);
    let is_called = engine_exports(&infer)?;
    let why_engine = linked.why(&engine, references.as_ref(), is_called, symbol)?;
    Ok([why_infer, why_engine])
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
    progress.step(2, STEPS, &options.components.described(Component::Infer));
    let code = options.code(Component::Infer, progress)?;
    progress.step(3, STEPS, "snapshot: reading the model cards");
    let infer = Stages::new(options, &folder).infer(&code, &models)?;
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
        let models = match options.models.exists() {
            true => read_repository_without(&options.models, &options.without)?,
            false => Vec::new(),
        };
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
        let lock = lock(&folder, progress)?;
        progress.step(1, steps, "components: what compiles them");
        options.components.prepare(progress)?;
        Ok(Self {
            models,
            folder,
            _lock: lock,
        })
    }
}

/// Lock the folder: builds in two processes would write the same files. This waits for the other build.
fn lock(folder: &Path, progress: &dyn Progress) -> Result<File, BuildError> {
    let path = folder.join("lock");
    let open = || -> std::io::Result<File> {
        fs::create_dir_all(folder)?;
        let file = File::create(&path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                progress.detail("waiting for another build in the same folder");
                file.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => {}
        }
        Ok(file)
    };
    open().map_err(|source| BuildError::Lock {
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
