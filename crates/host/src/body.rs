//! Bodies with something to do at their end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use wasmtime_wasi_http::Error;

use crate::answer;

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
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, waits_for_continue: bool) -> Self {
        Self {
            incoming: Some(incoming),
            runtime: Handle::current(),
            waits_for_continue,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.waits_for_continue = false;
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(incoming).poll_frame(context));
        if matches!(frame, None | Some(Err(_))) {
            self.incoming = None;
        }
        Poll::Ready(frame.map(|result| result.map_err(Error::Hyper)))
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

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(incoming) = self.incoming.take() else {
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
/// the whole answer, so the end becomes an error then, which closes the connection.
pub(crate) struct ResponseBody {
    pub(crate) body: answer::Body,
    pub(crate) failed: Failed,
    pub(crate) _guest: StopOnDrop,
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

/// Stops a guest's task when nobody waits for it any more. It keeps what the guest holds until then.
pub(crate) struct StopOnDrop(pub(crate) AbortHandle);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.abort();
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
        if frame.is_none() && self.failed.0.load(Ordering::Acquire) {
            return Poll::Ready(Some(Err(Error::HttpResponseIncomplete)));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && !self.failed.0.load(Ordering::Acquire)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
