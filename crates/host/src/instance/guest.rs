//! The future of a running guest.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle;
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};

/// A guest that the handler polls in the connection's own task until there is a response.
///
/// In a task of its own, every chunk of the request body would wake it on another thread, and its response would
/// wake the connection's thread in turn. Most guests have returned by the time their response is there. A guest
/// that still writes its body moves to a task then, so that its time limit holds however slowly the client reads.
///
/// Dropping a guest stops it. Its store is freed in the background, because the dropping task has a response to send.
pub(crate) struct Guest {
    running: Option<Running>,
    ended: Option<Ended>,
}

type Running = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// How a guest ended, unless it was dropped.
pub(crate) enum Ended {
    /// It returned.
    Done,
    /// It trapped, or could not be instantiated.
    Trapped(wasmtime::Error),
    /// It exceeded the request's time limit.
    TimedOut,
    /// The request body arrived too slowly.
    Stalled,
    /// The host panicked.
    Panicked,
}

impl Guest {
    /// A guest that has not started.
    pub(crate) fn new(running: impl Future<Output = Ended> + Send + 'static) -> Self {
        Self {
            running: Some(Box::pin(running)),
            ended: None,
        }
    }

    /// Run until the guest waits; resolves when it has ended.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(running) = &mut self.running else {
            return Poll::Ready(());
        };
        // A panic of the host fails this request alone, not the later requests of the connection.
        let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(context)));
        let ended = ready!(polled.map_or(Poll::Ready(Ended::Panicked), |polled| polled));
        self.running = None;
        self.ended = Some(ended);
        Poll::Ready(())
    }

    /// Run the guest to its end.
    pub(crate) async fn end(&mut self) {
        poll_fn(|context| self.poll(context)).await;
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Continue in a task if the guest has not ended. Dropping the handle stops the guest.
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

/// Drop a value in a task of its own: freeing an instance's memory takes as long as serving a request.
pub(crate) fn drop_later(left: impl Send + 'static) {
    // Without a runtime the server has stopped, and nothing waits.
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
    async fn a_panic_ends_the_guest() {
        let mut guest = Guest::new(async { panic!("the host's fault") });
        assert!(guest.ended().is_none());
        guest.end().await;
        assert!(matches!(guest.ended(), Some(Ended::Panicked)));
        // Ending it again changes nothing.
        guest.end().await;
    }

    #[tokio::test]
    async fn a_guest_that_has_returned_needs_no_task() {
        let mut guest = Guest::new(async { Ended::Done });
        guest.end().await;
        assert!(matches!(guest.ended(), Some(Ended::Done)));
        assert!(guest.go_on().is_none());
    }

    #[tokio::test]
    async fn a_guest_in_a_task_runs_until_its_handle_is_dropped() {
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
    async fn a_dropped_guest_is_stopped() {
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
