//! An instance of a component that a build or a trial calls: in Wasmtime, with no access to anything.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    Component, ComponentNamedList, ComponentType, Instance, Lift, Linker, Lower, ResourceTable,
    ResourceType,
};
use wasmtime::{Store, Trap};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{Deterministic, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use crate::machine::Machine;

/// Captured bytes of a component's standard error; the rest is dropped.
const STDERR_BYTES: usize = 4096;

/// An epoch that the clock does not reach in a billion years.
const NO_DEADLINE: u64 = u64::MAX / 2;

/// A component's refusal of a model: the model's name, and the reason.
pub(crate) type Refusal = (String, String);

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

    /// A seed that is known, for builds that are compared.
    #[must_use]
    pub fn known(seed: u64) -> Self {
        Self(seed.into())
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

/// An instance that is being set up.
pub(crate) struct Setup {
    pub(crate) store: Store<Wasi>,
    instance: Instance,
    stderr: MemoryOutputPipe,
}

impl Setup {
    /// Instantiate a component that [`Machine::component`] compiled.
    pub(crate) fn new(
        machine: &Machine,
        component: &Component,
        seed: Seed,
    ) -> wasmtime::Result<Self> {
        let engine = machine.engine();
        let mut linker = Linker::new(engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_sync(&mut linker)?;
        refuse_wasi_nn(&mut linker, component)?;
        let stderr = MemoryOutputPipe::new(STDERR_BYTES);
        let mut store = Store::new(engine, Wasi::new(stderr.clone(), seed));
        // Hostcall fuel limits how much a hostile guest can make the host copy. Here the input is the user's own
        // models, and the output is the whole memory, so there is no limit.
        store.set_hostcall_fuel(usize::MAX);
        store.set_epoch_deadline(NO_DEADLINE);
        let instance = linker.instantiate(&mut store, component)?;
        Ok(Self {
            store,
            instance,
            stderr,
        })
    }

    /// Let the following calls take so long in all. A call beyond that traps with [`Trap::Interrupt`].
    pub(crate) fn limit(&mut self, duration: Duration) {
        self.store.set_epoch_deadline(Machine::ticks(duration));
    }

    /// Call a function of an interface that the component exports.
    pub(crate) fn call<Params, Return>(
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

    /// The bytes of memory in use in the component, and the most since the last call.
    pub(crate) fn memory(&mut self, interface: &str) -> wasmtime::Result<(u64, u64)> {
        let (memory,) = self.call(interface, "memory", ())?;
        Ok(memory)
    }

    /// End the setup and return the bytes in use.
    pub(crate) fn seal(&mut self, interface: &str) -> wasmtime::Result<Result<u64, Refusal>> {
        let (in_use,) = self.call(interface, "seal", ())?;
        Ok(Ok(in_use))
    }

    /// Let the component load a model. A malformed file can make a library in the component panic, so a trap counts as
    /// a rejected model, with the panic's message as the reason.
    pub(crate) fn add_model<Params, Found>(
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
            Err(error) => self.trap(error, "loading it").map(Err),
        }
    }

    /// Describe the trap of a call in words; `doing` says what the call did. Other errors are Wasmtime's.
    pub(crate) fn trap(&self, error: wasmtime::Error, doing: &str) -> wasmtime::Result<String> {
        match error.downcast_ref::<Trap>() {
            Some(trap) => {
                let stderr = self.stderr.contents();
                Ok(trap_reason(&String::from_utf8_lossy(&stderr), trap, doing))
            }
            None => Err(error),
        }
    }

    /// Call an accessor that the instrumentation added.
    pub(crate) fn access<Return: Lift + 'static>(
        &mut self,
        interface: &str,
        function: &str,
    ) -> Return {
        let (value,) = self
            .call::<(), (Return,)>(interface, function, ())
            .expect("wizer's accessors do not trap");
        value
    }
}

/// Describe a trap in one sentence, from the component's standard error: the panic's message without its source
/// location, or the size of the failed allocation.
fn trap_reason(stderr: &str, trap: &Trap, doing: &str) -> String {
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
    format!("the component trapped while {doing}, probably because the file is damaged: {reason}")
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
pub(crate) struct Wasi {
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
                "\nthread '<unnamed>' (1) panicked at /registry/rten-onnx-0.27.0/src/onnx.rs:12:5:\n\
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
                trap_reason(stderr, &Trap::UnreachableCodeReached, "loading it"),
                format!(
                    "the component trapped while loading it, probably because the file is damaged: {expected}"
                ),
                "{stderr}"
            );
        }
    }
}
