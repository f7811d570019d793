//! Medians with a spread.

use std::fmt;
use std::time::Duration;

/// The median and the 10th and 90th percentiles of a series of times.
pub(super) struct Stats {
    pub(super) median: Duration,
    low: Duration,
    high: Duration,
}

impl Stats {
    /// Summarize at least one time.
    pub(super) fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |tenths: usize| {
            let index = times.len().saturating_sub(1) * tenths / 10;
            times.get(index).copied().unwrap_or_default()
        };
        Self {
            median: at(5),
            low: at(1),
            high: at(9),
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.3} [{:.3} to {:.3}]",
            ms(self.median),
            ms(self.low),
            ms(self.high)
        )
    }
}

/// A time in milliseconds.
pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_deciles_are_shown() {
        let times = (1..=11).rev().map(Duration::from_millis).collect();
        assert_eq!(Stats::of(times).to_string(), "6.000 [2.000 to 10.000]");
        let one = vec![Duration::from_millis(3)];
        assert_eq!(Stats::of(one).to_string(), "3.000 [3.000 to 3.000]");
    }
}
