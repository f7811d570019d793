//! `cargo xtask conformance`: sends operator test cases to the service over HTTP.
//!
//! [`case`] reads the cases, [`repository`] makes models of them, [`service`] serves the models and sends the requests,
//! [`compare`] compares the outputs, [`operator`] finds the operator that a case tests, and [`report`] writes the table.

mod case;
mod compare;
mod operator;
mod report;
mod repository;
mod service;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use infer_onnx::Description;
use infer_pack::BuildOptions;

use self::case::Case;
use self::operator::Operators;
use self::report::Row;
use self::repository::Prepared;
use self::service::Service;
use crate::project;

/// The models per service, since each has a card in the memory of every instance.
const GROUP: usize = 800;

/// The number of cases between two progress messages.
const PROGRESS: usize = 100;

/// Run operator test cases through the service over HTTP, and print a table of the results per operator
///
/// A case is a folder with `model.onnx`, `case.json` and a raw little-endian file per tensor. `case.json` has the lists
/// `inputs` and `outputs`, with the `name`, NumPy `dtype`, `shape` and `file` of each tensor. Floats may differ by
/// 0.00001 plus a thousandth of the expected value; integers and BOOL must be equal.
#[derive(Args)]
pub(crate) struct Conformance {
    /// Folder of cases
    #[arg(value_name = "DIR")]
    cases: PathBuf,
    /// Also write the table to a Markdown file, between the marks of this command
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// The origin of the cases, which selects the marks in the file
    #[arg(long, value_enum, default_value_t = Cases::Onnx)]
    of: Cases,
    /// Fail if fewer cases pass
    #[arg(long, value_name = "N")]
    at_least: Option<usize>,
}

/// The origin of cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Cases {
    /// The node tests of the `onnx` package (tests/conformance/cases.py)
    Onnx,
    /// Operators of com.microsoft and ai.onnx.ml, computed by ONNX Runtime (tests/conformance/runtime_cases.py)
    Onnxruntime,
}

impl Cases {
    /// The command in the marks around the table.
    fn command(self) -> &'static str {
        match self {
            Self::Onnx => "cargo xtask conformance",
            Self::Onnxruntime => "cargo xtask conformance --of onnxruntime",
        }
    }
}

/// The result of a case, with a reason unless it passed.
enum Outcome {
    Passed,
    /// An output has wrong values.
    Wrong(String),
    /// The engine refused the graph.
    NotLoaded(String),
    /// The engine loaded the graph, and the request failed.
    Refused(String),
    /// The folder has no complete case.
    Incomplete(String),
}

impl Outcome {
    /// The kind of failure.
    fn kind(&self) -> Option<&'static str> {
        Some(match self {
            Self::Passed => return None,
            Self::Wrong(_) => "with wrong values",
            Self::NotLoaded(_) => "not loaded",
            Self::Refused(_) => "not answered",
            Self::Incomplete(_) => "incomplete",
        })
    }

    /// The reason of a failure.
    fn reason(&self) -> Option<&str> {
        match self {
            Self::Passed => None,
            Self::Wrong(reason)
            | Self::NotLoaded(reason)
            | Self::Refused(reason)
            | Self::Incomplete(reason) => Some(reason),
        }
    }
}

impl Conformance {
    /// Run all cases and print the table; fails if the cases cannot be run or too few pass.
    pub(crate) fn run(self) -> Result<()> {
        let cases = self
            .cases
            .canonicalize()
            .with_context(|| format!("cannot read `{}`", self.cases.display()))?;
        let rows = run(&cases)?;
        let table = report::table(&rows);
        print!("{table}");
        if let Some(path) = &self.write {
            report::write(path, self.of.command(), &table)?;
        }
        let passed = report::passed(&rows);
        let least = self.at_least.unwrap_or_default();
        ensure!(
            passed >= least,
            "{passed} of {} cases pass, expected at least {least}",
            rows.len()
        );
        Ok(())
    }
}

fn run(dir: &Path) -> Result<Vec<Row>> {
    let mut graphs: BTreeMap<String, Operators> = BTreeMap::new();
    let mut outcomes: BTreeMap<String, Outcome> = BTreeMap::new();
    let mut prepared = Vec::new();
    for (name, folder) in case::folders(dir)? {
        let outcome = match Case::read(&name, &folder) {
            Ok(case) => match prepare(&name, case, &mut graphs) {
                Ok(ready) => {
                    prepared.push(ready);
                    continue;
                }
                Err(error) => Outcome::NotLoaded(format!("{error:#}")),
            },
            Err(error) => Outcome::Incomplete(format!("{error:#}")),
        };
        outcomes.insert(name, outcome);
    }
    let options = BuildOptions::new(project::root()).with_models(dir.to_owned());
    let _lock = lock(&options.folder)?;
    for (number, group) in prepared.chunks(GROUP).enumerate() {
        let first = number * GROUP;
        eprintln!(
            "cases {} to {} of {}: building a service",
            first + 1,
            first + group.len(),
            prepared.len()
        );
        // The same cases get the same folder, so they are built once.
        let folder = options.folder.join(format!("cases-{number}"));
        let options = BuildOptions {
            models: folder.join("models"),
            folder,
            ..options.clone()
        };
        repository::write(&options.models, group)?;
        let service = Service::start(&options)?;
        for (done, one) in group.iter().enumerate() {
            outcomes.insert(one.name.clone(), service.run(one));
            if (done + 1) % PROGRESS == 0 {
                eprintln!("sent {} of {}", first + done + 1, prepared.len());
            }
        }
    }
    let rows = outcomes.into_iter().map(|(case, outcome)| Row {
        operator: operator::of(&case, &graphs),
        case,
        outcome,
    });
    Ok(rows.collect())
}

/// Make a model of a case, and record its operators.
fn prepare(name: &str, case: Case, graphs: &mut BTreeMap<String, Operators>) -> Result<Prepared> {
    let Description {
        signature, summary, ..
    } = infer_onnx::describe(&case.onnx)?;
    let operators = Operators {
        last: summary
            .last_operators
            .into_iter()
            .next()
            .unwrap_or_default(),
        all: summary.operators.into_keys().collect(),
    };
    graphs.insert(name.to_owned(), operators);
    Prepared::new(name, case, signature)
}

/// Lock out other runs, which would write the same repository.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("conformance.lock");
    let open = || -> std::io::Result<File> {
        std::fs::create_dir_all(folder)?;
        let file = File::create(&path)?;
        file.lock()?;
        Ok(file)
    };
    open().with_context(|| format!("cannot lock `{}`", path.display()))
}
