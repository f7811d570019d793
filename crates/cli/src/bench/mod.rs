//! `cargo infer bench`: what serving adds to computing.
//!
//! For every model of a repository, in one run on one machine: the time until an instance has its
//! models ready, the warm compute time in the engine alone, and the time of a request over HTTP with
//! a fresh instance each. Ratios are what to quote; absolute times are this machine's.

mod engine;
mod http;
mod stats;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use infer_host::{App, AppOptions, Limits, Manifest};
use infer_model_card::{Datatype, Model};
use infer_pack::BuildOptions;

use crate::progress::Terminal;
use crate::workspace;
use stats::Stats;

/// Measure what serving adds to computing, for each model of a repository.
#[derive(Args)]
pub struct Bench {
    /// The model repository [default: models]
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Runs counted, after a warm-up of a tenth
    #[arg(long, value_name = "N", default_value_t = 200,
          value_parser = clap::value_parser!(u32).range(10..=100_000))]
    runs: u32,
}

/// A model's measurements.
struct Row {
    model: String,
    ready: Stats,
    engine_compute: Stats,
    request: Stats,
    server_compute: Stats,
}

impl Bench {
    /// Build the repository's artefact, measure, print a table.
    pub fn run(self) -> Result<()> {
        let root = workspace::root()?;
        let mut options = BuildOptions::new(root.clone());
        if let Some(models) = self.models {
            options = options.with_models(models);
        }
        let artefacts = infer_pack::build(&options, &Terminal::new())?;
        let manifest = Manifest {
            source: artefacts.composed.clone(),
            mounts: Vec::new(),
            ..Manifest::read(&root.join(workspace::MANIFEST))?
        };
        let cache_dir = root.join("target/infer/cache");
        let limits = Limits::default();
        let engine = engine::Alone::load(&artefacts.engine, &cache_dir, &limits)?;
        let app = App::load(AppOptions {
            manifest,
            cache_dir,
            limits,
            environment: std::iter::once((
                "INFER_MAX_BODY_BYTES".to_owned(),
                "104857600".to_owned(),
            ))
            .collect(),
        })?;
        let server = http::Running::start(app)?;
        let mut rows = Vec::new();
        for model in artefacts.models.iter().filter(|model| model.is_snapshot()) {
            let row = measure(model, &engine, &server, self.runs)
                .with_context(|| format!("measuring `{}`", model.name))?;
            rows.push(row);
        }
        print(&rows, self.runs);
        Ok(())
    }
}

fn measure(
    model: &Model,
    engine: &engine::Alone,
    server: &http::Running,
    runs: u32,
) -> Result<Row> {
    let input = model
        .card
        .inputs
        .first()
        .context("the model has no input")?;
    anyhow::ensure!(
        model.card.inputs.len() == 1 && input.datatype == Datatype::Fp32,
        "only models with one FP32 input are measured"
    );
    let shape: Vec<u32> = input
        .shape
        .iter()
        .map(|size| u32::try_from(*size).unwrap_or(1))
        .collect();
    let elements: u32 = shape.iter().product();
    let data: Vec<u8> = (0..elements)
        .flat_map(|index| (index as f32 * 0.01).sin().to_le_bytes())
        .collect();
    let name = model.name.as_str();
    let warm_up = runs / 10;
    let ready = engine.time_to_ready(name, warm_up, runs)?;
    let engine_compute = engine.compute(name, &input.name, &shape, &data, warm_up, runs)?;
    let (request, server_compute) = server.requests(name, &data, warm_up, runs)?;
    Ok(Row {
        model: name.to_owned(),
        ready: Stats::of(ready),
        engine_compute: Stats::of(engine_compute),
        request: Stats::of(request),
        server_compute: Stats::of(server_compute),
    })
}

fn print(rows: &[Row], runs: u32) {
    println!("Milliseconds: median [10th to 90th percentile] of {runs} runs, one after another.");
    println!("  ready    an instance of the engine is made and has found its graph");
    println!("  engine   warm compute in one instance of the engine, nothing around it");
    println!("  request  POST /infer with the raw tensor over loopback, a fresh instance each");
    println!("  compute  what Server-Timing says of the same requests");
    println!();
    println!(
        "| model | ready | engine | request | compute | request - compute | request / engine |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for row in rows {
        println!(
            "| {} | {} | {} | {} | {} | {:.2} | {:.2} |",
            row.model,
            row.ready,
            row.engine_compute,
            row.request,
            row.server_compute,
            ms(row.request.median) - ms(row.server_compute.median),
            ms(row.request.median) / ms(row.engine_compute.median),
        );
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
