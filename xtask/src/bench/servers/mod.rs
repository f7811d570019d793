//! `cargo xtask bench servers`: this service, portable and native, beside the servers that a user might pick instead.
//!
//! The contestants are FastAPI over onnxruntime, a bare Rust server over ONNX Runtime as the ceiling, and stock
//! `wasmtime serve` if it is installed. One run on one machine sends all of them the same request bytes for the same
//! network, in turn and in several rounds, and writes the results to `bench/results/`.

mod connection;
mod contestants;
mod figures;
mod forms;
mod load;
mod machine;
mod measure;
mod plot;
mod process;
mod report;
mod usage;

use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use super::networks::{self, Network};
use crate::project;
use contestants::{Contestant, Kind, Tools};
use forms::Form;
use measure::Plan;
use report::Report;

/// Measure this service beside other servers, and write a table and a plot to bench/results
///
/// The benchmark needs Python 3 and a package index (for FastAPI), and takes about 20 minutes once everything is
/// installed and compiled. The report leaves out servers that are not available, and says so. A server that --servers
/// names must be available.
#[derive(Args)]
pub(super) struct Servers {
    /// Networks of bench/networks.py: the first in all formats, the others as raw tensors
    #[arg(
        long,
        value_parser = Network::images(),
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "mobilenetv2,squeezenet,resnet50"
    )]
    networks: Vec<Network>,
    /// Folder that bench/networks.py wrote [default: written below target/bench]
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Servers to measure [default: all that are available]
    #[arg(long, value_enum, value_name = "NAMES", value_delimiter = ',')]
    servers: Option<Vec<Kind>>,
    /// Formats of the input
    #[arg(
        long,
        value_enum,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "raw,json,jpeg"
    )]
    forms: Vec<Form>,
    /// Numbers of connections, each with one request at a time
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1,2,8,32",
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    concurrency: Vec<u16>,
    /// Rounds over all points
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Time per point; up to four times as long until there are 20 responses
    #[arg(long, value_name = "SECONDS", default_value_t = 1.5, value_parser = seconds)]
    seconds: f64,
    /// Starts of each server, after one that is not counted
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    starts: u16,
    /// Folder for the table and the plot
    #[arg(long, value_name = "DIR", default_value = "bench/results")]
    output: PathBuf,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.05..=600.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("not within 0.05 to 600".to_owned())
    }
}

impl Servers {
    /// Prepare the servers, measure, and write the report.
    pub(super) fn run(self) -> Result<()> {
        let root = project::root();
        let cores = thread::available_parallelism()?.get();
        let (tools, contestants, mut left_out) = self.contestants(&root, cores)?;
        let networks = match &self.models {
            Some(folder) => folder.clone(),
            None => networks::write(&root, &self.networks)?,
        };
        let mut plan = Plan {
            forms: self.forms.clone(),
            connections: self
                .concurrency
                .iter()
                .map(|count| usize::from(*count))
                .collect(),
            rounds: self.rounds.into(),
            seconds: self.seconds,
            starts: self.starts.into(),
            logs: root.join("target/bench/logs"),
            may_be_missing: self.servers.is_none(),
        };
        std::fs::create_dir_all(&plan.logs)
            .with_context(|| format!("cannot create `{}`", plan.logs.display()))?;
        let mut measured = Vec::new();
        for network in &self.networks {
            let served = networks::serve(&root, &networks, *network)?;
            let folder = networks.join(network.name());
            measured.push(
                measure::network(&tools, &served, &folder, &contestants, &plan, &mut left_out)
                    .with_context(|| format!("measuring `{}`", network.name()))?,
            );
            // The cost of a format does not depend on the network.
            if plan.forms.contains(&Form::Raw) {
                plan.forms = vec![Form::Raw];
            }
        }
        let report = Report {
            date: machine::today(),
            machine: machine::describe(cores),
            versions: machine::versions(&root),
            command: command(std::env::args().skip(1)),
            seconds: self.seconds,
            rounds: self.rounds.into(),
            left_out,
            networks: measured,
        };
        self.write(&root, &report)
    }

    /// The contestants, and a sentence for each server that is left out.
    fn contestants(
        &self,
        root: &Path,
        cores: usize,
    ) -> Result<(Tools, Vec<Contestant>, Vec<String>)> {
        let kinds = match &self.servers {
            Some(kinds) => kinds.clone(),
            None => Kind::value_variants().to_vec(),
        };
        let (tools, missing) = Tools::prepare(root, &kinds)?;
        let mut left_out = Vec::new();
        for (kind, reason) in &missing {
            ensure!(
                self.servers.is_none(),
                "{} cannot be measured: {reason:#}",
                kind.name()
            );
            left_out.push(measure::left_out(*kind, reason));
        }
        let has = |kind: &Kind| !missing.iter().any(|(missing, _)| missing == kind);
        let kinds: Vec<Kind> = kinds.into_iter().filter(has).collect();
        Ok((tools, Contestant::all(&kinds, cores), left_out))
    }

    fn write(&self, root: &Path, report: &Report) -> Result<()> {
        let folder = root.join(&self.output);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create `{}`", folder.display()))?;
        let page = report.markdown();
        for (name, text) in [
            ("servers.md", page.as_str()),
            ("servers.svg", &plot::svg(&report.networks)),
        ] {
            let path = folder.join(name);
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write `{}`", path.display()))?;
            println!("written: {}", path.display());
        }
        println!("\n{page}");
        Ok(())
    }
}

/// The command line as it was typed.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let arguments: Vec<String> = arguments.collect();
    format!("cargo xtask {}", arguments.join(" "))
}
