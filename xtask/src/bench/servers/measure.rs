//! One network on all servers: starts, memory, and rounds of load in turn.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::contestants::{Contestant, Kind, Tools};
use super::figures::{Measured, Sample, Series, Start};
use super::forms::{Form, Question};
use super::load::{Expected, Load};
use super::process::Server;
use super::usage;
use crate::bench::networks::Served;

/// Before a point is measured; every connection has an answer by then in any case.
const WARM_UP: Duration = Duration::from_millis(300);

/// A rate of fewer answers than this would be known to some per cent only.
const LEAST_ANSWERS: usize = 20;

/// A point that has too few answers goes on for so many times its time.
const LONGEST: u32 = 4;

/// What is measured of each network.
pub(super) struct Plan {
    pub(super) forms: Vec<Form>,
    pub(super) connections: Vec<usize>,
    pub(super) rounds: usize,
    pub(super) seconds: f64,
    pub(super) starts: usize,
    /// A folder for what servers write.
    pub(super) logs: PathBuf,
    /// Whether a server that does not start is left out.
    pub(super) may_be_missing: bool,
}

/// A server that runs, and what came of it so far.
struct Running {
    server: Server,
    start: Start,
    /// What answers have to be like, in the order of the questions.
    expected: Vec<Expected>,
}

/// Why a server is not in the tables, for the report.
pub(super) fn left_out(kind: Kind, reason: &anyhow::Error) -> String {
    format!("{}: {reason:#}", kind.name())
}

/// Measure a network whose files are in `folder`.
pub(super) fn network(
    tools: &Tools,
    served: &Served,
    folder: &Path,
    contestants: &[Contestant],
    plan: &Plan,
    left_out_so_far: &mut Vec<String>,
) -> Result<Measured> {
    let read = |form: &Form| Question::read(folder, &served.network, *form);
    let questions: Vec<Question> = plan.forms.iter().map(read).collect::<Result<_>>()?;
    ensure!(!questions.is_empty(), "no form of input is asked for");
    let mut running = Vec::new();
    for contestant in contestants {
        eprintln!(
            "{}: starting {}, {}",
            served.network,
            contestant.kind.name(),
            contestant.setting()
        );
        match start(tools, served, &questions, contestant, plan) {
            Ok(one) => running.push(one),
            Err(error) if plan.may_be_missing && contestant.kind.may_be_missing() => {
                let reason = left_out(contestant.kind, &error);
                let reason = format!("{reason} ({})", served.network);
                eprintln!("left out: {reason}");
                left_out_so_far.push(reason);
            }
            Err(error) => return Err(error.context(contestant.kind.name())),
        }
    }
    let series = rounds(&mut running, &questions, plan)?;
    Ok(Measured {
        network: served.network.clone(),
        starts: running.into_iter().map(|one| one.start).collect(),
        series,
    })
}

/// Start a server as often as is asked for, once more before; the last one goes on.
fn start(
    tools: &Tools,
    served: &Served,
    questions: &[Question],
    contestant: &Contestant,
    plan: &Plan,
) -> Result<Running> {
    let first = questions.first().context("there is no question")?;
    let log = plan
        .logs
        .join(format!("{}-{}.log", served.network, contestant.slug()));
    let mut times = Vec::new();
    let mut running = None;
    for _ in 0..=plan.starts {
        // The one before has to be gone.
        drop(running.take());
        let begin = Instant::now();
        let mut server = Server::start(
            |address| contestant.command(tools, served, address),
            log.clone(),
        )?;
        let body = server.first_answer(&first.request)?;
        times.push(begin.elapsed());
        first.check(&body)?;
        running = Some(server);
    }
    // It filled caches, of files and of compiled code.
    times.remove(0);
    let mut server = running.context("it was not started")?;
    let mut expected = Vec::new();
    for question in questions {
        let body = server.first_answer(&question.request)?;
        let checked = question.check(&body);
        expected.push(checked.with_context(|| format!("as {}", question.form.name()))?);
    }
    let memory = usage::memory_of_tree(server.id())?;
    Ok(Running {
        server,
        start: Start {
            kind: contestant.kind,
            setting: contestant.setting(),
            times,
            idle_memory: memory,
            load_memory: memory,
        },
        expected,
    })
}

/// All points, round after round; at each of them, the servers in turn.
fn rounds(running: &mut [Running], questions: &[Question], plan: &Plan) -> Result<Vec<Series>> {
    let mut all: Vec<Series> = Vec::new();
    for round in 0..plan.rounds {
        let mut index = 0;
        for (number, question) in questions.iter().enumerate() {
            for connections in &plan.connections {
                eprintln!(
                    "round {} of {}: {}, {connections} connections",
                    round + 1,
                    plan.rounds,
                    question.form.name()
                );
                for turn in 0..running.len() {
                    // Another one begins in each round, or it would always follow the same neighbor.
                    let turn = (turn + round) % running.len();
                    let one = &mut running[turn];
                    let sample =
                        point(one, question, number, *connections, plan).with_context(|| {
                            let name = one.start.kind.name();
                            format!(
                                "{name}, {}, {connections} connections",
                                question.form.name()
                            )
                        })?;
                    if round == 0 {
                        all.push(Series {
                            kind: one.start.kind,
                            setting: one.start.setting.clone(),
                            form: question.form,
                            connections: *connections,
                            rounds: vec![sample],
                        });
                    } else if let Some(series) = all.get_mut(index + turn) {
                        series.rounds.push(sample);
                    }
                }
                index += running.len();
            }
        }
    }
    Ok(all)
}

/// One server, one form, so many connections.
fn point(
    one: &mut Running,
    question: &Question,
    number: usize,
    connections: usize,
    plan: &Plan,
) -> Result<Sample> {
    let expected = *one
        .expected
        .get(number)
        .context("a form that was not tried")?;
    let load = Load::start(one.server.address, &question.request, expected, connections);
    load.warm_up(WARM_UP)?;
    let process = one.server.id();
    let before = (usage::cpu_of_tree(process)?, usage::own_cpu()?);
    let from = Instant::now();
    let time = Duration::from_secs_f64(plan.seconds);
    load.run(time, time * LONGEST, LEAST_ANSWERS)?;
    let until = Instant::now();
    let after = (usage::cpu_of_tree(process)?, usage::own_cpu()?);
    // While the load goes on, but outside what is timed: the kernel walks all pages for it.
    one.start.load_memory = one.start.load_memory.max(usage::memory_of_tree(process)?);
    let latencies = load.finish(from, until)?;
    ensure!(
        !latencies.is_empty(),
        "no answer came within {:?}",
        until - from
    );
    Ok(Sample::of(
        &latencies,
        until - from,
        after.0.saturating_sub(before.0),
        after.1.saturating_sub(before.1),
    ))
}
