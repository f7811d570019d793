//! `cargo xtask bench engine`: the WebAssembly engine beside onnxruntime-web, with one thread each.
//!
//! Both run the same networks on the same inputs, in alternating rounds: the snapshotted engine in Wasmtime as the host
//! configures it, and onnxruntime-web under Node. A loop of multiply-adds in the engine measures the peak FLOP/s, and
//! the engine's own profile says where the time goes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use infer_host::Limits;

use super::alone::{Alone, Tensor};
use super::networks::{self, Network, Served};
use super::onnxruntime_web::OnnxRuntimeWeb;
use super::stats::{Stats, by_operator, geometric_mean, ms};
use crate::project;

/// Measure the WebAssembly engine beside onnxruntime-web
#[derive(Args)]
pub(super) struct Engine {
    /// Networks to measure
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Network::ALL)]
    networks: Vec<Network>,
    /// Folder with `NETWORK/model.onnx`, `model.toml` and `input.bin` for each [default: written by bench/networks.py]
    #[arg(long, value_name = "DIR")]
    models: Option<std::path::PathBuf>,
    /// Rounds, each of which measures both engines
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Runs of each engine in a round, after a warm-up of a tenth as many
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
}

/// A network's measurements.
struct Row {
    network: Network,
    engine: Stats,
    first: Stats,
    web: Stats,
    /// The largest difference between the outputs, relative to the largest output.
    difference: f64,
    profile: Vec<(String, f64)>,
}

impl Row {
    /// The time of onnxruntime-web over the engine's.
    fn ratio(&self) -> f64 {
        ms(self.web.median) / ms(self.engine.median)
    }
}

impl Engine {
    /// Measure, and print the tables.
    pub(super) fn run(self) -> Result<()> {
        let root = project::root();
        let folder = match &self.models {
            Some(folder) => folder.clone(),
            None => networks::write(&root, &self.networks)?,
        };
        let web = OnnxRuntimeWeb::prepare(&root)?;
        let (mut rows, mut failed) = (Vec::new(), Vec::new());
        let mut peak = 0.0;
        for &network in &self.networks {
            eprintln!("measuring {} …", network.name());
            let mut measured = || -> Result<Row> {
                let served = networks::serve(&root, &folder, network)?;
                let cache = root.join("target/infer/cache");
                let alone = Alone::load(&served.engine, &cache, &Limits::default())?;
                peak = f64::max(peak, alone.peak()?);
                self.measure(network, &served, &alone, &web, &folder)
            };
            // A failure must not keep the other networks from being measured.
            match measured() {
                Ok(row) => rows.push(row),
                Err(error) => {
                    eprintln!("{} failed: {error:#}", network.name());
                    failed.push(network.name());
                }
            }
        }
        print(&rows, peak, self.rounds * self.runs);
        ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
        Ok(())
    }

    fn measure(
        &self,
        network: Network,
        served: &Served,
        alone: &Alone,
        web: &OnnxRuntimeWeb,
        folder: &std::path::Path,
    ) -> Result<Row> {
        let folder = folder.join(network.name());
        let model = served.model.as_ref().context("the repository is empty")?;
        let path = folder.join("input.bin");
        let data =
            std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let inputs = Tensor::all_of(&model.card.inputs, &data)
            .with_context(|| format!("reading `{}`", path.display()))?;
        let graph = model.id.to_string();
        let (mut engine, mut theirs, mut first) = (Vec::new(), Vec::new(), Vec::new());
        let mut outputs = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            // The first inference of an instance touches its memory, so each gets a new one.
            for _ in 0..3 {
                first.extend(alone.compute(&graph, &inputs, 0, 1)?);
            }
            let warm_up = (self.runs / 10).max(1);
            engine.extend(alone.compute(&graph, &inputs, warm_up, self.runs)?);
            let result = web.time(&folder.join("model.onnx"), &inputs, &path, self.runs)?;
            theirs.extend(
                result
                    .times
                    .iter()
                    .map(|ms| Duration::from_secs_f64(ms / 1e3)),
            );
            outputs = (alone.output(&graph, &inputs)?, result.output);
        }
        let (ours, web) = outputs;
        ensure!(
            ours.len() == web.len() && !ours.is_empty(),
            "the engine has {} output values, onnxruntime-web {}",
            ours.len(),
            web.len()
        );
        let largest = web
            .iter()
            .fold(0.0, |largest, value| f64::max(largest, value.abs()));
        let pairs = ours.iter().zip(&web);
        let apart = pairs.fold(0.0, |most, (a, b)| {
            f64::max(most, (f64::from(*a) - b).abs())
        });
        Ok(Row {
            network,
            engine: Stats::of(engine),
            first: Stats::of(first),
            web: Stats::of(theirs),
            difference: apart / largest,
            profile: alone.profile(&graph, &inputs, self.runs)?,
        })
    }
}

