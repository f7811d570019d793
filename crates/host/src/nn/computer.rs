//! Where and when inferences are computed.

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

/// Computes, in turn.
#[derive(Clone)]
pub(super) struct Computer {
    /// For an inference that is alone.
    whole: Arc<dyn Graph>,
    /// For one that is not; once it is loaded, and where it is worth its memory.
    one_thread: Arc<OnceLock<Box<dyn Graph>>>,
    /// One permit an inference that may be computed at the same time.
    turns: Arc<Semaphore>,
    load: Arc<Load>,
    short: Arc<Short>,
}

/// How busy the machine is with inferences, of any graph.
pub(super) struct Load {
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

    /// How many inferences are being computed.
    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

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
    /// For a graph that is loaded for the whole machine; `turns` and `load` are those of all graphs.
    pub(super) fn new(graph: Box<dyn Graph>, turns: Arc<Semaphore>, load: Arc<Load>) -> Self {
        Self {
            whole: Arc::from(graph),
            one_thread: Arc::default(),
            turns,
            load,
            short: Arc::default(),
        }
    }

    /// What the graph declares.
    pub(super) fn signature(&self) -> &Signature {
        self.whole.signature()
    }

    /// Load the graph once more, for inferences that are not alone. Nobody waits for it.
    pub(super) fn load_again(
        &self,
        backend: &Arc<dyn Backend>,
        source: &GraphSource,
    ) -> JoinHandle<()> {
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

    /// Compute inputs that have been checked, for a guest that `thread` runs. When this is dropped, the inference is
    /// asked to end; its turn is over when it has.
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
                // Before whoever waits goes on: the next may begin.
                drop(turn);
                outputs
            }
        });
        thread.await.unwrap_or_else(|_| Err(panicked()))
    }

    /// Compute on this thread inputs of so many bytes.
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

/// How large a graph's inputs may be for its inferences to be short, as far as is known.
///
/// A short one is computed by the thread that serves who asks for it. The way to another thread and back takes a tenth
/// of a millisecond and loses what the core has in its caches, and a library's threads are slow when others are woken
/// beside them; a client that goes away in the meantime would not have ended it much sooner.
#[derive(Debug, Default)]
struct Short {
    /// Together; none until one was.
    up_to_bytes: AtomicUsize,
}

impl Short {
    /// What is short.
    const LIMIT: Duration = Duration::from_millis(20);

    fn is_short(&self, bytes: usize) -> bool {
        (1..=self.up_to_bytes.load(Ordering::Relaxed)).contains(&bytes)
    }

    /// An inference of so many bytes took so long.
    fn took(&self, bytes: usize, duration: Duration) {
        if duration <= Self::LIMIT {
            self.up_to_bytes.fetch_max(bytes, Ordering::Relaxed);
        } else {
            // The next one has a thread of its own again, and shows whether this one was an exception.
            (self.up_to_bytes).fetch_min(bytes.saturating_sub(1), Ordering::Relaxed);
        }
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

    #[test]
    fn short_is_what_was_short() {
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
