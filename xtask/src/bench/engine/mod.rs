//! `cargo xtask bench engine`: the engine in WebAssembly beside onnxruntime-web, in one thread each.
//!
//! Both compute the same networks on the same inputs, by turns in one run: the snapshotted engine in Wasmtime as the host
//! configures it, and onnxruntime-web under Node. What each is of the machine's SIMD is told by a loop
//! of multiply-adds in the engine, and where the time goes by the engine itself.

mod onnxruntime_web;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use infer_host::Limits;

use super::alone::{Alone, Tensor};
use super::networks::{self, Network, Served};
use super::stats::{Stats, ms};
use crate::project;
use onnxruntime_web::OnnxRuntimeWeb;

/// Measure the engine in WebAssembly beside onnxruntime-web.
#[derive(Args)]
pub(super) struct Engine {
    /// Which networks
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Network::ALL)]
    networks: Vec<Network>,
    /// A folder with `NETWORK/model.onnx`, `model.toml` and `input.bin` for each [default: written by bench/networks.py]
    #[arg(long, value_name = "DIR")]
    models: Option<std::path::PathBuf>,
    /// Turns: each measures both
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Runs of each in a turn, after a warm-up of a tenth
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
}

/// A network's measurements.
struct Row {
    network: Network,
    engine: Stats,
    first: Stats,
    web: Stats,
    /// The largest difference of the outputs, relative to the largest output.
    difference: f64,
    profile: Vec<(String, f64)>,
}

impl Row {
    /// How many times as long as the engine onnxruntime-web takes.
    fn ratio(&self) -> f64 {
        ms(self.web.median) / ms(self.engine.median)
    }
}

impl Engine {
    /// Measure, and print tables.
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
            // The others are measured all the same.
            match measured() {
                Ok(row) => rows.push(row),
                Err(error) => {
                    eprintln!("{} is not measured: {error:#}", network.name());
                    failed.push(network.name());
                }
            }
        }
        print(&rows, peak, self.rounds * self.runs);
        ensure!(failed.is_empty(), "not measured: {}", failed.join(", "));
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
            // An instance's first inference, which touches its memory, in new instances.
            for _ in 0..3 {
                first.extend(alone.compute(&graph, &inputs, 0, 1)?);
            }
            let warm_up = (self.runs / 10).max(1);
            engine.extend(alone.compute(&graph, &inputs, warm_up, self.runs)?);
            let came = web.time(&folder.join("model.onnx"), &inputs, &path, self.runs)?;
            theirs.extend(
                came.times
                    .iter()
                    .map(|ms| Duration::from_secs_f64(ms / 1e3)),
            );
            outputs = (alone.output(&graph, &inputs)?, came.output);
        }
        let (ours, web) = outputs;
        ensure!(
            ours.len() == web.len() && !ours.is_empty(),
            "the outputs are not of one length"
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
            profile: alone.profile(&graph, self.runs)?,
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

/// The mean over the networks of pictures in f32, which is what the engine's aim is about.
fn print_mean(rows: &[Row]) {
    let pictures: Vec<&Row> = rows
        .iter()
        .filter(|row| Network::PICTURES.contains(&row.network))
        .collect();
    if pictures.is_empty() {
        return;
    }
    let product: f64 = pictures.iter().map(|row| row.ratio()).product();
    let mean = product.powf(1.0 / pictures.len() as f64);
    let names: Vec<&str> = pictures.iter().map(|row| row.network.name()).collect();
    println!();
    println!(
        "onnxruntime-web / engine, geometric mean of {}: {mean:.2} (aim 1.5)",
        names.join(", ")
    );
}

/// What quantizing brings, where both networks were measured.
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

/// Where the time goes.
fn print_operators(rows: &[Row]) {
    for row in rows {
        let mut kinds: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
        for (name, seconds) in &row.profile {
            let kind = kinds.entry(name).or_default();
            *kind = (kind.0 + 1, kind.1 + seconds);
        }
        let total: f64 = row.profile.iter().map(|(_, seconds)| seconds).sum();
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_by(|(_, a), (_, b)| b.1.total_cmp(&a.1));
        println!();
        println!("| {}: operator | steps | ms | share |", row.network.name());
        println!("| --- | --- | --- | --- |");
        for (name, (steps, seconds)) in kinds {
            println!(
                "| {name} | {steps} | {:.3} | {:.1} % |",
                seconds * 1e3,
                100.0 * seconds / total
            );
        }
    }
}
