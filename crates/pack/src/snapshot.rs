//! Snapshots: runs a component's setup and makes the resulting memory its initial memory.
//!
//! `wasmtime-wizer` instruments a component so that its memory can be read. This module instantiates the
//! component, calls the setup functions that it exports, and lets wizer rewrite it with the memory after the
//! setup. The engine's snapshot contains its loaded models, the snapshot of `infer` its model cards.
//!
//! Models are passed as arguments of the setup functions and not through a file system, because the snapshot
//! would contain file descriptors that are no longer valid afterwards.

use std::collections::BTreeMap;

use infer_tensor::{Dim, Signature};
use wasmtime::component::{ComponentType, Lift, Lower, WasmList};
use wasmtime_wizer::{ComponentInstanceState, Wizer};

use crate::machine::Machine;
use crate::setup::{Refusal, Seed, Setup};

/// The engine's setup interface, declared in `crates/engine/wit`.
pub(crate) const ENGINE_SETUP: &str = "infer:engine/setup";
/// The setup interface of the component `infer`, declared in `wit`.
pub(crate) const INFER_SETUP: &str = "infer:component/setup";

/// A component could not be set up or rewritten.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The component lacks the setup interface, or the setup trapped.
    #[error("snapshotting the component `{component}`: {source:#}")]
    Component {
        /// `engine` or `infer`.
        component: &'static str,
        /// wasmtime's error.
        source: wasmtime::Error,
    },
    /// The component rejected a model.
    #[error("model `{model}`: {reason}")]
    Model {
        /// The model's name.
        model: String,
        /// The component's error message.
        reason: String,
    },
}

/// The most memory in use that a snapshot may have. A module of more than 1 GiB cannot be read by any host; code and the
/// gaps between blocks take the rest.
const MAX_IN_USE_BYTES: u64 = 960 << 20;

/// The signature of a graph's input or output, as the engine read it.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub struct TensorInfo {
    /// The name in the graph.
    pub name: String,
    /// The datatype's name in the Open Inference Protocol.
    pub datatype: String,
    /// The shape, with -1 for any size; `None` if the file declares none.
    pub shape: Option<Vec<i64>>,
}

/// The engine's description of a loaded model.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub struct ModelInfo {
    /// The inputs, in the graph's order.
    pub inputs: Vec<TensorInfo>,
    /// The outputs, in the graph's order.
    pub outputs: Vec<TensorInfo>,
}

impl ModelInfo {
    /// The inputs and outputs as a [`Signature`].
    #[must_use]
    pub fn signature(&self) -> Signature {
        let tensor = |info: &TensorInfo| infer_tensor::TensorInfo {
            name: info.name.clone(),
            datatype: info.datatype.parse().ok(),
            shape: (info.shape.as_ref())
                .map(|sizes| sizes.iter().copied().map(Dim::from_size).collect()),
        };
        Signature {
            inputs: self.inputs.iter().map(tensor).collect(),
            outputs: self.outputs.iter().map(tensor).collect(),
        }
    }
}

/// A model for the engine.
#[derive(Debug)]
pub enum EngineModel {
    /// A model in the snapshot, with the bytes of `model.onnx`.
    Snapshot(Vec<u8>),
    /// A model that an instance reads from the mount when a request needs it.
    Mount,
}

/// A model for the component `infer`.
#[derive(Debug)]
pub struct CardEntry {
    /// The text of `model.toml`.
    pub card: String,
    /// The files that it names.
    pub files: CardFiles,
}

/// The contents of the files that a model card names.
#[derive(Clone, Debug, ComponentType, Lower)]
#[component(record)]
pub struct CardFiles {
    /// The label file.
    pub labels: Option<String>,
    /// The tokenizer file.
    pub tokenizer: Option<String>,
    /// The example request.
    pub example: Option<Vec<u8>>,
}

/// A component whose initial memory is that after its setup.
#[derive(Debug)]
pub struct Snapshot {
    /// The component.
    pub bytes: Vec<u8>,
    /// Bytes of memory in use at the end of the setup.
    pub in_use: u64,
}

