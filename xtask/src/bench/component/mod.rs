//! `cargo xtask bench component`: the overhead of serving over inference alone.
//!
//! For each model of a repository, one run measures the time until an instance has its models ready, the warm compute
//! time in the engine alone, and the time of an HTTP request, which gets a fresh instance. Then it measures the decode
//! and encode times of each tensor format beside the compute time. Quote ratios: absolute times depend on the machine.

mod forms;
mod http;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use infer_host::{App, AppOptions, Limits, Manifest};
use infer_model_card::Model;
use infer_pack::BuildOptions;
use infer_tensor::Datatype;

use super::alone::{Alone, Tensor};
use super::stats::{Stats, ms};
use crate::loopback::Loopback;
use crate::project;
use crate::project::Steps;
pub(super) use forms::protocol_json;

/// Measure the overhead of serving over inference alone, for each model of a repository
#[derive(Args)]
pub(super) struct Component {
    /// Model repository [default: models]
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Encoded image, which is also sent to each model that takes images
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Runs to measure, after a warm-up of a tenth as many
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

impl Component {
    /// Build the repository's artifact, measure, and print the tables.
    pub(super) fn run(self) -> Result<()> {
        let root = project::root();
        let mut options = BuildOptions::new(root.clone());
        if let Some(models) = self.models {
            options = options.with_models(models);
        }
        let read = |path: &PathBuf| {
            std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
        };
        let image = self.image.as_ref().map(read).transpose()?;
        let artifacts = infer_pack::build(&options, &Steps)?;
        let manifest = Manifest {
            source: artifacts.composed.clone(),
            mounts: Vec::new(),
            ..Manifest::read(&root.join(project::MANIFEST))?
        };
        let cache_dir = root.join("target/infer/cache");
        let limits = Limits::default();
        let engine = Alone::load(&artifacts.engine, &cache_dir, &limits)?;
        let app = App::load(AppOptions {
            control: None,
            manifest,
            cache_dir,
            limits,
            graphs: None,
            observe: Default::default(),
            environment: std::iter::once((
                "INFER_MAX_BODY_BYTES".to_owned(),
                "104857600".to_owned(),
            ))
            .collect(),
        })?;
        let server = Loopback::start(app)?;
        let (mut rows, mut forms) = (Vec::new(), Vec::new());
        // `/infer` uses the latest version of a model, so that one is measured.
        let latest = artifacts.models.chunk_by(|a, b| a.id.name == b.id.name);
        let latest = latest.filter_map(|versions| versions.last());
        for model in latest.filter(|model| model.is_snapshot()) {
            if let Some(image) = image.as_ref().filter(|_| model.card.image.is_some()) {
                forms.push(forms::image(model, image, &server, self.runs)?);
            }
            let input = match Input::of(model) {
                Ok(input) => input,
                Err(reason) => {
                    eprintln!("`{}` is not measured: {reason}", model.id);
                    continue;
                }
            };
            let mut measured = || -> Result<()> {
                rows.push(measure(&input, &engine, &server, self.runs)?);
                forms.extend(forms::measure(&input, &server, self.runs)?);
                Ok(())
            };
            measured().with_context(|| format!("measuring `{}`", model.id))?;
        }
        print(&rows, self.runs);
        forms::print(&forms);
        Ok(())
    }
}

/// A model and the input that it gets.
struct Input<'a> {
    /// The graph's name in wasi-nn.
    graph: String,
    /// The model's name in HTTP.
    model: &'a str,
    /// The floats sin(0.01 i).
    tensor: Tensor<'a>,
}

impl<'a> Input<'a> {
    fn of(model: &'a Model) -> Result<Self> {
        let spec = model
            .card
            .inputs
            .first()
            .context("the model has no input")?;
        anyhow::ensure!(
            model.card.inputs.len() == 1 && spec.datatype == Datatype::Fp32,
            "expected a model with one FP32 input"
        );
        let shape = spec.usual_shape();
        let elements: u32 = shape.iter().product();
        Ok(Self {
            graph: model.id.to_string(),
            model: model.id.name.as_str(),
            tensor: Tensor {
                name: &spec.name,
                datatype: spec.datatype,
                shape,
                data: (0..elements)
                    .flat_map(|index| (index as f32 * 0.01).sin().to_le_bytes())
                    .collect(),
            },
        })
    }
}

fn measure(input: &Input, engine: &Alone, server: &Loopback, runs: u32) -> Result<Row> {
    let warm_up = runs / 10;
    let ready = engine.time_to_ready(&input.graph, warm_up, runs)?;
    let tensors = std::slice::from_ref(&input.tensor);
    let compute = engine.compute(&input.graph, tensors, warm_up, runs)?;
    let requests = server.requests(&forms::raw(input), warm_up, runs)?;
    Ok(Row {
        model: input.model.to_owned(),
        ready: Stats::of(ready),
        engine_compute: Stats::of(compute),
        request: Stats::of(requests.iter().map(|one| one.elapsed).collect()),
        server_compute: Stats::of(requests.iter().map(|one| one.compute).collect()),
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
