//! The figures of a report: medians of rounds with a spread, and ratios within a round.

use std::fmt;
use std::time::Duration;

use super::contestants::Kind;
use super::forms::Form;

/// The measurements of one server in one round, for one format and one number of connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Responses per second.
    pub(super) throughput: f64,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    /// The number of cores that the server used.
    pub(super) server_cores: f64,
    /// The number of cores that the client used.
    pub(super) client_cores: f64,
}

impl Sample {
    /// Summarize latencies in ascending order, of which there is at least one.
    pub(super) fn of(
        latencies: &[Duration],
        window: Duration,
        server_cpu: Duration,
        client_cpu: Duration,
    ) -> Self {
        let seconds = window.as_secs_f64();
        Self {
            throughput: latencies.len() as f64 / seconds,
            p50: percentile(latencies, 50),
            p99: percentile(latencies, 99),
            server_cores: server_cpu.as_secs_f64() / seconds,
            client_cores: client_cpu.as_secs_f64() / seconds,
        }
    }

    /// CPU time of the server per response, in milliseconds.
    pub(super) fn cpu_ms(&self) -> f64 {
        self.server_cores / self.throughput * 1e3
    }
}

/// The percentile by nearest rank: with fewer than a hundred values, the 99th is the largest.
fn percentile(ascending: &[Duration], percent: usize) -> Duration {
    let rank = (ascending.len() * percent).div_ceil(100).max(1);
    ascending.get(rank - 1).copied().unwrap_or_default()
}

/// The median, the least and the greatest of the rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Spread {
    /// Summarize at least one value.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or_default();
        let last = values.len().saturating_sub(1);
        Self {
            // An even number of values has two in the middle.
            median: (at(last / 2) + at(last.div_ceil(2))) / 2.0,
            low: at(0),
            high: at(last),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, low, high } = self;
        write!(
            f,
            "{} [{} to {}]",
            figures(*median),
            figures(*low),
            figures(*high)
        )
    }
}

/// Format with three significant digits; measurements are not more precise.
pub(super) fn figures(value: f64) -> String {
    match value {
        value if value >= 99.95 => format!("{value:.0}"),
        value if value >= 9.995 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// The rounds of one server with one setting, one format and one number of connections.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) kind: Kind,
    pub(super) setting: String,
    pub(super) form: Form,
    pub(super) connections: usize,
    /// In round order.
    pub(super) rounds: Vec<Sample>,
}

impl Series {
    /// The spread of a measurement over the rounds.
    pub(super) fn spread(&self, of: impl Fn(&Sample) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(of))
    }

    /// Responses per second.
    pub(super) fn throughput(&self) -> Spread {
        self.spread(|sample| sample.throughput)
    }

    /// The ratio of the throughput to another's, within each round.
    pub(super) fn ratio(&self, other: &Series) -> Spread {
        let pairs = self.rounds.iter().zip(&other.rounds);
        Spread::of(pairs.map(|(own, other)| own.throughput / other.throughput))
    }
}

/// Start times and memory of a server.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) kind: Kind,
    pub(super) setting: String,
    /// From the start of the process to the first response.
    pub(super) times: Vec<Duration>,
    /// Bytes after the first responses.
    pub(super) idle_memory: u64,
    /// The most bytes under load, over all points.
    pub(super) load_memory: u64,
}

/// The measurements of a network.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    pub(super) network: String,
    pub(super) starts: Vec<Start>,
    pub(super) series: Vec<Series>,
}

impl Measured {
    /// The series of a server's setting with the highest throughput, for one format and one number of connections.
    pub(super) fn best(&self, kind: Kind, form: Form, connections: usize) -> Option<&Series> {
        self.series
            .iter()
            .filter(|series| {
                (series.kind, series.form, series.connections) == (kind, form, connections)
            })
            .max_by(|a, b| a.throughput().median.total_cmp(&b.throughput().median))
    }

    /// The kinds of servers that were measured, in table order.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        distinct(self.series.iter().map(|series| series.kind))
    }

    pub(super) fn forms(&self) -> Vec<Form> {
        distinct(self.series.iter().map(|series| series.form))
    }

    pub(super) fn connections(&self) -> Vec<usize> {
        distinct(self.series.iter().map(|series| series.connections))
    }
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort();
    values.dedup();
    values
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A series with these throughputs.
    pub(in crate::bench::servers) fn series(kind: Kind, setting: &str, rounds: &[f64]) -> Series {
        let sample = |throughput: &f64| Sample {
            throughput: *throughput,
            p50: Duration::from_micros(12_340),
            p99: Duration::from_millis(250),
            server_cores: 1.5,
            client_cores: 0.05,
        };
        Series {
            kind,
            setting: setting.to_owned(),
            form: Form::Raw,
            connections: 8,
            rounds: rounds.iter().map(sample).collect(),
        }
    }

    #[test]
    fn percentiles_use_nearest_rank() {
        let latencies: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&latencies, 50), Duration::from_millis(100));
        assert_eq!(percentile(&latencies, 99), Duration::from_millis(198));
        assert_eq!(percentile(&latencies[..3], 99), Duration::from_millis(3));
        assert_eq!(percentile(&latencies[..3], 50), Duration::from_millis(2));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }

    #[test]
    fn sample_summarizes_its_window() {
        let latencies = [1, 2, 3, 9].map(Duration::from_millis);
        let ms = Duration::from_millis;
        let sample = Sample::of(&latencies, ms(500), ms(750), ms(50));
        assert_eq!(sample.throughput, 8.0);
        assert_eq!((sample.p50, sample.p99), (ms(2), ms(9)));
        assert_eq!((sample.server_cores, sample.client_cores), (1.5, 0.1));
        assert_eq!(sample.cpu_ms(), 187.5);
    }

    #[test]
    fn spread_has_median_and_extremes() {
        let spread = Spread::of([3.0, 1.0, 2.0]);
        assert_eq!(spread.to_string(), "2.00 [1.00 to 3.00]");
        assert_eq!(Spread::of([4.0, 1.0]).median, 2.5);
        assert_eq!(Spread::of([0.5]).to_string(), "0.50 [0.50 to 0.50]");
        assert_eq!(figures(99.96), "100");
        assert_eq!(figures(9.996), "10.0");
        assert_eq!(figures(1234.5), "1234");
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // A slow round affects both servers alike, so the ratio stays.
        let ceiling = series(Kind::Axum, "", &[100.0, 50.0, 200.0]);
        let ours = series(Kind::Onnx, "", &[80.0, 40.0, 180.0]);
        assert_eq!(ours.ratio(&ceiling).to_string(), "0.80 [0.80 to 0.90]");
    }

    #[test]
    fn best_setting_counts() {
        let measured = Measured {
            series: vec![
                series(Kind::Axum, "one", &[1.0, 9.0, 2.0]),
                series(Kind::Axum, "two", &[3.0, 3.0, 3.0]),
                series(Kind::Onnx, "", &[5.0]),
            ],
            ..Measured::default()
        };
        let best = measured.best(Kind::Axum, Form::Raw, 8).unwrap();
        assert_eq!(best.setting, "two");
        assert!(measured.best(Kind::Axum, Form::Json, 8).is_none());
        assert_eq!(measured.kinds(), [Kind::Axum, Kind::Onnx]);
        assert_eq!(measured.connections(), [8]);
    }
}
