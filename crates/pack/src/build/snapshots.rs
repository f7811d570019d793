//! The two stages that snapshot a component.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use infer_model_card::Model;

use super::{BuildError, VERSION};
use crate::compile::{Component, Profile};
use crate::components::Code;
use crate::machine::{self, Machine};
use crate::progress::Progress;
use crate::setup::Seed;
use crate::snapshot::{
    CardEntry, CardFiles, EngineModel, INFER_SETUP, Keyed, ModelInfo, Snapshot, SnapshotError,
    snapshot_engine, snapshot_infer,
};
use crate::stage::{Inputs, Stage};
use crate::trim::{self, Linked, References, TrimError, Trimmed};
use crate::{BuildOptions, check};

/// The compiled engine.
pub(super) struct Engine {
    pub(super) code: Code,
    /// The engine with the linker's relocations, parsed on first use.
    linked: OnceCell<Linked>,
}

impl Engine {
    /// Compile the engine, which is the second of `steps` steps.
    pub(super) fn compile(
        options: &BuildOptions,
        progress: &dyn Progress,
        steps: usize,
    ) -> Result<Self, BuildError> {
        progress.step(2, steps, &options.components.described(Component::Engine));
        Ok(Self {
            code: options.code(Component::Engine, progress)?,
            linked: OnceCell::new(),
        })
    }

    pub(super) fn linked(&self) -> Result<&Linked, BuildError> {
        if let Some(linked) = self.linked.get() {
            return Ok(linked);
        }
        let linked = Linked::read("engine", &self.code.read()?)?;
        Ok(self.linked.get_or_init(|| linked))
    }
}

/// Return a predicate for the engine's exports that this `infer` calls.
pub(super) fn engine_exports(infer: &[u8]) -> Result<impl Fn(&str) -> bool, TrimError> {
    let imported = trim::imported("infer", infer)?;
    Ok(move |export: &str| {
        let export = trim::called(export);
        match export.split_once('#') {
            // Dropping a resource calls its destructor, which is not an import.
            Some((_, function)) => function.starts_with("[dtor]") || imported.contains(export),
            None => true,
        }
    })
}

/// Whether a host calls this export of `infer`: all exports but those of the setup.
pub(super) fn infer_exports(export: &str) -> bool {
    !trim::called(export).starts_with(INFER_SETUP)
}

/// A stage's output file and its contents.
pub(super) struct Built {
    pub(super) file: PathBuf,
    pub(super) bytes: Vec<u8>,
    /// The words of the snapshot that may be references. `None` if all may be: in local builds, which run the setup once.
    pub(super) references: Option<References>,
}

/// The path of the trim report, next to the component's file.
pub(super) fn report_file(component: &Path) -> PathBuf {
    component.with_extension("trim.txt")
}

/// The path of the addresses of a snapshot's references, next to the component's file.
fn references_file(component: &Path) -> PathBuf {
    component.with_extension("references")
}

pub(super) fn read_references(component: &Path) -> Option<References> {
    References::from_bytes(&fs::read(references_file(component)).ok()?)
}

/// The stages that snapshot the two components.
pub(super) struct Stages<'a> {
    options: &'a BuildOptions,
    folder: &'a Path,
    /// Runs the engine, which times its runtimes.
    measuring: OnceCell<Machine>,
    /// Runs every other setup.
    once: OnceCell<Machine>,
}

impl<'a> Stages<'a> {
    /// Stages that write to `folder`.
    pub(super) fn new(options: &'a BuildOptions, folder: &'a Path) -> Self {
        Self {
            options,
            folder,
            measuring: OnceCell::new(),
            once: OnceCell::new(),
        }
    }

    fn seed(&self) -> Seed {
        self.options.seed.map_or_else(Seed::random, Seed::known)
    }

    /// The inputs of a stage that every snapshot has.
    fn inputs(&self, stage: &str) -> Inputs {
        let mut inputs = Inputs::new(stage, VERSION);
        if let Some(seed) = self.options.seed {
            inputs.add("seed", &seed.to_le_bytes());
        }
        inputs
    }

    fn is_local(&self) -> bool {
        self.options.profile == Profile::Local
    }

    /// Wasmtime, which only a stage that is not fresh needs.
    fn machine(&self, code: machine::Code) -> Result<&Machine, BuildError> {
        let slot = match code {
            machine::Code::Fast => &self.measuring,
            machine::Code::Once => &self.once,
        };
        if let Some(machine) = slot.get() {
            return Ok(machine);
        }
        let machine =
            Machine::new(&self.options.cache, code).map_err(|source| SnapshotError::Component {
                component: "setup",
                source,
            })?;
        Ok(slot.get_or_init(|| machine))
    }

    /// In a release build, find the words of a snapshot that may be references, and write them next to it. `set_up` runs
    /// the same setup on code with other addresses.
    fn find_references(
        &self,
        stage: &Stage,
        file: &Path,
        linked: &Linked,
        code: &Code,
        snapshot: &[u8],
        set_up: impl FnOnce(&Keyed) -> Result<Snapshot, SnapshotError>,
    ) -> Result<Option<References>, BuildError> {
        if self.is_local() {
            return Ok(None);
        }
        let bytes = linked.moved(&code.read()?)?;
        let mut inputs = Inputs::new("moved", VERSION);
        inputs.add("code", code.digest().as_bytes());
        let moved = set_up(&Keyed {
            bytes: &bytes,
            key: inputs.hash(),
        })?;
        let references = linked.references(snapshot, &moved.bytes)?;
        stage.write_beside(&references_file(file), &references.to_bytes())?;
        Ok(Some(references))
    }

