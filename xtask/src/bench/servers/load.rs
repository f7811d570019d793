//! The load generator: a number of connections, each of which sends the next request when the response has arrived.
//!
//! No existing tool fits. `wrk` is not a crate, and checking responses in Lua makes it the bottleneck; `oha` and `rlt`
//! are terminal programs. The benchmark needs a closed loop, every latency, and a check of every response.
//!
//! The connections never pause. Only responses within a window count, so a server whose queue takes seconds to fill is
//! measured with a full queue.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use super::connection::{Connection, Request};

/// The polling interval of a waiting benchmark, which must not take CPU time from the server.
const PAUSE: Duration = Duration::from_millis(1);

/// The check of a response under load, beside status 200. The values were compared before: see `Form::logits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// The number of bytes.
    Bytes(usize),
    /// The number of commas in JSON, whose length may differ by a digit from one response to the next.
    Commas(usize),
}

impl Expected {
    fn check(self, status: u16, body: &[u8]) -> Result<()> {
        ensure!(
            status == 200,
            "the status of a response is {status}: {}",
            String::from_utf8_lossy(body).trim()
        );
        match self {
            Self::Bytes(bytes) => ensure!(
                body.len() == bytes,
                "expected a response of {bytes} bytes, found {}",
                body.len()
            ),
            Self::Commas(expected) => {
                let found = commas(body);
                ensure!(
                    found == expected,
                    "expected a response with {expected} commas, found {found}"
                );
            }
        }
        Ok(())
    }
}

/// The number of commas.
pub(super) fn commas(body: &[u8]) -> usize {
    body.iter().filter(|byte| **byte == b',').count()
}

/// When a response was complete, and how long after the first byte of its request.
#[derive(Clone, Copy, Debug)]
struct Completed {
    at: Instant,
    latency: Duration,
}

/// State that the connections and the benchmark share.
#[derive(Default)]
struct Shared {
    responses: AtomicUsize,
    /// The number of connections that have had their first response.
    warm: AtomicUsize,
    is_over: AtomicBool,
    failure: Mutex<Option<anyhow::Error>>,
}

/// Running connections.
pub(super) struct Load {
    shared: Arc<Shared>,
    connections: Vec<JoinHandle<Vec<Completed>>>,
}

impl Load {
    /// Start a number of connections, each on a thread of its own.
    pub(super) fn start(
        address: SocketAddr,
        request: &Arc<Request>,
        expected: Expected,
        connections: usize,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let connections = (0..connections)
            .map(|_| {
                let (shared, request) = (Arc::clone(&shared), Arc::clone(request));
                std::thread::spawn(move || {
                    let mut completed = Vec::new();
                    let ended =
                        send_until_over(address, &request, expected, &shared, &mut completed);
                    if let Err(error) = ended {
                        shared.fail(error);
                    }
                    completed
                })
            })
            .collect();
        Self {
            shared,
            connections,
        }
    }

    /// Wait until every connection has had a response and `time` has passed.
    pub(super) fn warm_up(&self, time: Duration) -> Result<()> {
        let start = Instant::now();
        self.wait(|| {
            start.elapsed() >= time
                && self.shared.warm.load(Ordering::Relaxed) == self.connections.len()
        })
    }

    /// Wait for `time`, and then until there have been `least` responses, but no longer than `longest`.
    pub(super) fn run(&self, time: Duration, longest: Duration, least: usize) -> Result<()> {
        let (start, before) = (
            Instant::now(),
            self.shared.responses.load(Ordering::Relaxed),
        );
        self.wait(|| {
            let responses = self.shared.responses.load(Ordering::Relaxed) - before;
            let elapsed = start.elapsed();
            elapsed >= time && (responses >= least || elapsed >= longest)
        })
    }

    fn wait(&self, is_over: impl Fn() -> bool) -> Result<()> {
        while !is_over() {
            // After a failure on one connection, the others would measure another load.
            if self.shared.is_over.load(Ordering::Relaxed) {
                return Err(self.shared.failure());
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Wait for the responses to the requests in flight, and return the latencies of the responses between `from` and
    /// `until`, in ascending order.
    pub(super) fn finish(mut self, from: Instant, until: Instant) -> Result<Vec<Duration>> {
        let failed_before = self.shared.is_over.swap(true, Ordering::Relaxed);
        let mut latencies = Vec::new();
        for connection in self.connections.drain(..) {
            let completed = connection
                .join()
                .map_err(|_| anyhow!("a connection's thread panicked"))?;
            let counted = completed
                .iter()
                .filter(|one| one.at > from && one.at <= until);
            latencies.extend(counted.map(|one| one.latency));
        }
        let failed = self.shared.lock().is_some();
        if failed_before || failed {
            return Err(self.shared.failure());
        }
        latencies.sort_unstable();
        Ok(latencies)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    /// Keep the first failure; later ones follow from it.
    fn fail(&self, error: anyhow::Error) {
        self.lock().get_or_insert(error);
        self.is_over.store(true, Ordering::Relaxed);
    }

    fn failure(&self) -> anyhow::Error {
        self.lock()
            .take()
            .unwrap_or_else(|| anyhow!("the load was stopped"))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<anyhow::Error>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn send_until_over(
    address: SocketAddr,
    request: &Request,
    expected: Expected,
    shared: &Shared,
    completed: &mut Vec<Completed>,
) -> Result<()> {
    let mut connection = Connection::open(address).context("cannot connect")?;
    while !shared.is_over.load(Ordering::Relaxed) {
        let start = Instant::now();
        let (status, body) = connection.exchange(request)?;
        let at = Instant::now();
        expected.check(status, body)?;
        completed.push(Completed {
            at,
            latency: at - start,
        });
        shared.responses.fetch_add(1, Ordering::Relaxed);
        if completed.len() == 1 {
            shared.warm.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
