//! A guest at work.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle;
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};

/// A guest that runs as far as it can whenever it is polled, by the handler, until there is an answer.
///
/// That is in the connection's own task. In a task of its own, each piece of the request's body would wake it on
/// another thread, and its answer wake the connection's in turn. Mostly it has ended when its answer is there. One
/// that still writes to it gets a task then, since its time is limited however long its reader takes.
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
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
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

    /// Let it go on in a task, if there is more to do; it is stopped when nobody waits for that any more.
    pub(crate) fn go_on(mut self) -> Option<AbortOnDropJoinHandle<()>> {
        if self.ended.is_some() {
            return None;
        }
        Some(spawn(async move { self.end().await }))
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
        guest.end().await;
        assert!(matches!(guest.ended(), Some(Ended::Panicked)));
        // It stays ended.
        guest.end().await;
    }

    #[tokio::test]
    async fn who_has_returned_needs_no_task() {
        let mut guest = Guest::new(async { Ended::Done });
        guest.end().await;
        assert!(matches!(guest.ended(), Some(Ended::Done)));
        assert!(guest.go_on().is_none());
    }

    #[tokio::test]
    async fn who_goes_on_does_so_until_nobody_waits() {
        let (first, second) = (oneshot::channel::<()>(), oneshot::channel::<()>());
        let (reached, dropped) = (first.0, second.0);
        let guest = Guest::new(async move {
            let _held = dropped;
            _ = reached.send(());
            std::future::pending().await
        });
        let task = guest.go_on().expect("it has not ended");
        first.1.await.expect("it is polled by its own task");
        drop(task);
        assert!(second.1.await.is_err(), "it is dropped");
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