    /// Snapshot the engine with its models. Returns also the names of those in the snapshot; the others are mounted. A change
    /// to a model card reruns this stage only if it changes the card's placement or tensors.
    pub(super) fn engine(
        &self,
        engine: &Engine,
        models: &[Model],
        progress: &dyn Progress,
    ) -> Result<(Built, BTreeSet<String>), BuildError> {
        let mut inputs = self.inputs("engine");
        inputs.add("code", engine.code.digest().as_bytes());
        let mut engine_models = BTreeMap::new();
        for model in models {
            let engine_model = engine_model(model, &mut inputs)?;
            engine_models.insert(model.id.to_string(), engine_model);
        }
        let in_snapshot = engine_models
            .iter()
            .filter(|(_, model)| matches!(model, EngineModel::Snapshot(_)))
            .map(|(name, _)| name.clone())
            .collect();
        let file = self.folder.join("engine.wasm");
        let stage = Stage::new(file.clone(), &inputs);
        let references = read_references(&file);
        if (references.is_some() || self.is_local())
            && let Some(bytes) = stage.read_fresh()
        {
            let built = Built {
                file,
                bytes,
                references,
            };
            return Ok((built, in_snapshot));
        }
        let (linked, machine) = (engine.linked()?, self.machine(machine::Code::Fast)?);
        let code = Keyed {
            bytes: linked.component(),
            key: engine.code.digest(),
        };
        let seed = self.seed();
        let (Snapshot { bytes, in_use }, infos) =
            snapshot_engine(machine, &code, &engine_models, seed, |name| {
                progress.detail(name);
            })?;
        check::check_size(bytes.len() as u64, code.bytes.len() as u64, in_use)?;
        for model in models {
            if let Some(info) = infos.get(&model.id.to_string()) {
                check_card(model, info)?;
            }
        }
        let machine = self.machine(machine::Code::Once)?;
        let references =
            self.find_references(&stage, &file, linked, &engine.code, &bytes, |code| {
                snapshot_engine(machine, code, &engine_models, seed, |_| ()).map(|(moved, _)| moved)
            })?;
        stage.write(&bytes)?;
        let built = Built {
            file,
            bytes,
            references,
        };
        Ok((built, in_snapshot))
    }

    /// Snapshot the component `infer` with its model cards, and trim it.
    pub(super) fn infer(&self, code: &Code, models: &[Model]) -> Result<Built, BuildError> {
        let mut inputs = self.inputs("infer");
        inputs.add("code", code.digest().as_bytes());
        let mut cards = BTreeMap::new();
        for model in models {
            let entry = CardEntry {
                card: model.card_text.clone(),
                files: CardFiles {
                    labels: model.labels_text.clone(),
                    tokenizer: model.tokenizer_text.clone(),
                    example: model.example.clone(),
                },
            };
            let name = model.id.to_string();
            inputs.add(&name, entry.card.as_bytes());
            let CardFiles {
                labels,
                tokenizer,
                example,
            } = &entry.files;
            for (kind, text) in [("labels", labels), ("tokenizer", tokenizer)] {
                inputs.add(kind, text.as_deref().unwrap_or_default().as_bytes());
            }
            inputs.add("example", example.as_deref().unwrap_or_default());
            cards.insert(name, entry);
        }
        let file = self.folder.join("infer.wasm");
        let stage = Stage::new(file.clone(), &inputs);
        let report_file = report_file(&file);
        let references = read_references(&file);
        if (references.is_some() || self.is_local())
            && report_file.is_file()
            && let Some(bytes) = stage.read_fresh()
        {
            return Ok(Built {
                file,
                bytes,
                references,
            });
        }
        let machine = self.machine(machine::Code::Once)?;
        let linked = Linked::read("infer", &code.read()?)?;
        let component = Keyed {
            bytes: linked.component(),
            key: code.digest(),
        };
        let seed = self.seed();
        let Snapshot { bytes, in_use } = snapshot_infer(machine, &component, &cards, seed)?;
        check::check_size(bytes.len() as u64, component.bytes.len() as u64, in_use)?;
        let references = self.find_references(&stage, &file, &linked, code, &bytes, |code| {
            snapshot_infer(machine, code, &cards, seed)
        })?;
        let Trimmed { bytes, report } = linked.trim(&bytes, references.as_ref(), infer_exports)?;
        check::check_uncomposed(&bytes)?;
        stage.write_beside(&report_file, report.to_string().as_bytes())?;
        stage.write(&bytes)?;
        Ok(Built {
            file,
            bytes,
            references,
        })
    }
}

/// The engine's part of a model, which also becomes part of the stage's inputs.
fn engine_model(model: &Model, inputs: &mut Inputs) -> Result<EngineModel, BuildError> {
    let name = model.id.to_string();
    let Some(onnx_path) = &model.onnx_path else {
        return Err(BuildError::NoOnnx {
            model: model.id.clone(),
        });
    };
    let engine_model = if model.is_snapshot() {
        let onnx = infer_onnx::read_file(onnx_path).map_err(|source| BuildError::Onnx {
            model: model.id.clone(),
            source: Box::new(source),
        })?;
        inputs.add(&name, &onnx);
        EngineModel::Snapshot(onnx)
    } else {
        inputs.add(&name, b"mount");
        EngineModel::Mount
    };
    // The card's tensors are checked against the graph, so the check must rerun when they change.
    inputs.add(
        "tensors",
        format!("{:?}{:?}", model.card.inputs, model.card.outputs).as_bytes(),
    );
    Ok(engine_model)
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
