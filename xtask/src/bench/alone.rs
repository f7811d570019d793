//! The engine alone, in Wasmtime as the host configures it: the baseline that serving is measured against.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use infer_host::Limits;
use infer_model_card::TensorSpec;
use infer_tensor::Datatype;
use wasmtime::component::{InstancePre, Linker, ResourceAny, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use bindings::exports::infer::engine::setup::Input;
use bindings::exports::wasi::nn::tensor::TensorType;

pub(super) mod bindings {
    wasmtime::component::bindgen!({ world: "engine", path: "../crates/engine/wit" });
}

infer_tensor::wit_tensor_type!(TensorType);

/// The snapshotted engine, compiled.
pub(super) struct Alone {
    engine: Engine,
    instance_pre: InstancePre<Wasi>,
}

/// An input of a graph.
pub(super) struct Tensor<'a> {
    pub(super) name: &'a str,
    pub(super) datatype: Datatype,
    pub(super) shape: Vec<u32>,
    /// Little-endian.
    pub(super) data: Vec<u8>,
}

impl<'a> Tensor<'a> {
    /// The inputs of a model, from their concatenated data.
    pub(super) fn all_of(specs: &'a [TensorSpec], mut data: &[u8]) -> Result<Vec<Self>> {
        let inputs = specs
            .iter()
            .map(|spec| {
                let shape = spec.usual_shape();
                let elements: usize = shape.iter().map(|size| *size as usize).product();
                let bytes = spec.datatype.element_bytes().map(|size| elements * size);
                let (own, rest) = bytes
                    .and_then(|bytes| data.split_at_checked(bytes))
                    .with_context(|| format!("the input `{}` has no data", spec.name))?;
                data = rest;
                Ok(Self {
                    name: &spec.name,
                    datatype: spec.datatype,
                    shape,
                    data: own.to_vec(),
                })
            })
            .collect::<Result<_>>()?;
        ensure!(
            data.is_empty(),
            "{} bytes of data follow the last input",
            data.len()
        );
        Ok(inputs)
    }

    /// The input as the engine's setup takes it.
    pub(super) fn to_input(&self) -> Input {
        Input {
            name: self.name.to_owned(),
            datatype: self.datatype.name().to_owned(),
            shape: self.shape.clone(),
            data: self.data.clone(),
        }
    }
}

#[derive(Default)]
pub(super) struct Wasi {
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

    pub(super) fn instance(&self) -> wasmtime::Result<(Store<Wasi>, bindings::Engine)> {
        let mut store = Store::new(&self.engine, Wasi::default());
        // Nothing advances this engine's epoch, so no deadline interrupts the guest.
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = self.instance_pre.instantiate(&mut store)?;
        let engine = bindings::Engine::new(&mut store, &instance)?;
        Ok((store, engine))
    }

    /// Times from instantiation to a graph that is ready to compute, with a fresh instance for each run.
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

    /// The peak FLOP/s of one thread.
    pub(super) fn peak(&self) -> Result<f64> {
        let once = || -> wasmtime::Result<f64> {
            let (mut store, engine) = self.instance()?;
            engine.infer_engine_setup().call_peak(&mut store)
        };
        once().map_err(|error| anyhow!("{error:#}"))
    }

    /// The operator and the least seconds of each step of a graph.
    pub(super) fn profile(
        &self,
        model: &str,
        inputs: &[Tensor],
        runs: u32,
    ) -> Result<Vec<(String, f64)>> {
        let inputs: Vec<_> = inputs.iter().map(Tensor::to_input).collect();
        let once = || -> wasmtime::Result<Vec<(String, f64)>> {
            let (mut store, engine) = self.instance()?;
            let setup = engine.infer_engine_setup();
            setup
                .call_profile(&mut store, model, &inputs, runs)?
                .map_err(wasmtime::Error::msg)
        };
        once().map_err(|error| anyhow!("{error:#}"))
    }

