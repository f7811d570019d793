//! `cargo xtask conformance`: operator cases, asked of the service over HTTP.
//!
//! [`case`] reads them, [`repository`] makes models of them, [`service`] serves these and asks, [`compare`] judges what
//! comes, [`operator`] says what a case is of, [`report`] writes the table.

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
use clap::Args;
use infer_pack::BuildOptions;

use self::case::Case;
use self::operator::Operators;
use self::report::Row;
use self::repository::Asked;
use self::service::Service;
use crate::project;

/// Models of one service: each has a card in the memory of every instance.
const GROUP: usize = 800;

/// After how many cases something is said.
const PROGRESS: usize = 100;

/// Run operator cases through the service, over HTTP: a table of what each operator's cases come to.
///
/// A case is a folder with `model.onnx`, `case.json` (a list `inputs` and one `outputs`, with each tensor's `name`,
/// `dtype` as NumPy calls it, `shape` and `file`) and these files, raw and little-endian. Floats may be apart by
/// 0.00001 and a thousandth; integers and BOOL may not.
#[derive(Args)]
pub(crate) struct Conformance {
    /// The folder of cases
    #[arg(value_name = "DIR")]
    cases: PathBuf,
    /// Write the table to a Markdown file too, below what is written there by hand
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Fail when fewer cases pass
    #[arg(long, value_name = "N")]
    at_least: Option<usize>,
}

/// What came of a case. Each but the first has a reason.
enum Outcome {
    Passed,
    /// There is an answer, but not the right one.
    Wrong(String),
    /// The graph is not taken.
    NotLoaded(String),
    /// The graph is taken, and the request is not answered.
    Refused(String),
    /// There is no whole case in the folder.
    Incomplete(String),
}

impl Outcome {
    /// How it failed, if it did.
    fn kind(&self) -> Option<&'static str> {
        Some(match self {
            Self::Passed => return None,
            Self::Wrong(_) => "with wrong values",
            Self::NotLoaded(_) => "not loaded",
            Self::Refused(_) => "not answered",
            Self::Incomplete(_) => "incomplete",
        })
    }

    /// Why it failed, if it did.
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
    /// Run all cases and print the table; fails when they cannot be run, or fewer pass than were asked for.
    pub(crate) fn run(self) -> Result<()> {
        let cases = self
            .cases
            .canonicalize()
            .with_context(|| format!("cannot read `{}`", self.cases.display()))?;
        let rows = run(&cases)?;
        let table = report::table(&rows);
        print!("{table}");
        if let Some(path) = &self.write {
            report::write(path, &table)?;
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
    let mut asked = Vec::new();
    for (name, folder) in case::folders(dir)? {
        let outcome = match Case::read(&name, &folder) {
            Ok(case) => match prepare(&name, case, &mut graphs) {
                Ok(ready) => {
                    asked.push(ready);
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
    for (number, group) in asked.chunks(GROUP).enumerate() {
        let first = number * GROUP;
        eprintln!(
            "cases {} to {} of {}: building a service of them",
            first + 1,
            first + group.len(),
            asked.len()
        );
        // The same place for the same cases, so that they are built once.
        let folder = options.folder.join(format!("cases-{number}"));
        let options = BuildOptions {
            models: folder.join("models"),
            folder,
            ..options.clone()
        };
        repository::write(&options.models, group)?;
        let service = Service::start(&options)?;
        for (done, one) in group.iter().enumerate() {
            outcomes.insert(one.name.clone(), service.ask(one));
            if (done + 1) % PROGRESS == 0 {
                eprintln!("asked {} of {}", first + done + 1, asked.len());
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

/// Make a model of a case, and note its operators.
fn prepare(name: &str, case: Case, graphs: &mut BTreeMap<String, Operators>) -> Result<Asked> {
    let (signature, summary) = infer_import::graph::declared(&case.onnx)?;
    let operators = Operators {
        last: summary
            .last_operators
            .into_iter()
            .next()
            .unwrap_or_default(),
        all: summary.operators.into_keys().collect(),
    };
    graphs.insert(name.to_owned(), operators);
    Asked::new(name, case, signature)
}

/// One run of the same cases at a time: they would write the same repository.
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
