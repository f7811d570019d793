//! Requests over loopback, to the server in this process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use infer_host::{App, Server};
use tokio::runtime::Runtime;

use super::engine::series;

/// A server that runs until this is dropped.
pub(super) struct Running {
    address: SocketAddr,
    /// Held for its threads.
    _runtime: Runtime,
}

impl Running {
    pub(super) fn start(app: Arc<App>) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = runtime.block_on(Server::bind(any, app))?;
        let address = server.local_addr()?;
        runtime.spawn(server.serve(std::future::pending()));
        Ok(Self {
            address,
            _runtime: runtime,
        })
    }

    /// One request after another on one connection: the time of each, and of its `compute` phase.
    pub(super) fn requests(
        &self,
        model: &str,
        data: &[u8],
        warm_up: u32,
        runs: u32,
    ) -> Result<(Vec<Duration>, Vec<Duration>)> {
        let url = format!("http://{}/infer/{model}", self.address);
        let agent = ureq::Agent::new_with_defaults();
        let pairs = series(warm_up, runs, || {
            let start = Instant::now();
            let mut response = agent
                .post(&url)
                .header("content-type", "application/octet-stream")
                .send(data)?;
            response.body_mut().read_to_vec()?;
            let elapsed = start.elapsed();
            let timing = response
                .headers()
                .get("server-timing")
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            let compute = phase(timing, "compute").context("the answer has no Server-Timing")?;
            Ok((elapsed, compute))
        })?;
        Ok(pairs.into_iter().unzip())
    }
}

/// A phase's duration in `Server-Timing` (W3C), which counts milliseconds.
fn phase(timing: &str, name: &str) -> Option<Duration> {
    let entry = timing
        .split(',')
        .map(str::trim)
        .find(|entry| entry.split(';').next() == Some(name))?;
    let ms: f64 = entry.split("dur=").nth(1)?.parse().ok()?;
    Duration::try_from_secs_f64(ms / 1e3).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_read() {
        let timing = "decode;dur=0.5, load;dur=0, compute;dur=12.25";
        assert_eq!(
            phase(timing, "compute"),
            Some(Duration::from_micros(12_250))
        );
        assert_eq!(phase(timing, "load"), Some(Duration::ZERO));
        assert_eq!(phase(timing, "comp"), None);
        assert_eq!(phase("compute;dur=-1", "compute"), None);
        assert_eq!(phase("", "compute"), None);
    }
}
