//! The graphs by name, and their inferences.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use infer_tensor::{Datatype, Error, ErrorKind, Signature};
use tokio::sync::Semaphore;

use super::backend::{Backend, GraphSource, Share, Shared, Tensor};
use super::batching::Batcher;
use super::computer::{Computer, Load, is_small};
use crate::worker::Thread;

/// The graphs that guests may load by name, all of them loaded.
pub struct Graphs {
    backend: Arc<dyn Backend>,
    graphs: BTreeMap<String, Arc<NamedGraph>>,
    concurrency: usize,
    load: Arc<Load>,
    /// The threads that load graphs once more, for concurrent inferences.
    loading: Vec<JoinHandle<()>>,
}

impl Drop for Graphs {
    /// Wait for those threads: a process must not end while a library loads a graph.
    fn drop(&mut self) {
        for thread in self.loading.drain(..) {
            // A panic has been printed.
            _ = thread.join();
        }
    }
}

/// A graph that cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[error("model `{name}`, `{}`: {source}", path.display())]
pub struct LoadGraphError {
    /// The graph's name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// The library's error.
    pub source: Error,
}

impl Graphs {
    /// Load all graphs. `concurrency` is the number of inferences that may run at the same time on threads of their
    /// own; further ones wait. As many threads serve connections, and run short inferences inline.
    ///
    /// # Errors
    /// At the first graph, by name, that cannot be loaded.
    pub fn load(
        backend: Box<dyn Backend>,
        sources: &[GraphSource],
        concurrency: usize,
    ) -> Result<Self, LoadGraphError> {
        let backend: Arc<dyn Backend> = Arc::from(backend);
        let turns = Arc::new(Semaphore::new(concurrency));
        let load = Arc::new(Load::default());
        let load_one = |source: &GraphSource| {
            let begun = Instant::now();
            let graph = backend
                .load(source, Share::Whole)
                .map_err(|error| LoadGraphError {
                    name: source.name.clone(),
                    path: (source.openvino_ir.as_ref().or(source.onnx.as_ref()))
                        .cloned()
                        .unwrap_or_default(),
                    source: error,
                })?;
            let computer = Computer::new(graph, Arc::clone(&turns), Arc::clone(&load));
            Ok((computer, begun.elapsed()))
        };
        // In parallel, since loading a graph mostly uses one thread.
        let loaded: Vec<Result<(Computer, Duration), LoadGraphError>> = thread::scope(|scope| {
            let threads: Vec<_> = sources
                .iter()
                .map(|source| scope.spawn(|| load_one(source)))
                .collect();
            threads
                .into_iter()
                .zip(sources)
                .map(|(thread, source)| {
                    thread.join().unwrap_or_else(|_| {
                        Err(LoadGraphError {
                            name: source.name.clone(),
                            path: source.onnx.clone().unwrap_or_default(),
                            source: Error::runtime("loading it panicked"),
                        })
                    })
                })
                .collect()
        });
        let (mut graphs, mut loading) = (BTreeMap::new(), Vec::new());
        for (computer, source) in loaded.into_iter().zip(sources) {
            let (computer, load_time) = computer?;
            if concurrency > 1 && backend.has_shares() && is_small(source) {
                loading.push(computer.load_again(&backend, source));
            }
            let graph = NamedGraph {
                batcher: source
                    .batching
                    .map(|batching| Batcher::new(computer.clone(), batching)),
                computer,
                load_time,
            };
            graphs.insert(source.name.clone(), Arc::new(graph));
        }
        Ok(Self {
            backend,
            graphs,
            concurrency,
            load,
            loading,
        })
    }

    /// The library, its version and its device, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        self.backend.describe()
    }

    /// The number of inferences that may run at the same time on threads of their own.
    pub(crate) fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// The number of running inferences.
    #[must_use]
    pub fn computing(&self) -> usize {
        self.load.running()
    }

    /// The name and the signature of each graph.
    pub fn signatures(&self) -> impl Iterator<Item = (&str, &Signature)> {
        self.graphs
            .iter()
            .map(|(name, graph)| (name.as_str(), graph.computer.signature()))
    }

    /// The name and the load time of each graph.
    pub(crate) fn load_times(&self) -> impl Iterator<Item = (&str, Duration)> {
        self.graphs
            .iter()
            .map(|(name, graph)| (name.as_str(), graph.load_time))
    }

    /// The graph of that name.
    ///
    /// # Errors
    /// `NotFound`, which lists the names.
    pub fn get(&self, name: &str) -> Result<Arc<NamedGraph>, Error> {
        self.graphs.get(name).cloned().ok_or_else(|| {
            let names: Vec<&str> = self.graphs.keys().map(String::as_str).collect();
            Error::new(
                ErrorKind::NotFound,
                format!(
                    "there is no graph `{}`; there are: {}",
                    name.chars().take(80).collect::<String>(),
                    names.join(", ")
                ),
            )
        })
    }

    /// Copy a guest's tensor into memory that the library computes from.
    pub(crate) fn adopt(&self, datatype: Datatype, shape: &[u32], bytes: &[u8]) -> Shared {
        self.backend.adopt(datatype, shape, bytes)
    }
}

/// A graph with its name.
pub struct NamedGraph {
    computer: Computer,
    /// The duration of loading the graph.
    load_time: Duration,
    batcher: Option<Batcher>,
}

impl NamedGraph {
    /// Check the inputs, compute and name the outputs. Dropping the future cancels the inference.
    ///
    /// # Errors
    /// `InvalidArgument` naming the tensor that does not fit; the library's error if it fails.
    pub async fn compute(
        &self,
        inputs: Vec<(String, Tensor)>,
    ) -> Result<Vec<(String, Tensor)>, Error> {
        self.compute_on(&Thread::default(), inputs).await
    }

    /// Compute, for a guest that runs on `thread`.
    pub(crate) async fn compute_on(
        &self,
        thread: &Thread,
        inputs: Vec<(String, Tensor)>,
    ) -> Result<Vec<(String, Tensor)>, Error> {
        let signature = self.computer.signature();
        let inputs = signature.check(inputs)?;
        let outputs = match &self.batcher {
            Some(batcher) => batcher.compute(inputs, thread).await,
            None => self.computer.compute(inputs, thread).await,
        }?;
        Ok(signature
            .outputs
            .iter()
            .map(|info| info.name.clone())
            .zip(outputs)
            .collect())
    }
}
