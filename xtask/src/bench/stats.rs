//! Medians with a spread.

use std::collections::BTreeMap;
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

/// The geometric mean; NaN of nothing.
pub(super) fn geometric_mean(ratios: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = ratios.fold((0.0, 0.0), |(sum, count), ratio| {
        (sum + ratio.ln(), count + 1.0)
    });
    f64::exp(sum / count)
}

/// The steps of an operator in a profile.
pub(super) struct Operator<'a> {
    pub(super) name: &'a str,
    pub(super) steps: usize,
    pub(super) seconds: f64,
    /// The part of the time of all steps, in percent.
    pub(super) share: f64,
}

/// Sum a profile's steps by operator, the slowest first.
pub(super) fn by_operator(profile: &[(String, f64)]) -> Vec<Operator<'_>> {
    let mut sums: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for (name, seconds) in profile {
        let sum = sums.entry(name).or_default();
        *sum = (sum.0 + 1, sum.1 + seconds);
    }
    let total: f64 = profile.iter().map(|(_, seconds)| seconds).sum();
    let operators = sums.into_iter().map(|(name, (steps, seconds))| Operator {
        name,
        steps,
        seconds,
        share: 100.0 * seconds / total,
    });
    let mut operators: Vec<_> = operators.collect();
    operators.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    operators
}

/// A time in milliseconds.
pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometric_mean_weighs_ratios_alike() {
        assert!((geometric_mean([4.0, 0.25, 8.0].into_iter()) - 2.0).abs() < 1e-12);
        assert!(geometric_mean(std::iter::empty()).is_nan());
    }

    #[test]
    fn median_and_deciles_are_shown() {
        let times = (1..=11).rev().map(Duration::from_millis).collect();
        assert_eq!(Stats::of(times).to_string(), "6.000 [2.000 to 10.000]");
        let one = vec![Duration::from_millis(3)];
        assert_eq!(Stats::of(one).to_string(), "3.000 [3.000 to 3.000]");
    }
}
