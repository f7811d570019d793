//! Threads that serve connections of their own.
//!
//! Where a library computes, a guest has little to do, and what an answer takes beside its inference is mostly the
//! way between threads: in a runtime that moves tasks from thread to thread, each piece of a body wakes one more
//! of them, and it takes a core from the library's own. So a connection stays with one thread there. Where guests
//! compute themselves, they take long, and move to whichever thread is free.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::limits::STOP_TIMEOUT;

/// As many threads as inferences are computed at a time.
pub(crate) struct Workers {
    workers: Vec<Worker>,
    counts: Arc<[Counts]>,
}

struct Worker {
    runtime: Handle,
    /// Dropped, it ends the thread.
    stop: Option<oneshot::Sender<()>>,
    joined: Option<thread::JoinHandle<()>>,
}

/// What a thread has to do.
#[derive(Debug)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
}

/// The thread that a request is served by. By default none that is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Thread(Option<(Arc<[Counts]>, usize)>);

impl Thread {
    fn counts(&self) -> Option<&Counts> {
        let (counts, number) = self.0.as_ref()?;
        counts.get(*number)
    }

    /// One request more, until this is dropped.
    pub(crate) fn serve(&self) -> Counted {
        Counted::new(self, |counts| &counts.requests)
    }

    /// Whether to compute for some milliseconds on the thread itself. Not on a thread that is none of these; nor
    /// where there is something else to do, and another thread idle that could compute meanwhile.
    pub(crate) fn may_compute(&self) -> bool {
        self.counts().is_some_and(|counts| {
            counts.requests.load(Ordering::Relaxed) <= 1 || !self.is_one_idle()
        })
    }

    fn is_one_idle(&self) -> bool {
        let mut counts = self.0.iter().flat_map(|(counts, _)| counts.iter());
        counts.any(|counts| counts.requests.load(Ordering::Relaxed) == 0)
    }
}

/// One connection or request of a thread's, until this is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    thread: Thread,
    of: fn(&Counts) -> &AtomicUsize,
}

impl Counted {
    fn new(thread: &Thread, of: fn(&Counts) -> &AtomicUsize) -> Self {
        if let Some(counts) = thread.counts() {
            of(counts).fetch_add(1, Ordering::Relaxed);
        }
        Self {
            thread: thread.clone(),
            of,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(counts) = self.thread.counts() {
            (self.of)(counts).fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Workers {
    /// # Errors
    /// The system's.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let threads = 0..count.max(1);
        let counts = threads.clone().map(|_| Counts {
            connections: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
        });
        Ok(Self {
            counts: counts.collect(),
            workers: threads
                .map(|_| Worker::start())
                .collect::<io::Result<_>>()?,
        })
    }

    /// Serve a connection on the thread that has the fewest.
    ///
    /// # Errors
    /// The system's, where the connection could not be handed over.
    pub(crate) fn spawn<F>(
        &self,
        tasks: &mut JoinSet<()>,
        stream: TcpStream,
        serve: impl FnOnce(TcpStream, Thread) -> F + Send + 'static,
    ) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stream = stream.into_std()?;
        let of_fewest = (self.workers.iter().enumerate())
            .min_by_key(|(number, _)| self.counts[*number].connections.load(Ordering::Relaxed));
        let Some((number, worker)) = of_fewest else {
            return Err(io::Error::other("no thread serves connections"));
        };
        let thread = Thread(Some((Arc::clone(&self.counts), number)));
        let open = Counted::new(&thread, |counts| &counts.connections);
        let served = async move {
            let _open = open;
            // Its readiness is told by this thread's runtime from now on.
            match TcpStream::from_std(stream) {
                Ok(stream) => serve(stream, thread).await,
                Err(error) => tracing::warn!("a connection was lost: {error}"),
            }
        };
        tasks.spawn_on(served, &worker.runtime);
        Ok(())
    }
}

impl Worker {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let joined = thread::Builder::new()
            .name("connections".to_owned())
            .spawn(move || run(runtime, stopped))?;
        Ok(Self {
            runtime: handle,
            stop: Some(stop),
            joined: Some(joined),
        })
    }
}

fn run(runtime: Runtime, stopped: oneshot::Receiver<()>) {
    // Nothing is ever sent.
    _ = runtime.block_on(stopped);
    // An inference that does not look up when it is asked to end must not keep the process.
    runtime.shutdown_timeout(STOP_TIMEOUT);
}

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            worker.stop = None;
        }
        // A process must not end while a library computes, if that can be helped.
        for joined in (self.workers.iter_mut()).filter_map(|worker| worker.joined.take()) {
            // One that panicked has said so.
            _ = joined.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;

    fn threads(requests: &[usize]) -> Vec<Thread> {
        let counts: Arc<[Counts]> = (requests.iter())
            .map(|requests| Counts {
                connections: AtomicUsize::new(0),
                requests: AtomicUsize::new(*requests),
            })
            .collect();
        (0..requests.len())
            .map(|number| Thread(Some((Arc::clone(&counts), number))))
            .collect()
    }

    #[test]
    fn a_thread_computes_unless_another_had_better() {
        // Requests of each thread, and whether the first may compute.
        let cases: [(&[usize], bool); 6] = [
            (&[1], true),
            (&[5], true),
            (&[1, 0], true),
            (&[2, 0], false),
            (&[2, 1], true),
            (&[3, 2, 0], false),
        ];
        for (requests, expected) in cases {
            assert_eq!(threads(requests)[0].may_compute(), expected, "{requests:?}");
        }
        assert!(!Thread::default().may_compute(), "none of ours");
    }

    #[test]
    fn requests_are_counted_while_they_are_served() {
        let threads = threads(&[0, 0]);
        let served = [threads[0].serve(), threads[0].serve()];
        assert!(!threads[0].may_compute());
        drop(served);
        assert!(threads[0].may_compute());
    }

    #[tokio::test]
    async fn connections_go_to_the_thread_that_has_the_fewest() {
        let workers = Workers::start(2).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(TcpStream::connect(address).await.unwrap());
            let (stream, _) = listener.accept().await.unwrap();
            let sender = sender.clone();
            let serve = move |stream: TcpStream, _| async move {
                sender.send(thread::current().id()).unwrap();
                // Until its client goes away.
                stream.readable().await.unwrap();
            };
            workers.spawn(&mut tasks, stream, serve).unwrap();
        }
        let mut on = Vec::new();
        for _ in 0..4 {
            on.push(receiver.recv().await.unwrap());
        }
        on.sort_by_key(|id| format!("{id:?}"));
        assert!(on[0] == on[1] && on[1] != on[2] && on[2] == on[3], "{on:?}");
        assert_ne!(on[0], thread::current().id());
        drop(clients);
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        let left = workers.counts.iter().map(|counts| &counts.connections);
        let left: Vec<usize> = left.map(|left| left.load(Ordering::Relaxed)).collect();
        assert_eq!(left, [0, 0]);
    }
}
