//! A guest's standard error, logged line by line under the request's id.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes per request: a component's error message takes a line, a panic two.
const MAX_BYTES: usize = 16 * 1024;

/// Longest line; a longer one is split.
const MAX_LINE_BYTES: usize = 4 * 1024;

/// Logs complete lines, and the incomplete last one when the instance ends.
#[derive(Clone)]
pub(crate) struct GuestLog(Arc<Mutex<Lines>>);

struct Lines {
    id: String,
    begun: Vec<u8>,
    left_bytes: usize,
}

impl GuestLog {
    /// The standard error of a request's guest.
    pub(crate) fn new(id: &str) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            id: id.to_owned(),
            begun: Vec::new(),
            left_bytes: MAX_BYTES,
        })))
    }

    fn take(&self, bytes: &[u8]) {
        // A panic while the lock was held leaves the lines consistent.
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.take(bytes);
    }
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        if self.left_bytes == 0 {
            return;
        }
        let taken = bytes.get(..self.left_bytes).unwrap_or(bytes);
        self.left_bytes -= taken.len();
        for part in taken.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(part);
            if part.ends_with(b"\n") || self.begun.len() > MAX_LINE_BYTES {
                self.end_line();
            }
        }
        if self.left_bytes == 0 {
            self.end_line();
            tracing::warn!(
                target: "infer::guest",
                request = self.id,
                "the component's log is truncated at {MAX_BYTES} bytes"
            );
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.begun);
        let line = line.trim_end();
        if !line.is_empty() {
            tracing::warn!(target: "infer::guest", request = self.id, "{line}");
        }
        self.begun.clear();
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.end_line();
    }
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for GuestLog {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_LINE_BYTES)
    }
}

// The library's trait has this form.
#[async_trait::async_trait]
impl Pollable for GuestLog {
    async fn ready(&mut self) {}
}

impl AsyncWrite for GuestLog {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_writes_without_end_takes_no_more_memory() {
        let log = GuestLog::new("a");
        for _ in 0..100 {
            log.take(&[b'x'; 1000]);
            let lines = log.0.lock().unwrap();
            assert!(lines.begun.len() <= MAX_LINE_BYTES, "{}", lines.begun.len());
        }
        assert_eq!(log.0.lock().unwrap().left_bytes, 0);
    }
}