fn print(rows: &[Row], peak: f64, runs: u32) {
    println!(
        "Milliseconds: median [10th to 90th percentile] of {runs} runs, one thread, by turns in one run."
    );
    println!("  engine  warm, in one instance of the snapshotted engine in Wasmtime");
    println!("  first   the first inference of an instance, over `engine`");
    println!(
        "  peak    of {:.1} GFLOP/s, this machine's relaxed SIMD by a loop of multiply-adds in f32",
        peak / 1e9
    );
    println!("  apart   the largest difference of the outputs, of the largest output");
    println!();
    println!(
        "| network | engine | first | onnxruntime-web | onnxruntime-web / engine | GFLOP/s | peak | apart |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for row in rows {
        let ratio = row.ratio();
        let speed = 2.0 * row.network.multiply_adds() as f64 / row.engine.median.as_secs_f64();
        println!(
            "| {} | {} | {:.2} | {} | {ratio:.2} | {:.1} | {:.0} % | {:.1e} |",
            row.network.name(),
            row.engine,
            ms(row.first.median) / ms(row.engine.median),
            row.web,
            speed / 1e9,
            100.0 * speed / peak,
            row.difference,
        );
    }
    print_mean(rows);
    print_quantized(rows);
    print_operators(rows);
}

/// Print the geometric mean over the FP32 image networks, which the engine's aim refers to.
fn print_mean(rows: &[Row]) {
    let images: Vec<&Row> = rows
        .iter()
        .filter(|row| Network::IMAGES.contains(&row.network))
        .collect();
    if images.is_empty() {
        return;
    }
    let mean = geometric_mean(images.iter().map(|row| row.ratio()));
    let names: Vec<&str> = images.iter().map(|row| row.network.name()).collect();
    println!();
    println!(
        "onnxruntime-web / engine, geometric mean of {}: {mean:.2} (aim 1.5)",
        names.join(", ")
    );
}

/// Print the speedup from quantization where both networks were measured.
fn print_quantized(rows: &[Row]) {
    for row in rows {
        let unquantized = row.network.unquantized();
        let Some(before) = rows.iter().find(|row| Some(row.network) == unquantized) else {
            continue;
        };
        println!();
        println!(
            "{} / {}: {:.2} in the engine (aim 1.5), {:.2} in onnxruntime-web",
            before.network.name(),
            row.network.name(),
            ms(before.engine.median) / ms(row.engine.median),
            ms(before.web.median) / ms(row.web.median),
        );
    }
}

/// Print the time of each operator.
fn print_operators(rows: &[Row]) {
    for row in rows {
        println!();
        println!("| {}: operator | steps | ms | share |", row.network.name());
        println!("| --- | --- | --- | --- |");
        for operator in by_operator(&row.profile) {
            println!(
                "| {} | {} | {:.3} | {:.1} % |",
                operator.name,
                operator.steps,
                operator.seconds * 1e3,
                operator.share
            );
        }
    }
}
