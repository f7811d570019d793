//! The whole build, step by step.

use std::cell::OnceCell;
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
use crate::runtimes;
use crate::snapshot::{
    CardEntry, EngineModel, INFER_SETUP, ModelInfo, Seed, Snapshot, SnapshotError, snapshot_engine,
    snapshot_infer,
};
use crate::stage::{Inputs, Stage, WriteError};
use crate::toolchain::run::CommandError;
use crate::toolchain::{self, TARGET, ToolchainError};
use crate::trim::{self, Linked, References, TrimError, Trimmed, Why};

/// Where the artifacts are, below the workspace's root. `spin.toml` names the composed one.
const FOLDER: &str = "target/infer";

/// Changes when this crate makes something else from the same inputs.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-4");

/// What is built, and from where.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// The workspace's root, where `spin.toml` is.
    pub root: PathBuf,
    /// The model repository; `models` below the root where it is not said otherwise.
    pub models: PathBuf,
    /// Where the artifacts go.
    pub folder: PathBuf,
    /// Off for hosts without relaxed SIMD, which run the same models slower.
    pub relaxed_simd: bool,
    /// How much the components are optimized. The artifacts of each profile have a folder of their own.
    pub profile: Profile,
}

impl BuildOptions {
    /// Another model repository than the workspace's own; its artifacts go to a folder of their own.
    #[must_use]
    pub fn with_models(mut self, models: PathBuf) -> Self {
        let name = blake3::hash(models.as_os_str().as_encoded_bytes()).to_hex();
        self.folder = self.root.join(FOLDER).join("models").join(&name[..16]);
        self.models = models;
        self
    }

