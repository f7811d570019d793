//! Timeouts for transfers whose speed the peer sets.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// An idle timeout with a minimum rate.
///
/// The peer may be silent for `pause` at a time. In total it may be silent for `pause` plus the time that its bytes
/// would take at the minimum rate, so that a byte shortly before each timeout gains nothing. Only waiting for the
/// peer counts: a slow host does the peer no harm.
pub(crate) struct Pace {
    pause: Duration,
    min_bytes_per_second: u64,
    moved_bytes: u64,
    waited: Duration,
    /// When the current silence began.
    silent_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// The peer exceeded the timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooSlow;

impl Pace {
    pub(crate) fn new(pause: Duration, min_bytes_per_second: u64) -> Self {
        Self {
            pause,
            min_bytes_per_second,
            moved_bytes: 0,
            waited: Duration::ZERO,
            silent_since: None,
            timer: None,
        }
    }

    /// The peer sent or accepted `bytes`.
    pub(crate) fn moved(&mut self, bytes: usize) {
        self.moved_bytes = self
            .moved_bytes
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.silent_since.is_some() {
            self.end_silence(Instant::now());
        }
    }

    /// The peer is silent now; resolves when it has been silent for too long.
    pub(crate) fn poll_silent(&mut self, context: &mut Context<'_>) -> Poll<TooSlow> {
        if self.silent_since.is_none() {
            let deadline = self.begin_silence(Instant::now());
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(deadline),
                None => self.timer = Some(Box::pin(tokio::time::sleep_until(deadline))),
            }
        }
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(context).map(|()| TooSlow),
            None => Poll::Pending,
        }
    }

    /// Start a silence and return its deadline.
    fn begin_silence(&mut self, now: Instant) -> Instant {
        self.silent_since = Some(now);
        now + self.pause.min(self.left())
    }

    fn end_silence(&mut self, now: Instant) {
        if let Some(since) = self.silent_since.take() {
            self.waited += now.saturating_duration_since(since);
        }
    }

    /// The remaining total waiting time.
    fn left(&self) -> Duration {
        let earned = match self.min_bytes_per_second {
            0 => Duration::MAX,
            rate => Duration::from_millis(self.moved_bytes.saturating_mul(1000) / rate),
        };
        (self.pause.saturating_add(earned)).saturating_sub(self.waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time after which a peer that sends `bytes` every `every` is timed out; `None` if it is not.
    fn timed_out_after(bytes: usize, every: Duration, for_at_most: Duration) -> Option<Duration> {
        let begun = Instant::now();
        let mut now = begun;
        let mut pace = Pace::new(Duration::from_secs(5), 1000);
        while now.saturating_duration_since(begun) < for_at_most {
            let deadline = pace.begin_silence(now);
            if deadline <= now + every {
                return Some(deadline.saturating_duration_since(begun));
            }
            now += every;
            pace.end_silence(now);
            pace.moved(bytes);
        }
        None
    }

    #[test]
    fn a_pause_is_allowed_and_a_trickle_times_out() {
        let second = Duration::from_secs(1);
        let cases = [
            ("silence", 0, 600 * second, Some(5000)),
            ("a pause within the timeout", 10_000, 4 * second, None),
            (
                "a pause over the timeout, after many bytes",
                1 << 20,
                6 * second,
                Some(5000),
            ),
            ("a byte a second", 1, second, Some(5005)),
            (
                "half the minimum rate: one second lost in two",
                500,
                second,
                Some(9000),
            ),
            ("the minimum rate", 1000, second, None),
        ];
        let mut wrong = Vec::new();
        for (name, bytes, every, expected_ms) in cases {
            let after = timed_out_after(bytes, every, 100 * second);
            let after_ms = after.map(|after| after.as_millis());
            if after_ms != expected_ms {
                wrong.push(format!("{name}: {after:?}, expected {expected_ms:?} ms"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
