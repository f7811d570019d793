//! The graphs, by their names, and their inferences.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use infer_nn::{Error, ErrorKind, Signature};
use tokio::sync::Semaphore;

use super::backend::{Backend, Cancellation, Data, Graph, GraphSource, Share, Tensor};
use super::batching::Batcher;

/// Every graph that guests may ask for, loaded.
pub struct Graphs {
    backend: Arc<dyn Backend>,
    graphs: BTreeMap<String, Arc<NamedGraph>>,
    load: Arc<Load>,
    /// Threads that load graphs once more.
    loading: Vec<JoinHandle<()>>,
}

impl Drop for Graphs {
    /// A process must not end while a library is in the middle of loading.
    fn drop(&mut self) {
        for thread in self.loading.drain(..) {
            // One that panicked has said so.
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
            let computer = Computer {
                whole: Arc::from(graph),
                one_thread: Arc::default(),
                turns: Arc::clone(&turns),
                load: Arc::clone(&load),
            };
            Ok((computer, begun.elapsed()))
        };
        // Side by side: loading is mostly one thread's work.
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
                            source: Error::new(ErrorKind::Runtime, "loading it panicked"),
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
            load,
            loading,
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
        self.load.running.load(Ordering::SeqCst)
    }

    /// What each graph declares.
    pub fn signatures(&self) -> impl Iterator<Item = (&str, &Signature)> {
        self.graphs
            .iter()
            .map(|(name, graph)| (name.as_str(), graph.computer.signature()))
    }

    /// How long loading each took.
    pub(crate) fn load_times(&self) -> impl Iterator<Item = (&str, Duration)> {
        self.graphs
            .iter()
            .map(|(name, graph)| (name.as_str(), graph.load_time))
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
    /// How long loading it took.
    load_time: Duration,
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
        let signature = self.computer.signature();
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
    /// For an inference that is alone.
    whole: Arc<dyn Graph>,
    /// For one that is not; once it is loaded, and where it is worth its memory.
    one_thread: Arc<OnceLock<Box<dyn Graph>>>,
    /// One permit an inference that may be computed at the same time.
    turns: Arc<Semaphore>,
    load: Arc<Load>,
}

/// How busy the machine is with inferences, of any graph.
struct Load {
    running: AtomicUsize,
    /// How many in a row were alone when they began.
    alone_in_a_row: AtomicUsize,
}

impl Default for Load {
    /// The first inference of all is alone.
    fn default() -> Self {
        Self {
            running: AtomicUsize::new(0),
            alone_in_a_row: AtomicUsize::new(Self::CALM),
        }
    }
}

impl Load {
    /// After so many in a row the next is taken to be alone as well. Two clients that wait for their answers
    /// fall into step: one of them then begins alone each time, though it never is.
    const CALM: usize = 8;

    /// One inference begins; what it gets of the machine.
    fn begin(&self) -> (Running<'_>, Share) {
        let others = self.running.fetch_add(1, Ordering::SeqCst);
        let share = if others > 0 {
            self.alone_in_a_row.store(0, Ordering::SeqCst);
            Share::OneThread
        } else if self.alone_in_a_row.fetch_add(1, Ordering::SeqCst) >= Self::CALM {
            Share::Whole
        } else {
            Share::OneThread
        };
        (Running(&self.running), share)
    }
}

/// Whether a graph is loaded twice, for either share of the machine: the weights of a larger one would cost
/// more memory than the few per cent are worth.
fn is_small(source: &GraphSource) -> bool {
    const LIMIT_BYTES: u64 = 256 * 1024 * 1024;
    let weights = source
        .openvino_ir
        .as_ref()
        .map(|xml| xml.with_extension("bin"));
    let file = weights.as_ref().or(source.onnx.as_ref());
    file.and_then(|file| std::fs::metadata(file).ok())
        .is_some_and(|metadata| metadata.len() <= LIMIT_BYTES)
}

impl Computer {
    /// What the graph declares.
    pub(super) fn signature(&self) -> &Signature {
        self.whole.signature()
    }

    /// Load the graph once more, for inferences that are not alone. Nobody waits for it.
    fn load_again(&self, backend: &Arc<dyn Backend>, source: &GraphSource) -> JoinHandle<()> {
        let (backend, source) = (Arc::clone(backend), source.clone());
        let one_thread = Arc::clone(&self.one_thread);
        thread::spawn(move || match backend.load(&source, Share::OneThread) {
            Ok(graph) => _ = one_thread.set(graph),
            Err(error) => tracing::warn!("graph `{}` is loaded only once: {error}", source.name),
        })
    }

    /// The graph for an inference with that share.
    fn graph(&self, share: Share) -> &dyn Graph {
        match (share, self.one_thread.get()) {
            (Share::OneThread, Some(graph)) => &**graph,
            _ => &*self.whole,
        }
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
            let computer = self.clone();
            let cancellation = Arc::clone(&cancellation.0);
            move || {
                let (running, share) = computer.load.begin();
                let outputs = computer.graph(share).compute(&inputs, &cancellation);
                drop(running);
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

/// One inference less when it is dropped.
struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

struct CancelOnDrop(Arc<Cancellation>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_stays_alone_gets_the_whole_machine() {
        let load = Load::default();
        let (first, share) = load.begin();
        assert_eq!(share, Share::Whole);
        let (second, share) = load.begin();
        assert_eq!(share, Share::OneThread);
        drop((first, second));
        // In step: alone for a moment, and not alone at all.
        for _ in 0..2 * Load::CALM {
            let (first, share) = load.begin();
            assert_eq!(share, Share::OneThread);
            let (second, share) = load.begin();
            assert_eq!(share, Share::OneThread);
            drop((first, second));
        }
        for _ in 0..Load::CALM {
            assert_eq!(load.begin().1, Share::OneThread);
        }
        assert_eq!(load.begin().1, Share::Whole);
    }
}
