//! The engine alone, in Wasmtime as the host configures it: what serving is measured against.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use infer_host::Limits;
use wasmtime::component::{InstancePre, Linker, ResourceAny, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::component::Input;
use bindings::exports::wasi::nn::tensor::TensorType;

mod bindings {
    wasmtime::component::bindgen!({ world: "engine", path: "../engine/wit" });
}

/// The snapshotted engine, compiled.
pub(super) struct Alone {
    engine: Engine,
    instance_pre: InstancePre<Wasi>,
}

#[derive(Default)]
struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Wasi {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.context,
            table: &mut self.table,
        }
    }
}

impl Alone {
    pub(super) fn load(component: &Path, cache_dir: &Path, limits: &Limits) -> Result<Self> {
        let engine = infer_host::compile::engine(limits).map_err(|error| anyhow!("{error:#}"))?;
        let component = infer_host::compile::load(&engine, component, cache_dir)?;
        let mut linker = Linker::new(&engine);
        let instance_pre = wasmtime_wasi::p2::add_to_linker_sync(&mut linker)
            .and_then(|()| linker.instantiate_pre(&component))
            .map_err(|error| anyhow!("{error:#}"))?;
        Ok(Self {
            engine,
            instance_pre,
        })
    }

    fn instance(&self) -> wasmtime::Result<(Store<Wasi>, bindings::Engine)> {
        let mut store = Store::new(&self.engine, Wasi::default());
        // Nothing advances this engine's epoch, and nothing here is to be interrupted.
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = self.instance_pre.instantiate(&mut store)?;
        let engine = bindings::Engine::new(&mut store, &instance)?;
        Ok((store, engine))
    }

    /// From nothing to a graph that can compute, a new instance each time.
    pub(super) fn time_to_ready(
        &self,
        model: &str,
        warm_up: u32,
        runs: u32,
    ) -> Result<Vec<Duration>> {
        let once = || -> wasmtime::Result<Duration> {
            let start = Instant::now();
            let (mut store, engine) = self.instance()?;
            context(&mut store, &engine, model)?;
            Ok(start.elapsed())
        };
        series(warm_up, runs, || {
            once().map_err(|error| anyhow!("{error:#}"))
        })
    }

    /// The most multiplications and additions a second of one thread.
    pub(super) fn peak(&self) -> Result<f64> {
        let once = || -> wasmtime::Result<f64> {
            let (mut store, engine) = self.instance()?;
            engine.infer_engine_setup().call_peak(&mut store)
        };
        once().map_err(|error| anyhow!("{error:#}"))
    }

    /// Of each step of a graph its operator and the least seconds; empty where the graph's runtime does not tell.
    pub(super) fn profile(&self, model: &str, runs: u32) -> Result<Vec<(String, f64)>> {
        let once = || -> wasmtime::Result<Vec<(String, f64)>> {
            let (mut store, engine) = self.instance()?;
            let setup = engine.infer_engine_setup();
            Ok(setup
                .call_profile(&mut store, model, runs)?
                .unwrap_or_default())
        };
        once().map_err(|error| anyhow!("{error:#}"))
    }

    /// The first output, of FP32.
    pub(super) fn output(&self, input: &Input) -> Result<Vec<f32>> {
        let once = || -> wasmtime::Result<Vec<f32>> {
            let (mut store, engine) = self.instance()?;
            let graph = context(&mut store, &engine, &input.graph)?;
            let tensors = engine.wasi_nn_tensor();
            let tensor = tensors.tensor().call_constructor(
                &mut store,
                &input.shape,
                TensorType::Fp32,
                &input.data,
            )?;
            let outputs = engine
                .wasi_nn_inference()
                .graph_execution_context()
                .call_compute(&mut store, graph, &[(input.name.to_owned(), tensor)])?
                .map_err(|_| wasmtime::format_err!("the engine refused to compute"))?;
            let (_, output) = outputs
                .first()
                .ok_or_else(|| wasmtime::format_err!("the graph has no output"))?;
            let data = engine
                .wasi_nn_tensor()
                .tensor()
                .call_data(&mut store, *output)?;
            let (values, _) = data.as_chunks::<4>();
            Ok(values
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect())
        };
        once().map_err(|error| anyhow!("{error:#}"))
    }

    /// One inference after another in one instance.
    pub(super) fn compute(&self, input: &Input, warm_up: u32, runs: u32) -> Result<Vec<Duration>> {
        let (mut store, engine) = self.instance().map_err(|error| anyhow!("{error:#}"))?;
        let graph = context(&mut store, &engine, &input.graph)
            .map_err(|error| anyhow!("{error:#}"))
            .context("making an execution context")?;
        let mut once = || -> wasmtime::Result<Duration> {
            let tensors = engine.wasi_nn_tensor();
            let start = Instant::now();
            let tensor = tensors.tensor().call_constructor(
                &mut store,
                &input.shape,
                TensorType::Fp32,
                &input.data,
            )?;
            let outputs = engine
                .wasi_nn_inference()
                .graph_execution_context()
                .call_compute(&mut store, graph, &[(input.name.to_owned(), tensor)])?
                .map_err(|_| wasmtime::format_err!("the engine refused to compute"))?;
            let elapsed = start.elapsed();
            for (_, output) in outputs {
                output.resource_drop(&mut store)?;
            }
            Ok(elapsed)
        };
        series(warm_up, runs, || {
            once().map_err(|error| anyhow!("{error:#}"))
        })
    }
}

fn context(
    store: &mut Store<Wasi>,
    engine: &bindings::Engine,
    model: &str,
) -> wasmtime::Result<ResourceAny> {
    let graphs = engine.wasi_nn_graph();
    let graph = graphs
        .call_load_by_name(&mut *store, model)?
        .map_err(|_| wasmtime::format_err!("the engine has no graph `{model}`"))?;
    graphs
        .graph()
        .call_init_execution_context(&mut *store, graph)?
        .map_err(|_| wasmtime::format_err!("the graph has no execution context"))
}

/// Times after a warm-up.
pub(super) fn series<T>(
    warm_up: u32,
    runs: u32,
    mut once: impl FnMut() -> Result<T>,
) -> Result<Vec<T>> {
    for _ in 0..warm_up {
        once()?;
    }
    (0..runs).map(|_| once()).collect()
}
