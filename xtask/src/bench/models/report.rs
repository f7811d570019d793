//! The tables of a measurement, and its geometric means.

use crate::bench::stats::{Stats, by_operator, geometric_mean, ms};

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
        let texts = by_operator(&self.profile).into_iter().take(OPERATORS);
        let texts = texts.map(|operator| {
            format!(
                "{} ×{} {:.3} ms, {:.0} %",
                operator.name,
                operator.steps,
                operator.seconds * 1e3,
                operator.share
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
        geometric_mean(rows.iter().map(Row::behind))
    );
    let ahead: Vec<f64> = rows.iter().filter_map(Row::ahead).collect();
    println!(
        "onnxruntime-web / engine, geometric mean of {} models: {:.2}",
        ahead.len(),
        geometric_mean(ahead.iter().copied())
    );
    println!();
    println!("| model | slowest operators |");
    println!("| --- | --- |");
    for row in rows {
        println!("| {} | {} |", row.name, row.slowest());
    }
}
