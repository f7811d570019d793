//! The state of a graceful shutdown, and the number of requests in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The stages of a shutdown, and the requests in flight.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    is_draining: AtomicBool,
    is_closing: AtomicBool,
    serving: AtomicUsize,
    /// Notified when the last request has ended.
    idle: Notify,
}

impl Drain {
    /// Report the server as not ready from now on.
    pub(crate) fn begin(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    /// The listener is closed: close each connection after its response.
    pub(crate) fn close(&self) {
        self.begin();
        self.is_closing.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }

    /// Count a request as in flight until the guard is dropped.
    pub(crate) fn serve(self: &Arc<Self>) -> InFlight {
        self.serving.fetch_add(1, Ordering::AcqRel);
        InFlight(Arc::clone(self))
    }

    /// Wait until no request is being served.
    pub(crate) async fn idle(&self) {
        while self.serving.load(Ordering::Acquire) > 0 {
            // A notification sent before this line is stored, so the loop checks the count again.
            self.idle.notified().await;
        }
    }
}

/// A request in flight.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Drain>);

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.serving.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_one();
        }
    }
}
