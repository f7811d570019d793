//! Requests over loopback to the server in this process.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::bench::alone::series;
use crate::loopback::{Loopback, agent};

impl Loopback {
    /// Send the same request repeatedly on one connection, and return the measurements of each run.
    pub(super) fn requests(
        &self,
        request: &Request,
        warm_up: u32,
        runs: u32,
    ) -> Result<Vec<Measured>> {
        let url = format!("http://{}{}", self.address(), request.path);
        let agent = agent();
        series(warm_up, runs, || {
            let start = Instant::now();
            let mut post = agent.post(&url);
            for (name, value) in &request.headers {
                post = post.header(*name, value);
            }
            let mut response = post.send(&request.body)?;
            let body = response.body_mut().read_to_vec()?;
            let elapsed = start.elapsed();
            anyhow::ensure!(
                response.status() == 200,
                "the response to {} is {}: {}",
                request.path,
                response.status(),
                String::from_utf8_lossy(&body)
            );
            let timing = response
                .headers()
                .get("server-timing")
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            let of =
                |name| phase(timing, name).context("the response lacks a phase in Server-Timing");
            Ok(Measured {
                elapsed,
                decode: of("decode")?,
                compute: of("compute")?,
                encode: of("encode")?,
                response_bytes: body.len(),
            })
        })
    }
}

/// A request that is sent repeatedly.
pub(super) struct Request {
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

/// The measurements of one request.
pub(super) struct Measured {
    /// From the first byte of the request to the last byte of the response.
    pub(super) elapsed: Duration,
    pub(super) decode: Duration,
    pub(super) compute: Duration,
    pub(super) encode: Duration,
    pub(super) response_bytes: usize,
}

/// The duration of a phase in a `Server-Timing` header, which has milliseconds.
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
    fn phases_are_parsed() {
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
