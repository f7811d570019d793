//! Bodies with something to do at their end.

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

use crate::answer;
use crate::pace::{Pace, TooSlow};

/// How much of a request that was answered early is still read: more than any client sends before it
/// looks for the answer.
const DRAIN_BYTES: usize = 64 * 1024 * 1024;

/// How long that may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A request's body on its way to the guest.
///
/// A guest that answers early (413, say) drops the body unread. If the connection was closed then,
/// with the client still sending, the system would reset it and the client might never see the
/// answer. So the rest is read and thrown away in the background.
pub(crate) struct RequestBody {
    incoming: Option<Incoming>,
    runtime: Handle,
    /// The client sends nothing until it is told to, so there is no rest unless reading began.
    waits_for_continue: bool,
    watch: Option<Watch>,
}

/// What is watched of a body that a guest reads.
struct Watch {
    pace: Pace,
    read_bytes: Arc<AtomicU64>,
    stalled: Stalled,
    is_stalled: bool,
}

/// Told when a client is too slow to send its body.
pub(crate) type Stalled = Arc<Notify>;

impl RequestBody {
    /// A body that nobody watches.
    pub(crate) fn new(incoming: Incoming, waits_for_continue: bool) -> Self {
        Self {
            incoming: Some(incoming),
            runtime: Handle::current(),
            waits_for_continue,
            watch: None,
        }
    }

    /// Count what is read, and tell when it comes more slowly than that.
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
        this.waits_for_continue = false;
        if this.is_stalled() {
            // The guest must not see an end and answer to that: it is about to be stopped.
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
        // Of a body that stalled, no rest is worth waiting for.
        let is_stalled = self.is_stalled();
        let Some(incoming) = self.incoming.take().filter(|_| !is_stalled) else {
            return;
        };
        if !incoming.is_end_stream() && !self.waits_for_continue {
            self.runtime.spawn(async move {
                // Whether it was read to its end or not, the connection knows what to do.
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

/// An answer's body; when the client has it all, or has gone away, the guest is stopped.
///
/// A guest that fails in the middle leaves a body that just ends. The client must not take that for
/// the whole answer, so the end becomes an error then, which closes the connection. So does a body that is
/// longer than may be.
pub(crate) struct ResponseBody {
    pub(crate) body: answer::Body,
    pub(crate) failed: Failed,
    /// How much more of it may be sent.
    pub(crate) left_bytes: u64,
    /// Called when it is longer.
    pub(crate) on_too_long: Box<dyn Fn() + Send>,
    /// Where it has not returned yet.
    pub(crate) _guest: Option<AbortOnDropJoinHandle<()>>,
}

/// Whether a guest's instance was torn down before the guest returned.
#[derive(Clone, Default)]
pub(crate) struct Failed(Arc<AtomicBool>);

impl Failed {
    /// Sets the flag when it is dropped, unless the guest returned. To be declared after the store,
    /// so that it is dropped before it: the body's end must not come before the flag.
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

/// See [`Failed::unless_done`].
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
