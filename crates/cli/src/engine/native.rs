//! Trials in an installed native library, for graphs that the engine in WebAssembly lacks something for.

use std::io::Write;

use bytes::Bytes;
use infer_host::nn::backend::{Cancellation, Graph, GraphSource, Shared};
use infer_host::nn::{Backend, Library, Share};
use infer_import::graph::LoadedGraph;
use infer_tensor::{Error, ErrorKind, Tensor};

use crate::backend::choose::{self, Computing};
use crate::command;

/// A graph in a native library.
pub(super) struct NativeGraph {
    graph: Box<dyn Graph>,
    note: String,
    /// The library, which must outlive its graphs.
    _backend: Box<dyn Backend>,
}

impl NativeGraph {
    /// Load a graph into the first installed library that takes it.
    ///
    /// # Errors
    /// The engine's own, with what else may run the graph.
    pub fn load(onnx: &[u8], refusal: &Error) -> Result<Self, Error> {
        let mut reasons = Vec::new();
        for library in choose::installed() {
            match Self::load_into(library, onnx, refusal) {
                Ok(loaded) => return Ok(loaded),
                Err(reason) => reasons.push(format!("{}: {reason:#}", library.name())),
            }
        }
        let message = match reasons.is_empty() {
            true => format!(
                "{}; no native library is installed (`{} backend add onnx` installs ONNX Runtime)",
                refusal.message(),
                command()
            ),
            false => format!(
                "{}; the installed libraries do not run it either ({})",
                refusal.message(),
                reasons.join("; ")
            ),
        };
        Err(Error::new(refusal.kind(), message))
    }

    fn load_into(library: Library, onnx: &[u8], refusal: &Error) -> anyhow::Result<Self> {
        let computing = Computing {
            device: "",
            threads: None,
        };
        let backend = choose::load(library, computing)?;
        let mut file = tempfile::Builder::new().suffix(".onnx").tempfile()?;
        file.write_all(onnx)?;
        let source = GraphSource::of_file("trial", file.path().to_owned());
        let graph = backend.load(&source, Share::Whole)?;
        Ok(Self {
            graph,
            note: format!(
                "only a native library runs the model, so serve it with `--backend {}` ({}): {}",
                choose::argument(library),
                backend.describe(),
                refusal.message()
            ),
            _backend: backend,
        })
    }
}

impl LoadedGraph for NativeGraph {
    fn note(&self) -> Option<String> {
        Some(self.note.clone())
    }

    fn compute(&mut self, inputs: &[(String, Tensor)]) -> Result<Vec<(String, Tensor)>, Error> {
        let shared = inputs.iter().map(|(name, tensor)| {
            let tensor = infer_tensor::Tensor {
                datatype: tensor.datatype,
                shape: tensor.shape.clone(),
                data: Shared::new(Bytes::copy_from_slice(&tensor.data)),
            };
            (name.clone(), tensor)
        });
        let signature = self.graph.signature();
        let ordered = signature.check(shared.collect())?;
        let outputs = self.graph.compute(&ordered, &Cancellation::default())?;
        if outputs.len() != signature.outputs.len() {
            return Err(Error::new(
                ErrorKind::RuntimeError,
                format!(
                    "the library computed {} outputs, expected {}",
                    outputs.len(),
                    signature.outputs.len()
                ),
            ));
        }
        let named = signature.outputs.iter().zip(outputs).map(|(info, output)| {
            let tensor = Tensor {
                datatype: output.datatype,
                shape: output.shape.clone(),
                data: output.data.as_ref().to_vec(),
            };
            (info.name.clone(), tensor)
        });
        Ok(named.collect())
    }
}
