//! Whether the server is stopping, and what it still has to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The stages of stopping, and the requests that are being served.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    is_draining: AtomicBool,
    is_closing: AtomicBool,
    serving: AtomicUsize,
    /// Told when the last request has ended.
    idle: Notify,
}

impl Drain {
    /// The server is not ready for more, and says so to those who ask.
    pub(crate) fn begin(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    /// Nobody listens any more: connections are closed after the answer.
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

    /// A request is served until this is dropped.
    pub(crate) fn serve(self: &Arc<Self>) -> InFlight {
        self.serving.fetch_add(1, Ordering::AcqRel);
        InFlight(Arc::clone(self))
    }

    /// Wait until no request is being served.
    pub(crate) async fn idle(&self) {
        while self.serving.load(Ordering::Acquire) > 0 {
            // Told before it is waited for, it returns at once, and the number is looked at again.
            self.idle.notified().await;
        }
    }
}

/// A request that is being served.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Drain>);

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.serving.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_one();
        }
    }
}
