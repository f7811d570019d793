//! A graph in an instance of the engine, loaded as a build loads it.

use std::time::Duration;

use anyhow::{Result, anyhow};
use wasmtime::Store;
use wasmtime::component::ResourceAny;

use crate::bench::alone::{Alone, Tensor, Wasi, bindings, compute, context, series, timed, typed};
use bindings::exports::infer::engine::setup::Input;

/// The name of the graph in its instance.
const NAME: &str = "graph";

/// A graph that is ready to compute.
pub(super) struct Session {
    store: Store<Wasi>,
    engine: bindings::Engine,
    graph: ResourceAny,
}

/// An output: its name and its little-endian data.
pub(super) type Output = (String, Vec<u8>);

impl Session {
    /// Load an ONNX file's bytes.
    pub(super) fn load(alone: &Alone, onnx: &[u8]) -> Result<Self> {
        let (mut store, engine) = alone.instance().map_err(plain)?;
        store.set_hostcall_fuel(usize::MAX);
        engine
            .infer_engine_setup()
            .call_add_model(&mut store, NAME, onnx)
            .map_err(plain)?
            .map_err(|reason| anyhow!("{reason}"))?;
        // As a build does before the snapshot: until then, freed memory is cleared.
        engine
            .infer_engine_setup()
            .call_seal(&mut store)
            .map_err(plain)?;
        let graph = context(&mut store, &engine, NAME).map_err(plain)?;
        Ok(Self {
            store,
            engine,
            graph,
        })
    }

    /// The times of `runs` inferences after a warm-up.
    pub(super) fn times(
        &mut self,
        inputs: &[Tensor],
        warm_up: u32,
        runs: u32,
    ) -> Result<Vec<Duration>> {
        let inputs = typed(inputs)?;
        series(warm_up, runs, || {
            timed(&mut self.store, &self.engine, self.graph, &inputs)
        })
    }

    /// The outputs of one inference.
    pub(super) fn outputs(&mut self, inputs: &[Tensor]) -> Result<Vec<Output>> {
        let inputs = typed(inputs)?;
        let mut once = || -> wasmtime::Result<Vec<Output>> {
            let outputs = compute(&mut self.store, &self.engine, self.graph, &inputs)?;
            let tensors = self.engine.wasi_nn_tensor().tensor();
            outputs
                .into_iter()
                .map(|(name, output)| {
                    let data = tensors.call_data(&mut self.store, output)?;
                    output.resource_drop(&mut self.store)?;
                    Ok((name, data))
                })
                .collect()
        };
        once().map_err(plain)
    }

    /// The operator and the least seconds of each step.
    pub(super) fn profile(&mut self, inputs: &[Tensor], runs: u32) -> Result<Vec<(String, f64)>> {
        let inputs: Vec<Input> = inputs.iter().map(Tensor::to_input).collect();
        self.engine
            .infer_engine_setup()
            .call_profile(&mut self.store, NAME, &inputs, runs)
            .map_err(plain)?
            .map_err(|reason| anyhow!("{reason}"))
    }
}

/// Wasmtime's error with its causes, as anyhow's.
fn plain(error: wasmtime::Error) -> anyhow::Error {
    anyhow!("{error:#}")
}
