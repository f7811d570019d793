//! Schedules inferences: on which thread, when, and with which share of the processor.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use infer_tensor::{Error, Signature};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::backend::{Backend, Cancellation, Graph, GraphSource, Share, Tensor};
use crate::worker::Thread;

/// Runs the inferences of a graph.
#[derive(Clone)]
pub(super) struct Computer {
    /// The graph for an inference that runs alone, with all threads.
    whole: Arc<dyn Graph>,
    /// The graph for concurrent inferences, with one thread each; set once it is loaded, if it is worth its memory.
    one_thread: Arc<OnceLock<Box<dyn Graph>>>,
    /// One permit for each inference that may run at the same time.
    turns: Arc<Semaphore>,
    load: Arc<Load>,
    short: Arc<Short>,
}

/// How many inferences run on the machine, over all graphs.
pub(super) struct Load {
    running: AtomicUsize,
    /// How many inferences in a row began alone.
    alone_in_a_row: AtomicUsize,
}

impl Default for Load {
    /// The first inference of all runs alone.
    fn default() -> Self {
        Self {
            running: AtomicUsize::new(0),
            alone_in_a_row: AtomicUsize::new(Self::CALM),
        }
    }
}

impl Load {
    /// After so many inferences in a row that began alone, the next one is expected to run alone. Two clients that
    /// wait for their responses fall into step: each inference of one of them begins alone and does not stay so.
    const CALM: usize = 8;

    /// The number of running inferences.
    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    /// Begin an inference; returns its share of the processor.
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

/// Whether to load a graph twice, once for each share of the processor. A few percent of throughput are not worth the
/// memory of larger weights.
pub(super) fn is_small(source: &GraphSource) -> bool {
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
    /// For a graph that was loaded with all threads; all graphs share `turns` and `load`.
    pub(super) fn new(graph: Box<dyn Graph>, turns: Arc<Semaphore>, load: Arc<Load>) -> Self {
        Self {
            whole: Arc::from(graph),
            one_thread: Arc::default(),
            turns,
            load,
            short: Arc::default(),
        }
    }

    /// The graph's inputs and outputs.
    pub(super) fn signature(&self) -> &Signature {
        self.whole.signature()
    }

    /// Load the graph once more in the background, for concurrent inferences.
    pub(super) fn load_again(
        &self,
        backend: &Arc<dyn Backend>,
        source: &GraphSource,
    ) -> JoinHandle<()> {
        let (backend, source) = (Arc::clone(backend), source.clone());
        let one_thread = Arc::clone(&self.one_thread);
        thread::spawn(move || match backend.load(&source, Share::OneThread) {
            Ok(graph) => _ = one_thread.set(graph),
            Err(error) => tracing::warn!(
                "graph `{}` is loaded only for single inferences, since loading it for concurrent ones failed: {error}",
                source.name
            ),
        })
    }

    /// The graph for an inference on that share.
    fn graph(&self, share: Share) -> &dyn Graph {
        match (share, self.one_thread.get()) {
            (Share::OneThread, Some(graph)) => &**graph,
            _ => &*self.whole,
        }
    }

    /// Compute inputs that have been checked, for a guest that runs on `thread`. Dropping the future cancels the
    /// inference, which keeps its turn until it has ended.
    ///
    /// # Errors
    /// The library's.
    pub(super) async fn compute(
        &self,
        inputs: Vec<Tensor>,
        thread: &Thread,
    ) -> Result<Vec<Tensor>, Error> {
        let bytes = inputs.iter().map(|input| input.bytes().len()).sum();
        if self.short.is_short(bytes) && thread.may_compute() {
            let inference = || self.compute_here(&inputs, bytes, &Cancellation::default());
            return catch_unwind(AssertUnwindSafe(inference)).unwrap_or_else(|_| Err(panicked()));
        }
        let ended = |_| Error::runtime("the host is stopping");
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(ended)?;
        let cancellation = CancelOnDrop(Arc::default());
        let thread = spawn_blocking({
            let computer = self.clone();
            let cancellation = Arc::clone(&cancellation.0);
            move || {
                let outputs = computer.compute_here(&inputs, bytes, &cancellation);
                // Before the caller continues, so that the next inference may begin.
                drop(turn);
                outputs
            }
        });
        thread.await.unwrap_or_else(|_| Err(panicked()))
    }

    /// Compute inputs of so many bytes on this thread.
    fn compute_here(
        &self,
        inputs: &[Tensor],
        bytes: usize,
        cancellation: &Cancellation,
    ) -> Result<Vec<Tensor>, Error> {
        let (running, share) = self.load.begin();
        let begun = Instant::now();
        let outputs = self.graph(share).compute(inputs, cancellation);
        if outputs.is_ok() {
            self.short.took(bytes, begun.elapsed());
        }
        drop(running);
        outputs
    }
}

fn panicked() -> Error {
    tracing::error!("an inference panicked");
    Error::runtime("the backend failed")
}

/// The size of inputs up to which a graph's inferences are known to be short.
///
/// A short inference runs on the thread that serves its request. Moving it to another thread and back takes a tenth of
/// a millisecond and loses the core's caches, and waking other threads slows down the library's own. Cancelling it
/// would not end it much sooner.
#[derive(Debug, Default)]
struct Short {
    /// The bytes of all inputs together; 0 until an inference was short.
    up_to_bytes: AtomicUsize,
}

impl Short {
    /// The longest duration of a short inference.
    const LIMIT: Duration = Duration::from_millis(20);

    fn is_short(&self, bytes: usize) -> bool {
        (1..=self.up_to_bytes.load(Ordering::Relaxed)).contains(&bytes)
    }

    /// Record the duration of an inference on inputs of so many bytes.
    fn took(&self, bytes: usize, duration: Duration) {
        if duration <= Self::LIMIT {
            self.up_to_bytes.fetch_max(bytes, Ordering::Relaxed);
        } else {
            // The next one runs on another thread again, and shows whether this one was an exception.
            (self.up_to_bytes).fetch_min(bytes.saturating_sub(1), Ordering::Relaxed);
        }
    }
}

/// A running inference; the count goes down when it is dropped.
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
    fn only_an_inference_that_stays_alone_gets_all_threads() {
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

    #[test]
    fn inferences_are_short_up_to_the_largest_short_one() {
        const SHORT: Duration = Duration::from_millis(1);
        const LONG: Duration = Duration::from_millis(21);
        let short = Short::default();
        assert!(!short.is_short(0) && !short.is_short(8), "nothing is known");
        short.took(8, SHORT);
        let known = [4, 8, 9].map(|bytes| short.is_short(bytes));
        assert_eq!(known, [true, true, false], "up to eight");
        short.took(16, SHORT);
        short.took(12, LONG);
        let known = [8, 11, 12, 16].map(|bytes| short.is_short(bytes));
        assert_eq!(known, [true, true, false, false], "below twelve");
        short.took(0, LONG);
        assert!(!short.is_short(1), "nothing is short");
    }
}
