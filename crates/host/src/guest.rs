//! A guest at work.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle;

/// A guest that runs as far as it can whenever it is polled: by the handler until there is an answer, and by the
/// answer's body from then on.
///
/// That is the connection's own task. In a task of its own, each piece of the request's body would wake it on
/// another thread, and its answer wake the connection's in turn.
///
/// A guest that is dropped is stopped. What it leaves is cleaned away in the background, since whoever drops it has
/// an answer to send.
pub(crate) struct Guest {
    running: Option<Running>,
    ended: Option<Ended>,
}

type Running = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// How a guest ended that was not stopped.
pub(crate) enum Ended {
    /// It returned.
    Done,
    /// It trapped, or could not be made.
    Trapped(wasmtime::Error),
    /// Its time was up.
    TimedOut,
    /// Its request's body came too slowly.
    Stalled,
    /// The host failed.
    Panicked,
}

impl Guest {
    /// A guest that has not begun.
    pub(crate) fn new(running: impl Future<Output = Ended> + Send + 'static) -> Self {
        Self {
            running: Some(Box::pin(running)),
            ended: None,
        }
    }

    /// Go on as far as it can without waiting; ready when it has ended.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(running) = &mut self.running else {
            return Poll::Ready(());
        };
        // A fault of the host's must cost this request alone, and not those that follow it on the connection.
        let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(context)));
        let ended = ready!(polled.map_or(Poll::Ready(Ended::Panicked), |polled| polled));
        self.running = None;
        self.ended = Some(ended);
        Poll::Ready(())
    }

    /// Let it go on to its end.
    pub(crate) async fn end(&mut self) {
        poll_fn(|context| self.poll(context)).await;
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Whether it was torn down before it returned, so that what it wrote may not be the whole answer.
    pub(crate) fn has_failed(&self) -> bool {
        !matches!(self.ended, None | Some(Ended::Done))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            drop_later(running);
        }
    }
}

/// Drop it in a task of its own: an instance's memory takes as long to clean as a request to serve.
pub(crate) fn drop_later(left: impl Send + 'static) {
    // Without a runtime, the server is gone and nobody waits.
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async move { drop(left) });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_end() {
        let mut guest = Guest::new(async { panic!("the host's fault") });
        assert!(guest.ended().is_none());
        assert!(!guest.has_failed());
        guest.end().await;
        assert!(matches!(guest.ended(), Some(Ended::Panicked)));
        assert!(guest.has_failed());
        // It stays ended.
        guest.end().await;
    }

    #[tokio::test]
    async fn a_guest_that_returned_has_not_failed() {
        let mut guest = Guest::new(async { Ended::Done });
        guest.end().await;
        assert!(matches!(guest.ended(), Some(Ended::Done)));
        assert!(!guest.has_failed());
    }

    #[tokio::test]
    async fn who_is_dropped_is_stopped() {
        let held = Arc::new(());
        let watched = Arc::downgrade(&held);
        let (dropped, is_dropped) = oneshot::channel::<()>();
        let mut guest = Guest::new(async move {
            let _held = (held, dropped);
            std::future::pending().await
        });
        let polled = poll_fn(|context| Poll::Ready(guest.poll(context))).await;
        assert!(polled.is_pending());
        drop(guest);
        assert!(is_dropped.await.is_err());
        assert!(watched.upgrade().is_none());
    }
}
