//! Measures one network on all servers: starts, memory, and rounds of load in turn.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::contestants::{Contestant, Kind, Tools};
use super::figures::{Measured, Sample, Series, Start};
use super::forms::{Form, Probe};
use super::load::{Expected, Load};
use super::process::Server;
use super::usage;
use crate::bench::networks::Served;

/// The least warm-up of a point, which also lasts until every connection has had a response.
const WARM_UP: Duration = Duration::from_millis(300);

/// With fewer responses than this, the throughput would be imprecise by several per cent.
const LEAST_RESPONSES: usize = 20;

/// The longest time of a point with too few responses, as a multiple of the usual time.
const LONGEST: u32 = 4;

/// The points and settings of a run.
pub(super) struct Plan {
    pub(super) forms: Vec<Form>,
    pub(super) connections: Vec<usize>,
    pub(super) rounds: usize,
    pub(super) seconds: f64,
    pub(super) starts: usize,
    /// The folder for the servers' logs.
    pub(super) logs: PathBuf,
    /// Whether to leave out a server that does not start.
    pub(super) may_be_missing: bool,
}

/// A running server and its measurements so far.
struct Running {
    server: Server,
    start: Start,
    /// The check of responses, in the order of the probes.
    expected: Vec<Expected>,
}

/// The report's sentence about a server that is left out.
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
    let read = |form: &Form| Probe::read(folder, &served.network, *form);
    let probes: Vec<Probe> = plan.forms.iter().map(read).collect::<Result<_>>()?;
    ensure!(
        !probes.is_empty(),
        "expected at least one format of the input"
    );
    let mut running = Vec::new();
    for contestant in contestants {
        eprintln!(
            "{}: starting {}, {}",
            served.network,
            contestant.kind.name(),
            contestant.setting()
        );
        match start(tools, served, &probes, contestant, plan) {
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
    let series = rounds(&mut running, &probes, plan)?;
    Ok(Measured {
        network: served.network.clone(),
        starts: running.into_iter().map(|one| one.start).collect(),
        series,
    })
}

/// Start a server `plan.starts` times after one start that is not counted; the last one keeps running.
fn start(
    tools: &Tools,
    served: &Served,
    probes: &[Probe],
    contestant: &Contestant,
    plan: &Plan,
) -> Result<Running> {
    let first = probes.first().context("there is no probe")?;
    let log = plan
        .logs
        .join(format!("{}-{}.log", served.network, contestant.slug()));
    let mut times = Vec::new();
    let mut running = None;
    for _ in 0..=plan.starts {
        // The previous process must be gone.
        drop(running.take());
        let begin = Instant::now();
        let mut server = Server::start(
            |address| contestant.command(tools, served, address),
            log.clone(),
        )?;
        let body = server.first_response(&first.request)?;
        times.push(begin.elapsed());
        first.check(&body)?;
        running = Some(server);
    }
    // The first start filled the caches of files and of compiled code.
    times.remove(0);
    let mut server = running.context("the server was not started")?;
    let mut expected = Vec::new();
    for probe in probes {
        let body = server.first_response(&probe.request)?;
        let checked = probe.check(&body);
        expected.push(checked.with_context(|| format!("as {}", probe.form.name()))?);
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

/// Measure all points in each round; at each point, the servers take turns.
fn rounds(running: &mut [Running], probes: &[Probe], plan: &Plan) -> Result<Vec<Series>> {
    let mut all: Vec<Series> = Vec::new();
    for round in 0..plan.rounds {
        let mut index = 0;
        for (number, probe) in probes.iter().enumerate() {
            for connections in &plan.connections {
                eprintln!(
                    "round {} of {}: {}, {connections} connections",
                    round + 1,
                    plan.rounds,
                    probe.form.name()
                );
                for turn in 0..running.len() {
                    // Another server begins each round, so that none always follows the same neighbor.
                    let turn = (turn + round) % running.len();
                    let one = &mut running[turn];
                    let sample =
                        point(one, probe, number, *connections, plan).with_context(|| {
                            let name = one.start.kind.name();
                            format!("{name}, {}, {connections} connections", probe.form.name())
                        })?;
                    if round == 0 {
                        all.push(Series {
                            kind: one.start.kind,
                            setting: one.start.setting.clone(),
                            form: probe.form,
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

/// Measure one point: a server, a format and a number of connections.
fn point(
    one: &mut Running,
    probe: &Probe,
    number: usize,
    connections: usize,
    plan: &Plan,
) -> Result<Sample> {
    let expected = *one
        .expected
        .get(number)
        .context("the format was not tried")?;
    let load = Load::start(one.server.address, &probe.request, expected, connections);
    load.warm_up(WARM_UP)?;
    let process = one.server.id();
    let before = (usage::cpu_of_tree(process)?, usage::own_cpu()?);
    let from = Instant::now();
    let time = Duration::from_secs_f64(plan.seconds);
    load.run(time, time * LONGEST, LEAST_RESPONSES)?;
    let until = Instant::now();
    let after = (usage::cpu_of_tree(process)?, usage::own_cpu()?);
    // Measured under load but outside the timed window, since the kernel walks all pages for it.
    one.start.load_memory = one.start.load_memory.max(usage::memory_of_tree(process)?);
    let latencies = load.finish(from, until)?;
    ensure!(
        !latencies.is_empty(),
        "no response arrived within {:?}",
        until - from
    );
    Ok(Sample::of(
        &latencies,
        until - from,
        after.0.saturating_sub(before.0),
        after.1.saturating_sub(before.1),
    ))
}
