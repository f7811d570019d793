//! Request and response bodies: draining, timeouts, truncation.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use wasmtime_wasi::runtime::AbortOnDropJoinHandle;
use wasmtime_wasi_http::Error;

use crate::http::expect::Wanted;
use crate::http::pace::{Pace, TooSlow};
use crate::response;

/// Bytes that are drained from a request with an early response: more than clients send before they read.
const DRAIN_BYTES: usize = 64 * 1024 * 1024;

/// Time limit for draining a request body.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A request body on its way to the guest.
///
/// A guest that responds early (with 413, say) drops the body unread. If the host closed the connection while the
/// client still sends, the operating system would reset it and the client might never see the response. The host
/// therefore reads and discards the rest in the background.
pub(crate) struct RequestBody {
    incoming: Option<Incoming>,
    runtime: Handle,
    /// Set while the client waits for `100 Continue`, so there is nothing to drain.
    wanted: Option<Wanted>,
    watch: Option<Watch>,
}

/// The timeout and byte count of a body that a guest reads.
struct Watch {
    pace: Pace,
    read_bytes: Arc<AtomicU64>,
    stalled: Stalled,
    is_stalled: bool,
}

/// Notified when a client sends its body too slowly.
pub(crate) type Stalled = Arc<Notify>;

impl RequestBody {
    /// A body without timeout or byte count.
    pub(crate) fn new(incoming: Incoming, wanted: Option<Wanted>) -> Self {
        Self {
            incoming: Some(incoming),
            runtime: Handle::current(),
            wanted,
            watch: None,
        }
    }

    /// Count the bytes that are read, and notify `stalled` when they arrive more slowly than `pace` allows.
    pub(crate) fn watched(
        mut self,
        pace: Pace,
        read_bytes: Arc<AtomicU64>,
        stalled: Stalled,
    ) -> Self {
        self.watch = Some(Watch {
            pace,
            read_bytes,
            stalled,
            is_stalled: false,
        });
        self
    }

    fn is_stalled(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.is_stalled)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if let Some(wanted) = this.wanted.take() {
            wanted.decide();
        }
        if this.is_stalled() {
            // The guest is about to be stopped. It must not see an end of the body and respond to a part of it.
            return Poll::Pending;
        }
        let Some(incoming) = &mut this.incoming else {
            return Poll::Ready(None);
        };
        match Pin::new(incoming).poll_frame(context) {
            Poll::Ready(frame) => {
                if let (Some(Ok(frame)), Some(watch)) = (&frame, &mut this.watch) {
                    watch.read(frame.data_ref().map_or(0, Bytes::len));
                }
                if matches!(frame, None | Some(Err(_))) {
                    this.incoming = None;
                }
                Poll::Ready(frame.map(|result| result.map_err(Error::Hyper)))
            }
            Poll::Pending => {
                let Some(watch) = &mut this.watch else {
                    return Poll::Pending;
                };
                let TooSlow = ready!(watch.pace.poll_silent(context));
                watch.is_stalled = true;
                watch.stalled.notify_one();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Watch {
    fn read(&mut self, bytes: usize) {
        self.pace.moved(bytes);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.read_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        // A client that still waits for `100 Continue` sends nothing, so there is nothing to drain.
        if let Some(wanted) = self.wanted.take() {
            wanted.decide();
            return;
        }
        // A stalled body is not drained.
        let is_stalled = self.is_stalled();
        let Some(incoming) = self.incoming.take().filter(|_| !is_stalled) else {
            return;
        };
        if !incoming.is_end_stream() {
            self.runtime.spawn(async move {
                // hyper closes the connection if the body was not read to its end.
                _ = tokio::time::timeout(DRAIN_TIMEOUT, drain(incoming)).await;
            });
        }
    }
}

async fn drain(mut incoming: Incoming) {
    let mut read_bytes = 0_usize;
    while let Some(Ok(frame)) = incoming.frame().await {
        read_bytes = read_bytes.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if read_bytes > DRAIN_BYTES {
            return;
        }
    }
}

/// A response body. When the client has all of it, or has disconnected, the guest is stopped.
///
/// A guest that fails midway leaves a body that just ends. The client must not mistake it for the complete response,
/// so the end becomes an error, which closes the connection. The same happens at the size limit.
pub(crate) struct ResponseBody {
    pub(crate) body: response::Body,
    pub(crate) failed: Failed,
    /// Bytes that may still be sent.
    pub(crate) left_bytes: u64,
    /// Called when the body exceeds the limit.
    pub(crate) on_too_long: Box<dyn Fn() + Send>,
    /// The guest, if it has not returned yet.
    pub(crate) _guest: Option<AbortOnDropJoinHandle<()>>,
}

/// Whether the instance was torn down before the guest returned.
#[derive(Clone, Default)]
pub(crate) struct Failed(Arc<AtomicBool>);

impl Failed {
    /// A guard that sets the flag when it is dropped, unless the guest returned. Declare it after the store, so that
    /// it is dropped first: the flag must be set before the body ends.
    pub(crate) fn unless_done(&self) -> FailedUnlessDone {
        FailedUnlessDone {
            failed: self.clone(),
            is_done: false,
        }
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The guard of [`Failed::unless_done`].
pub(crate) struct FailedUnlessDone {
    failed: Failed,
    pub(crate) is_done: bool,
}

impl Drop for FailedUnlessDone {
    fn drop(&mut self) {
        if !self.is_done {
            self.failed.0.store(true, Ordering::Release);
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            None if self.failed.is_set() => {
                return Poll::Ready(Some(Err(Error::HttpResponseIncomplete)));
            }
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
                match self.left_bytes.checked_sub(bytes) {
                    Some(left) => self.left_bytes = left,
                    None => {
                        (self.on_too_long)();
                        return Poll::Ready(Some(Err(Error::HttpResponseBodySize(None))));
                    }
                }
            }
            None | Some(Err(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && !self.failed.is_set()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
