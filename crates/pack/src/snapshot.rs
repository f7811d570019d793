//! Snapshots: runs a component's setup and makes the resulting memory its initial memory.
//!
//! `wasmtime-wizer` instruments a component so that its memory can be read. This module instantiates the
//! component, calls the setup functions that it exports, and lets wizer rewrite it with the memory after the
//! setup. The engine's snapshot contains its loaded models, the snapshot of `infer` its model cards.
//!
//! Models are passed as arguments of the setup functions and not through a file system, because the snapshot
//! would contain file descriptors that are no longer valid afterwards.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use infer_model_card::RuntimeChoice;
use infer_tensor::{Dim, Signature};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    Component, ComponentNamedList, ComponentType, Instance, Lift, Linker, Lower, ResourceTable,
    ResourceType, WasmList,
};
use wasmtime::{Config, Engine, Store, Trap};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{Deterministic, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};
use wasmtime_wizer::{ComponentInstanceState, Wizer};

/// Captured bytes of a component's standard error; the rest is dropped.
const STDERR_BYTES: usize = 4096;

/// The engine's setup interface, declared in `crates/engine/wit`.
const ENGINE_SETUP: &str = "infer:engine/setup";
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
    /// The runtime of the graph.
    pub runtime: Runtime,
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

/// A runtime of the engine: [`infer_model_card::RuntimeChoice`] as a type of the engine's interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum Runtime {
    /// The engine selects one of the two.
    #[component(name = "auto")]
    Auto,
    /// The project's executor.
    #[component(name = "executor")]
    Executor,
    /// rten.
    #[component(name = "rten")]
    Rten,
}

impl From<RuntimeChoice> for Runtime {
    fn from(choice: RuntimeChoice) -> Self {
        match choice {
            RuntimeChoice::Auto => Self::Auto,
            RuntimeChoice::Executor => Self::Executor,
            RuntimeChoice::Rten => Self::Rten,
        }
    }
}