/// Load models into the engine. Returns its snapshot, and the engine's description of each model in it. `before` is
/// called with each model's name before the model is loaded.
///
/// # Errors
/// If the engine rejects a model, or is not a component with the setup interface.
pub(crate) fn snapshot_engine(
    machine: &Machine,
    wasm: &Keyed,
    models: &BTreeMap<String, EngineModel>,
    seed: Seed,
    mut before: impl FnMut(&str),
) -> Result<(Snapshot, BTreeMap<String, ModelInfo>), SnapshotError> {
    let component = "engine";
    let mut infos = BTreeMap::new();
    let snapshot = run(machine, wasm, component, seed, |setup| {
        for (name, model) in models {
            before(name);
            match model {
                EngineModel::Snapshot(onnx) => {
                    let arguments = (name.as_str(), onnx.as_slice());
                    let added: Result<ModelInfo, String> =
                        setup.add_model(ENGINE_SETUP, arguments)?;
                    match added {
                        Ok(info) => infos.insert(name.clone(), info),
                        Err(reason) => return Ok(Err((name.clone(), reason))),
                    };
                    let (in_use, _) = setup.memory(ENGINE_SETUP)?;
                    if in_use > MAX_IN_USE_BYTES {
                        return Ok(Err((name.clone(), too_large(in_use))));
                    }
                }
                EngineModel::Mount => {
                    let (mounted,): (Result<(), String>,) =
                        setup.call(ENGINE_SETUP, "mount-model", (name.as_str(),))?;
                    if let Err(reason) = mounted {
                        return Ok(Err((name.clone(), reason)));
                    }
                }
            }
        }
        setup.seal(ENGINE_SETUP)
    })?;
    Ok((snapshot, infos))
}

/// Why a model does not fit into the snapshot with those before it.
fn too_large(in_use: u64) -> String {
    format!(
        "the snapshot would have {} MiB of loaded models with this one, more than the {} MiB that it may have; set \
         `placement = \"mount\"` in the cards of large models, so that an instance reads them when a request needs them",
        in_use >> 20,
        MAX_IN_USE_BYTES >> 20
    )
}

/// Load model cards into the component `infer` and return its snapshot.
///
/// # Errors
/// If it rejects a card, or is not a component with the setup interface.
pub(crate) fn snapshot_infer(
    machine: &Machine,
    wasm: &Keyed,
    cards: &BTreeMap<String, CardEntry>,
    seed: Seed,
) -> Result<Snapshot, SnapshotError> {
    run(machine, wasm, "infer", seed, |setup| {
        for (name, entry) in cards {
            let arguments = (name.as_str(), entry.card.as_str(), &entry.files);
            let added: Result<(), String> = setup.add_model(INFER_SETUP, arguments)?;
            if let Err(reason) = added {
                return Ok(Err((name.clone(), reason)));
            }
        }
        setup.seal(INFER_SETUP)
    })
}

/// A component's bytes, and the hash of what they were made of, by which their machine code is cached.
pub(crate) struct Keyed<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) key: blake3::Hash,
}

/// Rewrite a component so that its memory can be read.
pub(crate) fn instrumented(wasm: &[u8]) -> wasmtime::Result<Vec<u8>> {
    Ok(wizer().instrument_component(wasm)?.1)
}

fn wizer() -> Wizer {
    let mut wizer = Wizer::new();
    // Otherwise wizer would remove the export from the core module but not the component's alias of it.
    wizer.keep_init_func(true);
    wizer
}

/// Instrument and instantiate a component, set it up, and return its snapshot.
fn run(
    machine: &Machine,
    wasm: &Keyed,
    component: &'static str,
    seed: Seed,
    set_up: impl FnOnce(&mut Setup) -> wasmtime::Result<Result<u64, Refusal>>,
) -> Result<Snapshot, SnapshotError> {
    let failed = |source| SnapshotError::Component { component, source };
    let wizer = wizer();
    let (context, instrumented) = wizer.instrument_component(wasm.bytes).map_err(failed)?;
    let compiled = machine
        .component(wasm.key, || Ok(instrumented))
        .map_err(failed)?;
    let mut setup = Setup::new(machine, &compiled, seed).map_err(failed)?;
    let in_use = set_up(&mut setup)
        .map_err(failed)?
        .map_err(|(model, reason)| SnapshotError::Model { model, reason })?;
    let bytes =
        pollster::block_on(wizer.snapshot_component(&context, &mut setup)).map_err(failed)?;
    Ok(Snapshot { bytes, in_use })
}

impl ComponentInstanceState for Setup {
    async fn call_func_ret_list_u8(
        &mut self,
        instance: &str,
        func: &str,
        contents: impl FnOnce(&[u8]) + Send,
    ) {
        let list: WasmList<u8> = self.access(instance, func);
        contents(list.as_le_slice(&self.store));
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.access(instance, func)
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.access(instance, func)
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.access::<f32>(instance, func).to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.access::<f64>(instance, func).to_bits()
    }
}