    /// The build of the workspace at `root`, with its own models, for current hosts.
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

/// What a build made.
#[derive(Clone, Debug)]
pub struct Artifacts {
    /// For any host with WASI 0.2 and HTTP.
    pub composed: PathBuf,
    /// For hosts that bring wasi-nn.
    pub uncomposed: PathBuf,
    /// The engine with its models in its memory, not yet trimmed and composed.
    pub engine: PathBuf,
    /// The lists of functions that trimming kept of `infer` and of the engine, by module; see [`Report`](trim::Report).
    pub reports: [PathBuf; 2],
    /// The models, in the order of their names.
    pub models: Vec<Model>,
    /// Which runtime runs each of those in the snapshot, by name: what a card says, or what was found for `auto`.
    pub runtimes: BTreeMap<String, RuntimeChoice>,
}

/// Why there is no artifact.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The model repository.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// There is no model in it.
    #[error("there is no model in `{}`: expected a folder with `model.onnx` and `model.toml`", path.display())]
    NoModels {
        /// The repository.
        path: PathBuf,
    },
    /// A model that the engine cannot read.
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
        /// Where the card differs.
        source: GraphMismatch,
    },
    /// A file could not be read, or the build's folder not be locked.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The standard library of the target.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// Compiling.
    #[error(transparent)]
    Compile(#[from] CommandError),
    /// Setting up and rewriting a component.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Leaving out what cannot be reached.
    #[error(transparent)]
    Trim(#[from] TrimError),
    /// Putting the two together.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The result is not what may be shipped.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// An artifact could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Build what is out of date.
///
/// # Errors
/// At the first step that fails: see [`BuildError`].
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
        write_report(&engine_report, &report)?;
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

/// Build what is out of date, and find what keeps functions in the composed artifact: those of `infer` and of the engine
/// whose names contain `symbol`.
///
/// # Errors
/// When the build fails.
pub fn why(
    options: &BuildOptions,
    symbol: &str,
    progress: &dyn Progress,
) -> Result<[Why; 2], BuildError> {
    let artifacts = build(options, progress)?;
    let infer = read(&artifacts.uncomposed)?;
    let engine = read(&artifacts.engine)?;
    // Their memory is the snapshot's, trimmed or not; the references come from the code before it was trimmed.
    let linked = Linked::read("infer", &code(options, Component::Infer, progress)?)?;
    let references = read_references(&artifacts.uncomposed);
    let why_infer = linked.why(&infer, references.as_ref(), infer_exports, symbol)?;
    let linked = Linked::read("engine", &code(options, Component::Engine, progress)?)?;
    let references = read_references(&artifacts.engine);
    let is_called = engine_exports(&infer)?;
    let why_engine = linked.why(&engine, references.as_ref(), is_called, symbol)?;
    Ok([why_infer, why_engine])
}

/// Which of the engine's runtimes runs a graph, by measurement where that is what it takes.
///
/// # Errors
/// When the engine cannot be compiled, or refuses the graph.
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

/// The component for hosts that bring wasi-nn, and the models that it is for.
#[derive(Clone, Debug)]
pub struct Uncomposed {
    /// The component's file.
    pub file: PathBuf,
    /// The models, in the order of their names.
    pub models: Vec<Model>,
}

/// Build the uncomposed component alone: no engine, and no graph is looked at.
///
/// # Errors
/// At the first step that fails: see [`BuildError`].
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

/// The models, and the folder that is built in; no other build works there meanwhile.
struct Workplace {
    models: Vec<Model>,
    folder: PathBuf,
    _lock: File,
}

impl Workplace {
    /// Read the models, take the folder, and see that there is a standard library to compile with: the first
    /// of so many steps.
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

/// The standard library, the first of so many steps.
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

/// The engine, compiled.
struct Engine {
    code: Vec<u8>,
    /// What the linker said of it, once that was asked for.
    linked: OnceCell<Linked>,
}

impl Engine {
    /// Compile it, the second of so many steps.
    fn compile(
        options: &BuildOptions,
        progress: &dyn Progress,
        steps: usize,
    ) -> Result<Self, BuildError> {
        progress.step(2, steps, &format!("engine: compiling to {TARGET}"));
        Ok(Self {
            code: code(options, Component::Engine, progress)?,
            linked: OnceCell::new(),
        })
    }

    fn linked(&self) -> Result<&Linked, TrimError> {
        if let Some(linked) = self.linked.get() {
            return Ok(linked);
        }
        let linked = Linked::read("engine", &self.code)?;
        Ok(self.linked.get_or_init(|| linked))
    }
}

/// Select the engine's exports that this `infer` calls.
fn engine_exports(infer: &[u8]) -> Result<impl Fn(&str) -> bool, TrimError> {
    let imported = trim::imported("infer", infer)?;
    Ok(move |export: &str| {
        let export = trim::called(export);
        match export.split_once('#') {
            // Whoever drops a resource calls its destructor.
            Some((_, function)) => function.starts_with("[dtor]") || imported.contains(export),
            None => true,
        }
    })
}

/// Select the exports of `infer` that a host calls: all but those of the setup.
fn infer_exports(export: &str) -> bool {
    !trim::called(export).starts_with(INFER_SETUP)
}

/// The report beside a trimmed component's file.
fn report_file(component: &Path) -> PathBuf {
    component.with_extension("trim.txt")
}

fn write_report(file: &Path, report: &trim::Report) -> Result<(), WriteError> {
    write(file, report.to_string().as_bytes())
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    fs::write(file, bytes).map_err(|source| WriteError {
        path: file.to_owned(),
        source,
    })
}

/// A component's code, compiled.
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

/// A stage's file and what is in it.
struct Built {
    file: PathBuf,
    bytes: Vec<u8>,
    /// The words of the snapshot that may be references. `None` if all may be: in local builds, which run the setup once.
    references: Option<References>,
}

/// The file beside a snapshot with the addresses of its references.
fn references_file(component: &Path) -> PathBuf {
    component.with_extension("references")
}

fn read_references(component: &Path) -> Option<References> {
    References::from_bytes(&fs::read(references_file(component)).ok()?)
}

fn write_references(component: &Path, references: &References) -> Result<(), WriteError> {
    write(&references_file(component), &references.to_bytes())
}

/// The engine with its models. A change of a card alone does not come here.
fn engine_stage(
    folder: &Path,
    engine: &Engine,
    models: &[Model],
    profile: Profile,
    progress: &dyn Progress,
) -> Result<(Built, BTreeMap<String, RuntimeChoice>), BuildError> {
    let mut inputs = Inputs::new("engine", VERSION);
    inputs.add("code", &engine.code);
    let mut engine_models = BTreeMap::new();
    for model in models {
        let name = model.id.to_string();
        let Some(onnx_path) = &model.onnx_path else {
            return Err(BuildError::NoOnnx {
                model: model.id.clone(),
            });
        };
        let engine_model = if model.is_snapshot() {
            let onnx = read(onnx_path)?;
            inputs.add(&name, &onnx);
            EngineModel::Snapshot(onnx)
        } else {
            inputs.add(&name, b"mount");
            EngineModel::Mount
        };
        let runtime = model.card.runtime;
        inputs.add("runtime", runtime.to_string().as_bytes());
        engine_models.insert(name, (engine_model, runtime));
        // Checked against the graph below, so a changed card must come here after all.
        inputs.add(
            "tensors",
            format!("{:?}{:?}", model.card.inputs, model.card.outputs).as_bytes(),
        );
    }
    let file = folder.join("engine.wasm");
    let stage = Stage::new(file.clone(), &inputs);
    let references = read_references(&file);
    if (references.is_some() || profile == Profile::Local)
        && let Some(bytes) = stage.read_fresh()
        && let Some(runtimes) = runtimes::read(&file)
    {
        let built = Built {
            file,
            bytes,
            references,
        };
        return Ok((built, runtimes));
    }
    let linked = engine.linked()?;
    let code = linked.component();
    let seed = Seed::random();
    let (Snapshot { bytes, in_use }, infos) =
        snapshot_engine(code, &engine_models, seed, |name| progress.detail(name))?;
    check::check_size(bytes.len() as u64, code.len() as u64, in_use)?;
    for model in models {
        if let Some(info) = infos.get(&model.id.to_string()) {
            check_card(model, info)?;
        }
    }
    // First, so that it is there when the stage is fresh.
    let runtimes = runtimes::write(&file, &infos)?;
    let mut references = None;
    if profile == Profile::Release {
        for (name, (_, runtime)) in &mut engine_models {
            if let Some(found) = runtimes.get(name) {
                *runtime = *found;
            }
        }
        let moved = linked.moved(&engine.code)?;
        let (moved, _) = snapshot_engine(&moved, &engine_models, seed, |_| ())?;
        let found = linked.references(&bytes, &moved.bytes)?;
        write_references(&file, &found)?;
        references = Some(found);
    }
    stage.write(&bytes)?;
    let built = Built {
        file,
        bytes,
        references,
    };
    Ok((built, runtimes))
}

/// The component with the model cards.
fn infer_stage(
    folder: &Path,
    code: &[u8],
    models: &[Model],
    profile: Profile,
) -> Result<Built, BuildError> {
    let mut inputs = Inputs::new("infer", VERSION);
    inputs.add("code", code);
    let mut cards = BTreeMap::new();
    for model in models {
        let entry = CardEntry {
            card: model.card_text.clone(),
            labels: model.labels_text.clone(),
            tokenizer: model.tokenizer_text.clone(),
        };
        let name = model.id.to_string();
        inputs.add(&name, entry.card.as_bytes());
        for (kind, text) in [("labels", &entry.labels), ("tokenizer", &entry.tokenizer)] {
            inputs.add(kind, text.as_deref().unwrap_or_default().as_bytes());
        }
        cards.insert(name, entry);
    }
    let file = folder.join("infer.wasm");
    let stage = Stage::new(file.clone(), &inputs);
    let report_file = report_file(&file);
    let references = read_references(&file);
    if (references.is_some() || profile == Profile::Local)
        && report_file.is_file()
        && let Some(bytes) = stage.read_fresh()
    {
        return Ok(Built {
            file,
            bytes,
            references,
        });
    }
    let linked = Linked::read("infer", code)?;
    let component = linked.component();
    let seed = Seed::random();
    let Snapshot { bytes, in_use } = snapshot_infer(component, &cards, seed)?;
    check::check_size(bytes.len() as u64, component.len() as u64, in_use)?;
    let mut references = None;
    if profile == Profile::Release {
        let moved = snapshot_infer(&linked.moved(code)?, &cards, seed)?;
        let found = linked.references(&bytes, &moved.bytes)?;
        write_references(&file, &found)?;
        references = Some(found);
    }
    let Trimmed { bytes, report } = linked.trim(&bytes, references.as_ref(), infer_exports)?;
    check::check_uncomposed(&bytes)?;
    // First, so that it is there when the stage is fresh.
    write_report(&report_file, &report)?;
    stage.write(&bytes)?;
    Ok(Built {
        file,
        bytes,
        references,
    })
}

/// Check a model card against its graph.
fn check_card(model: &Model, info: &ModelInfo) -> Result<(), BuildError> {
    model
        .card
        .check_graph(&info.signature())
        .map_err(|source| BuildError::CardMismatch {
            model: model.id.clone(),
            source,
        })
}

/// One build at a time: two test processes would write the same files.
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
