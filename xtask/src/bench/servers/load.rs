//! The load: so many connections, on each of them one request after another, as fast as answers come.
//!
//! Written here, since none of what there is fits: `wrk` is no crate and looks at answers in Lua only, which
//! makes it the bottleneck; `oha` and `rlt` come with a terminal's user interface. What is needed is a
//! closed loop, every latency, and a look at every answer.
//!
//! The connections never pause: what is counted are the answers that come within a window, so that a
//! server whose queue takes seconds to fill is measured with it full.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use super::connection::{Connection, Request};

/// How often a waiting benchmark looks up; it must not take the processor from what it measures.
const PAUSE: Duration = Duration::from_millis(1);

/// What every answer has to be, beside 200. Their values were looked at before: see `Form::logits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// So many bytes.
    Bytes(usize),
    /// JSON with so many commas: its length may differ by a digit from one answer to the next.
    Commas(usize),
}

impl Expected {
    fn check(self, status: u16, body: &[u8]) -> Result<()> {
        ensure!(
            status == 200,
            "a request is answered {status}: {}",
            String::from_utf8_lossy(body).trim()
        );
        match self {
            Self::Bytes(bytes) => ensure!(
                body.len() == bytes,
                "{bytes} bytes are expected in an answer, {} came",
                body.len()
            ),
            Self::Commas(expected) => {
                let came = commas(body);
                ensure!(
                    came == expected,
                    "{expected} commas are expected in an answer, {came} came"
                );
            }
        }
        Ok(())
    }
}

/// How many there are.
pub(super) fn commas(body: &[u8]) -> usize {
    body.iter().filter(|byte| **byte == b',').count()
}

/// An answer: when it was whole, and how long after its request's first byte.
#[derive(Clone, Copy, Debug)]
struct Answered {
    at: Instant,
    latency: Duration,
}

/// What the connections and the one who started them share.
#[derive(Default)]
struct Shared {
    answers: AtomicUsize,
    /// Connections that had their first answer.
    warm: AtomicUsize,
    is_over: AtomicBool,
    failure: Mutex<Option<anyhow::Error>>,
}

/// Connections at work.
pub(super) struct Load {
    shared: Arc<Shared>,
    connections: Vec<JoinHandle<Vec<Answered>>>,
}

impl Load {
    /// Start with so many connections, a thread each.
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
                    let mut answered = Vec::new();
                    let ended = keep_asking(address, &request, expected, &shared, &mut answered);
                    if let Err(error) = ended {
                        shared.fail(error);
                    }
                    answered
                })
            })
            .collect();
        Self {
            shared,
            connections,
        }
    }

    /// Wait until every connection has had an answer, and that time has passed.
    pub(super) fn warm_up(&self, time: Duration) -> Result<()> {
        let start = Instant::now();
        self.wait(|| {
            start.elapsed() >= time
                && self.shared.warm.load(Ordering::Relaxed) == self.connections.len()
        })
    }

    /// Wait for that time; longer, but at most `longest`, until there were `least` answers.
    pub(super) fn run(&self, time: Duration, longest: Duration, least: usize) -> Result<()> {
        let (start, before) = (Instant::now(), self.shared.answers.load(Ordering::Relaxed));
        self.wait(|| {
            let answers = self.shared.answers.load(Ordering::Relaxed) - before;
            let elapsed = start.elapsed();
            elapsed >= time && (answers >= least || elapsed >= longest)
        })
    }

    fn wait(&self, is_over: impl Fn() -> bool) -> Result<()> {
        while !is_over() {
            // Every request counts: with one failed, the others measure another load.
            if self.shared.is_over.load(Ordering::Relaxed) {
                return Err(self.shared.failure());
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Let the requests under way be answered, and give the latencies of the answers that came between,
    /// in ascending order.
    pub(super) fn finish(mut self, from: Instant, until: Instant) -> Result<Vec<Duration>> {
        let failed_before = self.shared.is_over.swap(true, Ordering::Relaxed);
        let mut latencies = Vec::new();
        for connection in self.connections.drain(..) {
            let answered = connection
                .join()
                .map_err(|_| anyhow!("a connection's thread panicked"))?;
            let counted = answered
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
    /// The first failure is the one to tell; others follow from it.
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

fn keep_asking(
    address: SocketAddr,
    request: &Request,
    expected: Expected,
    shared: &Shared,
    answered: &mut Vec<Answered>,
) -> Result<()> {
    let mut connection = Connection::open(address).context("cannot connect")?;
    while !shared.is_over.load(Ordering::Relaxed) {
        let start = Instant::now();
        let (status, body) = connection.exchange(request)?;
        let at = Instant::now();
        expected.check(status, body)?;
        answered.push(Answered {
            at,
            latency: at - start,
        });
        shared.answers.fetch_add(1, Ordering::Relaxed);
        if answered.len() == 1 {
            shared.warm.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
