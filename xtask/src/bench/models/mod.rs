//! `cargo xtask bench models DIR`: the engine on every ONNX file of a folder, beside ONNX Runtime and onnxruntime-web.
//!
//! All three run with one thread on the same inputs, in alternating rounds. The engine runs in Wasmtime as the host
//! configures it, ONNX Runtime natively with its default optimizations, and onnxruntime-web under Node.

mod compare;
mod native;
mod report;
mod session;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use infer_host::Limits;
use infer_pack::Profile;
use infer_pack::compile::{self, Component};
use infer_pack::toolchain;

use super::alone::Alone;
use super::onnxruntime_web::OnnxRuntimeWeb;
use super::stats::Stats;
use crate::project::{self, Steps};
use native::Native;
use report::Row;
use session::Session;

/// Measure the engine on every ONNX file of a folder, beside ONNX Runtime and onnxruntime-web
#[derive(Args)]
pub(super) struct Models {
    /// Folder with ONNX files, at any depth, or one file
    dir: PathBuf,
    /// The shape of an input in every model that has it; sizes that a file leaves open are guessed otherwise
    #[arg(long = "shape", value_name = "INPUT=1x3x224x224")]
    shapes: Vec<String>,
    /// Rounds, each of which measures all engines
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// The most runs of each engine in a round, after a warm-up of a tenth as many; slow models get fewer
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// Leave onnxruntime-web out
    #[arg(long)]
    no_web: bool,
}

/// The time that the runs of one engine in a round should take.
const ROUND: Duration = Duration::from_secs(2);

/// The engines of a measurement.
struct Engines {
    alone: Alone,
    native: Native,
    web: Option<OnnxRuntimeWeb>,
}

impl Models {
    /// Measure, and print the tables.
    pub(super) fn run(self) -> Result<()> {
        let root = project::root();
        let files = files(&self.dir)?;
        ensure!(
            !files.is_empty(),
            "no ONNX file in `{}`",
            self.dir.display()
        );
        toolchain::ensure(&root, &Steps)?;
        let engine = compile::compile(&root, Component::Engine, Profile::Release, true, &Steps)?;
        // Some models are larger than a host's default lets an instance be.
        let limits = Limits {
            instance_memory_bytes: 4 << 30,
            max_instances: 1,
            ..Limits::default()
        };
        let engines = Engines {
            alone: Alone::load(&engine, &root.join("target/infer/cache"), &limits)?,
            native: Native::prepare(&root)?,
            web: match self.no_web {
                true => None,
                false => Some(OnnxRuntimeWeb::prepare(&root)?),
            },
        };
        let scratch = tempfile::tempdir().context("cannot create a folder")?;
        let (mut rows, mut failed) = (Vec::new(), Vec::new());
        for (number, file) in files.iter().enumerate() {
            let name = self.name(file);
            eprintln!("{}/{} {name} …", number + 1, files.len());
            let folder = scratch.path().join(number.to_string());
            // A failure must not keep the other models from being measured.
            match self.measure(&name, file, &folder, &engines) {
                Ok(row) => rows.push(row),
                Err(error) => failed.push(format!("{name}: {error:#}")),
            }
        }
        report::print(&rows, self.rounds);
        ensure!(failed.is_empty(), "not measured:\n{}", failed.join("\n"));
        Ok(())
    }

    /// The path of a model below the folder.
    fn name(&self, file: &Path) -> String {
        let below = file.strip_prefix(&self.dir).unwrap_or(file);
        let below = match below.as_os_str().is_empty() {
            true => file,
            false => below,
        };
        below.with_extension("").display().to_string()
    }

    fn measure(&self, name: &str, file: &Path, folder: &Path, engines: &Engines) -> Result<Row> {
        let onnx = infer_onnx::read_standard(file)?;
        let file = file.canonicalize()?;
        // The first call writes the inputs, and says how long a run takes.
        let first = engines.native.time(&file, folder, &self.shapes, 1)?;
        let description = Native::description(folder)?;
        let path = folder.join("input.bin");
        let data = std::fs::read(&path)?;
        let inputs = description.inputs(&data)?;
        let mut session = Session::load(&engines.alone, &onnx)?;
        let actual = session.outputs(&inputs)?;
        let expected = std::fs::read(folder.join("output.bin"))?;
        let apart = compare::apart(&description.outputs, &expected, &actual)?;
        let (mut engine, mut native, mut web) = (Vec::new(), Vec::new(), Vec::new());
        let mut web_problem = None;
        let warm = session.times(&inputs, 0, 1)?;
        let runs = |once: Duration| {
            let fitting = ROUND.as_secs_f64() / once.as_secs_f64().max(1e-6);
            (fitting as u32).clamp(2, self.runs.max(2))
        };
        for _ in 0..self.rounds {
            let count = runs(warm[0]);
            engine.extend(session.times(&inputs, (count / 10).max(1), count)?);
            native.extend(engines.native.time(&file, folder, &[], runs(first[0]))?);
            if let Some(engines) = engines.web.as_ref().filter(|_| web_problem.is_none()) {
                match engines.time(&file, &inputs, &path, runs(warm[0])) {
                    Ok(found) => {
                        let times = found.times.iter();
                        web.extend(times.map(|ms| Duration::from_secs_f64(ms / 1e3)));
                    }
                    Err(error) => web_problem = Some(format!("{error:#}")),
                }
            }
        }
        if let Some(problem) = web_problem {
            eprintln!("  {}", problem.lines().next().unwrap_or_default());
        }
        Ok(Row {
            name: name.to_owned(),
            engine: Stats::of(engine),
            native: Stats::of(native),
            web: (!web.is_empty()).then(|| Stats::of(web)),
            apart,
            profile: session.profile(&inputs, 3)?,
        })
    }
}

/// The ONNX files of a folder and of the folders in it, sorted; or one file.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("cannot read `{}`", path.display());
    if !path.is_dir() {
        std::fs::metadata(path).with_context(context)?;
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).with_context(context)? {
        let entry = entry.with_context(context)?.path();
        if entry.is_dir() {
            found.extend(files(&entry)?);
        } else if entry
            .extension()
            .is_some_and(|extension| extension == "onnx")
        {
            found.push(entry);
        }
    }
    found.sort();
    Ok(found)
}
