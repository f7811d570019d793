//! How long to wait before a retry, and when to give up.

use std::time::Duration;

use crate::request_error::RequestError;

/// Tries of a request without progress in between.
const MAX_TRIES: u32 = 5;
/// The first wait, which doubles each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest `Retry-After` that is waited for. For a longer one, the error says how long the server wants.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// The failures of a request so far.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Count a failure, and return how long to wait before the next try; `None` to give up.
    pub(crate) fn next(&mut self, error: &RequestError) -> Option<Duration> {
        if !error.is_temporary() {
            return None;
        }
        self.failures += 1;
        if self.failures >= MAX_TRIES {
            return None;
        }
        let wait = FIRST_WAIT * (1 << (self.failures - 1));
        let wait = error.retry_after().unwrap_or_default().max(wait);
        (wait <= MAX_WAIT).then_some(wait)
    }

    /// Forget the failures, since bytes have arrived since.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}
