//! The tables of a measurement, and its geometric means.

use std::collections::BTreeMap;

use crate::bench::stats::{Stats, ms};

/// The operators of each model that are printed: the slowest.
const OPERATORS: usize = 5;

/// A model's measurements.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) engine: Stats,
    pub(super) native: Stats,
    /// `None` if onnxruntime-web does not run the model, or was left out.
    pub(super) web: Option<Stats>,
    /// The largest difference from ONNX Runtime's outputs, relative to the largest output.
    pub(super) apart: f64,
    /// The operator and the seconds of each step.
    pub(super) profile: Vec<(String, f64)>,
}

impl Row {
    /// The engine's time over ONNX Runtime's.
    fn behind(&self) -> f64 {
        ms(self.engine.median) / ms(self.native.median)
    }

    /// onnxruntime-web's time over the engine's.
    fn ahead(&self) -> Option<f64> {
        Some(ms(self.web.as_ref()?.median) / ms(self.engine.median))
    }

    /// The slowest operators, with the number of their steps, milliseconds, and their share.
    fn slowest(&self) -> String {
        let mut kinds: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
        for (name, seconds) in &self.profile {
            let kind = kinds.entry(name).or_default();
            *kind = (kind.0 + 1, kind.1 + seconds);
        }
        let total: f64 = self.profile.iter().map(|(_, seconds)| seconds).sum();
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_by(|(_, a), (_, b)| b.1.total_cmp(&a.1));
        let texts = kinds.into_iter().take(OPERATORS);
        let texts = texts.map(|(name, (steps, seconds))| {
            format!(
                "{name} ×{steps} {:.3} ms, {:.0} %",
                seconds * 1e3,
                100.0 * seconds / total
            )
        });
        texts.collect::<Vec<_>>().join("; ")
    }
}

/// Print the tables.
pub(super) fn print(rows: &[Row], rounds: u32) {
    println!(
        "Milliseconds: median [10th to 90th percentile] of {rounds} rounds, one thread, by turns in one run."
    );
    println!("  engine        warm, in one instance of the engine in Wasmtime");
    println!("  ONNX Runtime  native, with its default optimizations");
    println!(
        "  apart         the largest difference from ONNX Runtime's outputs, of the largest output"
    );
    println!();
    println!(
        "| model | engine | ONNX Runtime | engine / ONNX Runtime | onnxruntime-web | onnxruntime-web / engine | apart |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for row in rows {
        let (web, ahead) = match (&row.web, row.ahead()) {
            (Some(web), Some(ahead)) => (web.to_string(), format!("{ahead:.2}")),
            _ => ("—".to_owned(), "—".to_owned()),
        };
        println!(
            "| {} | {} | {} | {:.2} | {web} | {ahead} | {:.1e} |",
            row.name,
            row.engine,
            row.native,
            row.behind(),
            row.apart
        );
    }
    println!();
    println!(
        "engine / ONNX Runtime, geometric mean of {} models: {:.2}",
        rows.len(),
        mean(rows.iter().map(Row::behind))
    );
    let ahead: Vec<f64> = rows.iter().filter_map(Row::ahead).collect();
    println!(
        "onnxruntime-web / engine, geometric mean of {} models: {:.2}",
        ahead.len(),
        mean(ahead.iter().copied())
    );
    println!();
    println!("| model | slowest operators |");
    println!("| --- | --- |");
    for row in rows {
        println!("| {} | {} |", row.name, row.slowest());
    }
}

/// The geometric mean; NaN of nothing.
fn mean(ratios: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = ratios.fold((0.0, 0.0), |(sum, count), ratio| {
        (sum + ratio.ln(), count + 1.0)
    });
    f64::exp(sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometric_mean_weighs_ratios_alike() {
        assert!((mean([4.0, 0.25, 8.0].into_iter()) - 2.0).abs() < 1e-12);
        assert!(mean(std::iter::empty()).is_nan());
    }
}