    /// The values of the first output, which is FP32.
    pub(super) fn output(&self, model: &str, inputs: &[Tensor]) -> Result<Vec<f32>> {
        let inputs = typed(inputs)?;
        let once = || -> wasmtime::Result<Vec<f32>> {
            let (mut store, engine) = self.instance()?;
            let graph = context(&mut store, &engine, model)?;
            let outputs = compute(&mut store, &engine, graph, &inputs)?;
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

    /// Times of consecutive inferences in one instance.
    pub(super) fn compute(
        &self,
        model: &str,
        inputs: &[Tensor],
        warm_up: u32,
        runs: u32,
    ) -> Result<Vec<Duration>> {
        let inputs = typed(inputs)?;
        let (mut store, engine) = self.instance().map_err(|error| anyhow!("{error:#}"))?;
        let graph = context(&mut store, &engine, model)
            .map_err(|error| anyhow!("{error:#}"))
            .context("cannot create an execution context")?;
        series(warm_up, runs, || timed(&mut store, &engine, graph, &inputs))
    }
}

/// The time of one inference.
pub(super) fn timed(
    store: &mut Store<Wasi>,
    engine: &bindings::Engine,
    graph: ResourceAny,
    inputs: &[(TensorType, &Tensor)],
) -> Result<Duration> {
    let mut once = || -> wasmtime::Result<Duration> {
        let start = Instant::now();
        let outputs = compute(store, engine, graph, inputs)?;
        let elapsed = start.elapsed();
        for (_, output) in outputs {
            output.resource_drop(&mut *store)?;
        }
        Ok(elapsed)
    };
    once().map_err(|error| anyhow!("{error:#}"))
}

pub(super) fn context(
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

pub(super) fn typed<'a>(inputs: &'a [Tensor<'a>]) -> Result<Vec<(TensorType, &'a Tensor<'a>)>> {
    let typed =
        |input: &'a Tensor<'a>| -> Result<_> { Ok((TensorType::try_from(input.datatype)?, input)) };
    inputs.iter().map(typed).collect()
}

pub(super) fn compute(
    store: &mut Store<Wasi>,
    engine: &bindings::Engine,
    graph: ResourceAny,
    inputs: &[(TensorType, &Tensor)],
) -> wasmtime::Result<Vec<(String, ResourceAny)>> {
    let tensors = engine.wasi_nn_tensor();
    let inputs = inputs
        .iter()
        .map(|(tensor_type, input)| {
            let tensor = tensors.tensor().call_constructor(
                &mut *store,
                &input.shape,
                *tensor_type,
                &input.data,
            )?;
            Ok((input.name.to_owned(), tensor))
        })
        .collect::<wasmtime::Result<Vec<_>>>()?;
    engine
        .wasi_nn_inference()
        .graph_execution_context()
        .call_compute(store, graph, &inputs)?
        .map_err(|_| wasmtime::format_err!("the engine refused to compute"))
}

/// Results of `runs` calls after a warm-up.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_split_the_concatenated_data() {
        let spec = |name: &str, datatype, shape: &[i64]| TensorSpec {
            name: name.to_owned(),
            datatype,
            shape: shape.to_vec(),
            example_shape: None,
        };
        let specs = [
            spec("ids", Datatype::Int64, &[-1, 2]),
            spec("scale", Datatype::Fp32, &[]),
        ];
        let data: Vec<u8> = (0..20).collect();
        let inputs = Tensor::all_of(&specs, &data).unwrap();
        assert_eq!((inputs[0].name, &inputs[0].shape), ("ids", &vec![1, 2]));
        assert_eq!(inputs[0].data, data[..16]);
        assert_eq!((inputs[1].name, &inputs[1].shape), ("scale", &vec![]));
        assert_eq!(inputs[1].data, data[16..]);
        assert!(Tensor::all_of(&specs, &data[..19]).is_err());
        assert!(Tensor::all_of(&specs[..1], &data).is_err());
    }
}
