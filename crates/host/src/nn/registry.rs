//! The graphs, by their names, and their inferences.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use infer_nn::{Error, ErrorKind, Signature};
use tokio::sync::Semaphore;

use super::backend::{Backend, Cancellation, Data, Graph, GraphSource, Tensor};
use super::batching::Batcher;

/// Every graph that guests may ask for, loaded.
pub struct Graphs {
    backend: Box<dyn Backend>,
    graphs: BTreeMap<String, Arc<NamedGraph>>,
    /// One permit an inference that may be computed at the same time.
    turns: Arc<Semaphore>,
    concurrency: usize,
}

/// A graph that cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[error("model `{name}`, `{}`: {source}", path.display())]
pub struct LoadGraphError {
    /// The graph's name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// The library's word.
    pub source: Error,
}

impl Graphs {
    /// Load all of them. `concurrency` is how many inferences are computed at the same time; others wait.
    ///
    /// # Errors
    /// At the first, by name, that cannot be loaded.
    pub fn load(
        backend: Box<dyn Backend>,
        sources: &[GraphSource],
        concurrency: usize,
    ) -> Result<Self, LoadGraphError> {
        let turns = Arc::new(Semaphore::new(concurrency));
        let load = |source: &GraphSource| {
            let graph = backend.load(source).map_err(|error| LoadGraphError {
                name: source.name.clone(),
                path: (source.openvino_ir.as_ref().or(source.onnx.as_ref()))
                    .cloned()
                    .unwrap_or_default(),
                source: error,
            })?;
            Ok(Computer {
                graph: Arc::from(graph),
                turns: Arc::clone(&turns),
            })
        };
        // Side by side: loading is mostly one thread's work.
        let loaded: Vec<Result<Computer, LoadGraphError>> = thread::scope(|scope| {
            let threads: Vec<_> = sources
                .iter()
                .map(|source| scope.spawn(|| load(source)))
                .collect();
            threads
                .into_iter()
                .zip(sources)
                .map(|(thread, source)| {
                    thread.join().unwrap_or_else(|_| {
                        Err(LoadGraphError {
                            name: source.name.clone(),
                            path: source.onnx.clone().unwrap_or_default(),
                            source: Error::new(ErrorKind::Runtime, "loading it panicked"),
                        })
                    })
                })
                .collect()
        });
        let mut graphs = BTreeMap::new();
        for (computer, source) in loaded.into_iter().zip(sources) {
            let computer = computer?;
            let graph = NamedGraph {
                batcher: source
                    .batching
                    .map(|batching| Batcher::new(computer.clone(), batching)),
                computer,
            };
            graphs.insert(source.name.clone(), Arc::new(graph));
        }
        Ok(Self {
            backend,
            graphs,
            turns,
            concurrency,
        })
    }

    /// What computes, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        self.backend.describe()
    }

    /// How many inferences are being computed now.
    #[must_use]
    pub fn computing(&self) -> usize {
        self.concurrency
            .saturating_sub(self.turns.available_permits())
    }

    /// What each graph declares.
    pub fn signatures(&self) -> impl Iterator<Item = (&str, &Signature)> {
        self.graphs
            .iter()
            .map(|(name, graph)| (name.as_str(), graph.computer.graph.signature()))
    }

    /// The graph of that name.
    ///
    /// # Errors
    /// `NotFound`, with the names that there are.
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

    /// A guest's bytes in memory that the library computes from.
    pub(crate) fn adopt(
        &self,
        element_type: infer_nn::ElementType,
        shape: &[u32],
        bytes: &[u8],
    ) -> Arc<dyn Data> {
        self.backend.adopt(element_type, shape, bytes)
    }
}

/// A graph as guests have it.
pub struct NamedGraph {
    computer: Computer,
    batcher: Option<Batcher>,
}

impl NamedGraph {
    /// Check the inputs, compute, name the outputs. A caller that goes away ends the inference.
    ///
    /// # Errors
    /// `InvalidArgument` naming the tensor that does not fit; the library's words when it fails.
    pub async fn compute(
        &self,
        inputs: Vec<(String, Tensor)>,
    ) -> Result<Vec<(String, Tensor)>, Error> {
        let signature = self.computer.graph.signature();
        let inputs = signature.check(inputs, |tensor| {
            (tensor.element_type, &tensor.shape, tensor.bytes().len())
        })?;
        let outputs = match &self.batcher {
            Some(batcher) => batcher.compute(inputs).await,
            None => self.computer.compute(inputs).await,
        }?;
        Ok(signature
            .outputs
            .iter()
            .map(|info| info.name.clone())
            .zip(outputs)
            .collect())
    }
}

/// Computes, on a thread of its own and in turn.
#[derive(Clone)]
pub(super) struct Computer {
    graph: Arc<dyn Graph>,
    turns: Arc<Semaphore>,
}

impl Computer {
    /// What the graph declares.
    pub(super) fn signature(&self) -> &Signature {
        self.graph.signature()
    }

    /// Compute inputs that have been checked. When this is dropped, the inference is asked to end; its turn
    /// is over when it has.
    ///
    /// # Errors
    /// The library's.
    pub(super) async fn compute(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Error> {
        let ended = |_| Error::new(ErrorKind::Runtime, "the host is stopping");
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(ended)?;
        let cancellation = CancelOnDrop(Arc::default());
        let thread = tokio::task::spawn_blocking({
            let graph = Arc::clone(&self.graph);
            let cancellation = Arc::clone(&cancellation.0);
            move || {
                let outputs = graph.compute(&inputs, &cancellation);
                // Before whoever waits goes on: the next may begin.
                drop(turn);
                outputs
            }
        });
        thread.await.unwrap_or_else(|error| {
            tracing::error!("an inference panicked: {error}");
            Err(Error::new(ErrorKind::Runtime, "the backend failed"))
        })
    }
}

struct CancelOnDrop(Arc<Cancellation>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
