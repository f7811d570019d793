//! Worker threads: single-threaded runtimes that own their connections, for native backends.
//!
//! With a native backend the guest does little work, and the overhead of a request is mostly hand-over between
//! threads: in a work-stealing runtime every chunk of a body wakes another thread, which takes a core away from
//! the library's own threads. Each connection therefore stays on one worker. With the WebAssembly engine, guests
//! compute for long, so the host uses the work-stealing runtime instead.

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

/// One thread per concurrent inference.
pub(crate) struct Workers {
    workers: Vec<Worker>,
    counts: Arc<[Counts]>,
}

struct Worker {
    runtime: Handle,
    /// Dropping it ends the thread.
    stop: Option<oneshot::Sender<()>>,
    joined: Option<thread::JoinHandle<()>>,
}

/// The load of one thread.
#[derive(Debug)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
}

/// The worker thread that serves a request; the default is no worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Thread(Option<(Arc<[Counts]>, usize)>);

impl Thread {
    fn counts(&self) -> Option<&Counts> {
        let (counts, number) = self.0.as_ref()?;
        counts.get(*number)
    }

    /// Count a request until the guard is dropped.
    pub(crate) fn serve(&self) -> Counted {
        Counted::new(self, |counts| &counts.requests)
    }

    /// Whether to run a short inference inline on this thread. False outside of the workers, and false when this
    /// thread has other requests while another thread is idle.
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

/// Counts one connection or request of a thread until it is dropped.
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
    /// Start `count` threads, at least one.
    ///
    /// # Errors
    /// The operating system's.
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

    /// Serve a connection on the thread with the fewest connections.
    ///
    /// # Errors
    /// The operating system's, if the socket cannot be handed over.
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
        let least_loaded = (self.workers.iter().enumerate())
            .min_by_key(|(number, _)| self.counts[*number].connections.load(Ordering::Relaxed));
        let Some((number, worker)) = least_loaded else {
            return Err(io::Error::other("there is no worker thread"));
        };
        let thread = Thread(Some((Arc::clone(&self.counts), number)));
        let open = Counted::new(&thread, |counts| &counts.connections);
        let served = async move {
            let _open = open;
            // From here on this thread's runtime polls the socket.
            match TcpStream::from_std(stream) {
                Ok(stream) => serve(stream, thread).await,
                Err(error) => tracing::warn!("cannot register a connection: {error}"),
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
    // The sender is only ever dropped.
    _ = runtime.block_on(stopped);
    // An inference that does not react to cancellation must not keep the process alive.
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
        // The requests of each thread, and whether the first thread may compute inline.
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
        assert!(!Thread::default().may_compute(), "not a worker thread");
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
    async fn connections_go_to_the_least_loaded_thread() {
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
                // Serve until the client disconnects.
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
