//! The engine in WebAssembly, for trials of graphs, and the native libraries behind it.

mod native;

use std::cell::OnceCell;

use infer_import::graph::{Engine, LoadedGraph, Memory};
use infer_pack::trial::{TrialEngine, TrialGraph};
use infer_pack::{BuildOptions, Profile};
use infer_tensor::{Error, ErrorKind, Tensor};

use crate::progress::Terminal;

/// The engine of a build. A trial that loads no graph does not compile it.
pub struct WasmEngine {
    options: BuildOptions,
    engine: OnceCell<TrialEngine>,
}

impl WasmEngine {
    /// The engine that these options build.
    #[must_use]
    pub fn new(options: BuildOptions) -> Self {
        Self {
            options: BuildOptions {
                profile: Profile::of_trial(),
                ..options
            },
            engine: OnceCell::new(),
        }
    }

    fn engine(&self) -> Result<&TrialEngine, Error> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let engine = TrialEngine::new(&self.options, &Terminal::new())
            .map_err(|error| Error::new(ErrorKind::Unknown, error.to_string()))?;
        Ok(self.engine.get_or_init(|| engine))
    }
}

impl Engine for WasmEngine {
    fn load<'a>(&'a self, onnx: Vec<u8>) -> Result<Box<dyn LoadedGraph + 'a>, Error> {
        Ok(Box::new(Loaded(self.engine()?.load(onnx)?)))
    }
}

/// The engine, and behind it the installed native libraries for a graph that the engine lacks something for.
pub struct AnyEngine(WasmEngine);

impl AnyEngine {
    /// The engine that these options build, and the installed libraries.
    #[must_use]
    pub fn new(options: BuildOptions) -> Self {
        Self(WasmEngine::new(options))
    }
}

impl Engine for AnyEngine {
    fn load<'a>(&'a self, onnx: Vec<u8>) -> Result<Box<dyn LoadedGraph + 'a>, Error> {
        match self.0.engine()?.load(onnx.clone()) {
            Ok(loaded) => Ok(Box::new(Loaded(loaded))),
            Err(error) if error.kind() == ErrorKind::UnsupportedOperation => {
                Ok(Box::new(native::NativeGraph::load(&onnx, &error)?))
            }
            Err(error) => Err(error),
        }
    }
}

struct Loaded<'a>(TrialGraph<'a>);

impl LoadedGraph for Loaded<'_> {
    fn memory(&self) -> Option<Memory> {
        let memory = self.0.memory();
        Some(Memory {
            loaded_bytes: memory.loaded,
            inference_bytes: (memory.inference > 0).then_some(memory.inference),
        })
    }

    fn compute(&mut self, inputs: &[(String, Tensor)]) -> Result<Vec<(String, Tensor)>, Error> {
        self.0.compute(inputs)
    }
}
