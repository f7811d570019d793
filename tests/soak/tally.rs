//! Counts of the results.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::case::Case;
use super::clients::Outcome;

/// The number of failures whose descriptions are kept; the others are only counted.
const KEPT_FAILURES: usize = 20;

#[derive(Default)]
pub struct Tally {
    /// By the kind of request and its end.
    counts: BTreeMap<&'static str, BTreeMap<String, u64>>,
    /// Descriptions of the requests that failed.
    pub failures: Vec<String>,
    failed: u64,
}

impl Tally {
    pub fn count(&mut self, kind: &'static str, outcome: Outcome) {
        let (how, times) = match outcome {
            Outcome::Right { status, times } => (status.to_string(), times),
            Outcome::Truncated => ("truncated".to_owned(), 1),
            Outcome::Left => ("client left".to_owned(), 1),
            Outcome::HungUp => ("half-closed".to_owned(), 1),
        };
        *self.counts.entry(kind).or_default().entry(how).or_default() += times;
    }

    pub fn fail(&mut self, case: &Case, manner: &str, problem: &str) {
        self.failed += 1;
        if self.failures.len() < KEPT_FAILURES {
            let Case { kind, name, .. } = case;
            self.failures
                .push(format!("{kind}, {manner}: {name}: {problem}"));
        }
    }

    pub fn add(&mut self, other: Self) {
        for (kind, counts) in other.counts {
            let mine = self.counts.entry(kind).or_default();
            for (how, count) in counts {
                *mine.entry(how).or_default() += count;
            }
        }
        self.failures.extend(other.failures);
        self.failures.truncate(KEPT_FAILURES);
        self.failed += other.failed;
    }

    /// The number of requests.
    pub fn requests(&self) -> u64 {
        let counted: u64 = self.counts.values().flat_map(BTreeMap::values).sum();
        counted + self.failed
    }

    /// The number of right responses.
    pub fn right(&self) -> u64 {
        let counts = self.counts.values().flatten();
        let right = counts.filter(|(how, _)| how.parse::<u16>().is_ok());
        right.map(|(_, count)| count).sum()
    }

    pub fn failed(&self) -> u64 {
        self.failed
    }
}

/// A table with a row per kind of request and a column per end.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ways: BTreeSet<&String> = self.counts.values().flat_map(BTreeMap::keys).collect();
        write!(f, "{:24}", "")?;
        for way in &ways {
            write!(f, "{way:>12}")?;
        }
        writeln!(f)?;
        for (kind, counts) in &self.counts {
            write!(f, "{kind:24}")?;
            for way in &ways {
                match counts.get(*way) {
                    Some(count) => write!(f, "{count:>12}")?,
                    None => write!(f, "{:>12}", "")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