impl From<Runtime> for RuntimeChoice {
    fn from(runtime: Runtime) -> Self {
        match runtime {
            Runtime::Auto => Self::Auto,
            Runtime::Executor => Self::Executor,
            Runtime::Rten => Self::Rten,
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
    /// The text of the label file.
    pub labels: Option<String>,
    /// The text of the tokenizer file.
    pub tokenizer: Option<String>,
}

/// A component whose initial memory is that after its setup.
#[derive(Debug)]
pub struct Snapshot {
    /// The component.
    pub bytes: Vec<u8>,
    /// Bytes of memory in use at the end of the setup.
    pub in_use: u64,
}

/// The seed of all random numbers of a setup. Two setups with one seed allocate the same memory.
#[derive(Clone, Copy, Debug)]
pub struct Seed(u128);

impl Seed {
    /// A random seed: hash maps of the snapshot keep it, so that it must not be known.
    #[must_use]
    pub fn random() -> Self {
        let half = || u128::from(RandomState::new().build_hasher().finish());
        Self(half() << 64 | half())
    }

    /// The bytes of `wasi:random/random`, repeated after the last: more than the seeds of all hash maps.
    fn stream(self) -> Deterministic {
        let mut bytes = vec![0; 4096];
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0.to_le_bytes());
        hasher.finalize_xof().fill(&mut bytes);
        Deterministic::new(bytes)
    }
}

/// Load models into the engine. Returns its snapshot, and the engine's description of each model in it. `before` is
/// called with each model's name before the model is loaded.
///
/// # Errors
/// If the engine rejects a model, or is not a component with the setup interface.
pub fn snapshot_engine(
    wasm: &[u8],
    models: &BTreeMap<String, (EngineModel, RuntimeChoice)>,
    seed: Seed,
    mut before: impl FnMut(&str),
) -> Result<(Snapshot, BTreeMap<String, ModelInfo>), SnapshotError> {
    let component = "engine";
    let mut infos = BTreeMap::new();
    let snapshot = run(wasm, component, seed, |setup| {
        for (name, (model, runtime)) in models {
            let runtime = Runtime::from(*runtime);
            before(name);
            match model {
                EngineModel::Snapshot(onnx) => {
                    let arguments = (name.as_str(), onnx.as_slice(), runtime);
                    let added: Result<ModelInfo, String> =
                        setup.add_model(ENGINE_SETUP, arguments)?;
                    match added {
                        Ok(info) => infos.insert(name.clone(), info),
                        Err(reason) => return Ok(Err((name.clone(), reason))),
                    };
                }
                EngineModel::Mount => {
                    let (mounted,): (Result<(), String>,) =
                        setup.call(ENGINE_SETUP, "mount-model", (name.as_str(), runtime))?;
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

/// Load model cards into the component `infer` and return its snapshot.
///
/// # Errors
/// If it rejects a card, or is not a component with the setup interface.
pub fn snapshot_infer(
    wasm: &[u8],
    cards: &BTreeMap<String, CardEntry>,
    seed: Seed,
) -> Result<Snapshot, SnapshotError> {
    run(wasm, "infer", seed, |setup| {
        for (name, entry) in cards {
            let arguments = (
                name.as_str(),
                entry.card.as_str(),
                entry.labels.as_deref(),
                entry.tokenizer.as_deref(),
            );
            let added: Result<(), String> = setup.add_model(INFER_SETUP, arguments)?;
            if let Err(reason) = added {
                return Ok(Err((name.clone(), reason)));
            }
        }
        setup.seal(INFER_SETUP)
    })
}

/// The name of a rejected model, and the component's reason.
type Refusal = (String, String);

/// Instrument and instantiate a component, set it up, and return its snapshot.
fn run(
    wasm: &[u8],
    component: &'static str,
    seed: Seed,
    set_up: impl FnOnce(&mut Setup) -> wasmtime::Result<Result<u64, Refusal>>,
) -> Result<Snapshot, SnapshotError> {
    let failed = |source| SnapshotError::Component { component, source };
    let mut wizer = Wizer::new();
    // Otherwise wizer would remove the export from the core module but not the component's alias of it.
    wizer.keep_init_func(true);
    let (context, instrumented) = wizer.instrument_component(wasm).map_err(failed)?;
    let mut setup = Setup::new(&instrumented, seed).map_err(failed)?;
    let in_use = set_up(&mut setup)
        .map_err(failed)?
        .map_err(|(model, reason)| SnapshotError::Model { model, reason })?;
    let bytes =
        pollster::block_on(wizer.snapshot_component(&context, &mut setup)).map_err(failed)?;
    Ok(Snapshot { bytes, in_use })
}

/// An instance that is being set up.
struct Setup {
    store: Store<Wasi>,
    instance: Instance,
    stderr: MemoryOutputPipe,
}

impl Setup {
    fn new(instrumented: &[u8], seed: Seed) -> wasmtime::Result<Self> {
        let mut config = Config::new();
        // Each component is compiled for a single run, and the default compiler is still fast enough: Cranelift compiles
        // Wasm's SIMD in about the time that the models then take to load.
        config.wasm_component_model(true);
        let engine = Engine::new(&config)?;
        let component = Component::new(&engine, instrumented)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_sync(&mut linker)?;
        refuse_wasi_nn(&mut linker, &component)?;
        let stderr = MemoryOutputPipe::new(STDERR_BYTES);
        let mut store = Store::new(&engine, Wasi::new(stderr.clone(), seed));
        // Hostcall fuel limits how much a hostile guest can make the host copy. Here the input is the user's own
        // models, and the output is the whole memory, so there is no limit.
        store.set_hostcall_fuel(usize::MAX);
        let instance = linker.instantiate(&mut store, &component)?;
        Ok(Self {
            store,
            instance,
            stderr,
        })
    }

    fn call<Params, Return>(
        &mut self,
        interface: &str,
        function: &str,
        params: Params,
    ) -> wasmtime::Result<Return>
    where
        Params: ComponentNamedList + Lower,
        Return: ComponentNamedList + Lift + 'static,
    {
        let missing = || wasmtime::format_err!("it does not export `{interface}.{function}`");
        let interface_index = self
            .instance
            .get_export_index(&mut self.store, None, interface)
            .ok_or_else(missing)?;
        let index = self
            .instance
            .get_export_index(&mut self.store, Some(&interface_index), function)
            .ok_or_else(missing)?;
        self.instance
            .get_typed_func::<Params, Return>(&mut self.store, index)?
            .call(&mut self.store, params)
    }

    /// End the setup and return the bytes in use.
    fn seal(&mut self, interface: &str) -> wasmtime::Result<Result<u64, Refusal>> {
        let (in_use,) = self.call(interface, "seal", ())?;
        Ok(Ok(in_use))
    }

    /// Let the component load a model. A malformed file can make a library in the component panic, so a trap counts as
    /// a rejected model, with the panic's message as the reason.
    fn add_model<Params, Found>(
        &mut self,
        interface: &str,
        params: Params,
    ) -> wasmtime::Result<Result<Found, String>>
    where
        Params: ComponentNamedList + Lower,
        Found: ComponentType + Lift + 'static,
    {
        match self.call::<_, (Result<Found, String>,)>(interface, "add-model", params) {
            Ok((result,)) => Ok(result),
            Err(error) => match error.downcast_ref::<Trap>() {
                Some(trap) => {
                    let stderr = self.stderr.contents();
                    Ok(Err(trap_reason(&String::from_utf8_lossy(&stderr), trap)))
                }
                None => Err(error),
            },
        }
    }

    /// Call an accessor that the instrumentation added.
    fn access<Return: Lift + 'static>(&mut self, interface: &str, function: &str) -> Return {
        let (value,) = self
            .call::<(), (Return,)>(interface, function, ())
            .expect("wizer's accessors do not trap");
        value
    }
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

/// Describe a trap in one sentence, from the component's standard error: the panic's message without its source
/// location, or the size of the failed allocation.
fn trap_reason(stderr: &str, trap: &Trap) -> String {
    let message: Vec<&str> = stderr
        .lines()
        .map(str::trim)
        .filter(|line| {
            let is_location = line.starts_with("thread ") && line.contains(" panicked at ");
            !line.is_empty() && !is_location && !line.starts_with("note: ")
        })
        .collect();
    let reason = if message.is_empty() {
        trap.to_string()
    } else {
        message.join("; ")
    };
    format!(
        "the component trapped while loading it, probably because the file is damaged: {reason}"
    )
}

/// Define the wasi:nn imports of `infer` so that it can be instantiated. There are no graphs during the setup, so each
/// function returns an error.
fn refuse_wasi_nn(linker: &mut Linker<Wasi>, component: &Component) -> wasmtime::Result<()> {
    let engine = component.engine();
    for (interface, item) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            continue;
        };
        if !interface.starts_with("wasi:nn/") {
            continue;
        }
        let mut linked = linker.instance(interface)?;
        for (name, item) in instance.exports(engine) {
            match item.ty {
                ComponentItem::ComponentFunc(_) => {
                    let call = format!("{interface}#{name}");
                    linked.func_new(name, move |_, _, _, _| {
                        Err(wasmtime::format_err!("the setup called `{call}`"))
                    })?;
                }
                ComponentItem::Resource(_) => {
                    linked.resource(name, ResourceType::host::<NoResource>(), |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Type of wasi:nn's resources during a setup, which creates none.
struct NoResource;

/// WASI with a captured standard error and nothing else: no environment, no files, no arguments, no outbound HTTP.
struct Wasi {
    context: WasiCtx,
    http: WasiHttpCtx,
    hooks: NoOutboundHttp,
    table: ResourceTable,
}

impl Wasi {
    fn new(stderr: MemoryOutputPipe, seed: Seed) -> Self {
        let mut context = WasiCtx::builder();
        context
            .stderr(stderr)
            // tokenizers' hash maps take their seeds from here, the standard library's from the other.
            .secure_random(seed.stream())
            .insecure_random_seed(seed.0);
        Self {
            context: context.build(),
            http: WasiHttpCtx::new(),
            hooks: NoOutboundHttp,
            table: ResourceTable::new(),
        }
    }
}

struct NoOutboundHttp;

type Sent = (
    http::Response<WasiBody>,
    Box<dyn Future<Output = Result<(), Error>> + Send>,
);

impl WasiHttpHooks for NoOutboundHttp {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _sent: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

impl WasiHttpView for Wasi {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.hooks,
        }
    }
}

impl WasiView for Wasi {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.context,
            table: &mut self.table,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_reason_is_one_sentence() {
        let cases = [
            ("", "wasm trap: wasm `unreachable` instruction executed"),
            (
                "\nthread '<unnamed>' (1) panicked at /registry/rten-0.27.0/src/model.rs:12:5:\n\
                 index out of bounds: the len is 1 but the index is 1\n\
                 note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
                "index out of bounds: the len is 1 but the index is 1",
            ),
            (
                "thread 'main' panicked at src/a.rs:1:1:\nassertion `left == right` failed\n  left: 1\n \
                 right: 2\n",
                "assertion `left == right` failed; left: 1; right: 2",
            ),
            (
                "memory allocation of 4294967288 bytes failed\n",
                "memory allocation of 4294967288 bytes failed",
            ),
        ];
        for (stderr, expected) in cases {
            assert_eq!(
                trap_reason(stderr, &Trap::UnreachableCodeReached),
                format!(
                    "the component trapped while loading it, probably because the file is damaged: {expected}"
                ),
                "{stderr}"
            );
        }
    }
}
