//! The soak test: good and bad requests of every kind at full load, from well-behaved and misbehaving clients, also to a
//! component that traps, hangs and hoards memory. Every good request must get the right response, whatever the other
//! requests do, and disconnected clients must leave no descriptors and no memory behind.
//!
//! `cargo test` runs it for some seconds. `INFER_SOAK_SECONDS=600 cargo test --test soak` runs it for ten minutes, limits
//! the growth of the processes' memory, and includes ONNX Runtime.

mod bad;
mod begun;
mod case;
mod clients;
mod good;
mod guest;
mod stop;
#[path = "../support/mod.rs"]
mod support;
mod tally;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use case::Case;
use clients::{Plan, Table};
use libtest_mimic::{Arguments, Failed, Trial};
use support::backends;
use support::client::Connection;
use support::client::Response;
use support::guests::TROUBLE;
use support::process::{Resources, resources};
use support::service::Service;
use tally::Tally;

/// The number of concurrent connections, which is more than the number of instances.
const CLIENTS: usize = 10;

/// The number of concurrent instances.
const SLOTS: usize = 8;

/// The most requests of a run on a fast machine.
const MAX_REQUESTS: u64 = 100_000_000;

/// The most that the resident memory may grow under load after the warm-up, in percent.
const GROWTH_PERCENT: u64 = 5;

/// The time in which a server must notice that its clients have disconnected, and end their requests.
const NOTICED: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == guest::SERVE) {
        guest::serve(&PathBuf::from(arguments.next().expect("a manifest")));
        return ExitCode::SUCCESS;
    }
    let is_short = seconds().is_none();
    let trials = vec![
        Trial::test("the_service_under_fire", the_service_under_fire),
        Trial::test(
            "the_service_under_fire_with_onnx_runtime",
            the_service_under_fire_with_onnx_runtime,
        )
        .with_ignored_flag(is_short),
        Trial::test("a_bad_component_under_fire", a_bad_component_under_fire),
    ];
    let mut arguments = Arguments::from_args();
    // The trials run concurrently, so that the whole test takes as long as INFER_SOAK_SECONDS says.
    arguments.test_threads.get_or_insert(trials.len());
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The duration of the long form in seconds; `None` for the short form.
fn seconds() -> Option<u64> {
    let seconds = std::env::var("INFER_SOAK_SECONDS").ok()?;
    Some(seconds.parse().expect("INFER_SOAK_SECONDS is a number"))
}

fn the_service_under_fire() -> Result<(), Failed> {
    fire("infer up --backend wasm", || serve("wasm"), service_cases())
}

fn the_service_under_fire_with_onnx_runtime() -> Result<(), Failed> {
    if backends::ONNX.is_none() {
        return Ok(());
    }
    fire("infer up --backend onnx", || serve("onnx"), service_cases())
}

fn a_bad_component_under_fire() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let start = || Service::spawn(guest::command(folder.path(), &TROUBLE));
    fire("a bad component", start, guest::cases())
}

fn service_cases() -> Vec<Case> {
    [good::cases(), bad::cases()].concat()
}

/// Start `infer up` with the digits model in the snapshot and mounted, and with small graphs.
fn serve(backend: &str) -> Service {
    use support::models::{digits, identity, sum};
    let repository = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("soak-models");
    // Two trials share the repository, so write it once.
    static WRITTEN: std::sync::Once = std::sync::Once::new();
    WRITTEN.call_once(|| {
        digits(&repository, "digits", "");
        digits(&repository, "mounted", "placement = \"mount\"\n");
        identity(&repository, "FP32", "");
        identity(&repository, "INT64", "");
        sum(&repository);
    });
    let limit = bad::MAX_BODY_BYTES.to_string();
    Service::start_with(
        &[
            "--backend",
            backend,
            "--models",
            repository.to_str().unwrap(),
            "--max-instances",
            &SLOTS.to_string(),
        ],
        &[
            ("INFER_DEFAULT_MODEL", "digits"),
            ("INFER_MAX_BODY_BYTES", &limit),
        ],
    )
}

/// Test a service: record the baseline, warm up, apply full load, stop under load, and start again.
fn fire(name: &str, start: impl Fn() -> Service, cases: Vec<Case>) -> Result<(), Failed> {
    let begun = Instant::now();
    let mut service = start();
    let fresh = resources(service.id());
    let table = baseline(&service, cases)?;
    let total = Duration::from_secs(seconds().unwrap_or(4));
    let plan = |share: Duration, seed| Plan {
        clients: CLIENTS,
        until: Instant::now() + share,
        max_requests: MAX_REQUESTS,
        seed,
    };
    // Instance slots keep the memory of their instances up to a limit. So every slot must have served the largest
    // request, and every thread and arena must have been used, before the memory is measured.
    let mut tally = begun::in_every_slot(service.address, &table, SLOTS)?;
    tally.add(clients::run(service.address, &table, &plan(total / 6, 1)));
    let warm = idle(&service, fresh);
    let mut load = |seed| {
        tally.add(clients::run(
            service.address,
            &table,
            &plan(total / 3, seed),
        ));
        idle(&service, fresh)
    };
    let half = load(1000);
    let end = load(2000);
    let stopped = stop::under_load(&mut service, &table, &mut tally);
    let log = service.log();
    let again = start();
    tally.add(clients::run(again.address, &table, &plan(total / 6, 3000)));

    println!(
        "{}",
        report(
            name,
            begun.elapsed(),
            &tally,
            &[
                ("fresh", fresh),
                ("warm", warm),
                ("half-way", half),
                ("at the end", end),
            ]
        )
    );
    let failed = tally.failed();
    let mut wrong = tally.failures;
    wrong.extend(stopped.err());
    // A guest's panic becomes a trap, and its message has a path of the guest's sources.
    let panics = log.lines().filter(|line| line.contains("panicked at"));
    wrong.extend(
        panics
            .filter(|line| !line.contains("panicked at src/"))
            .map(str::to_owned),
    );
    if let (Some(warm), Some(end)) = (warm, end) {
        wrong.extend(left_behind(fresh, end));
        // In the short form, not every slot has reached its final size, so growth is no sign of a leak.
        let allowed_kib = warm.resident_kib + warm.resident_kib * GROWTH_PERCENT / 100;
        if seconds().is_some() && end.resident_kib > allowed_kib {
            let (warm, end) = (warm.resident_kib, end.resident_kib);
            wrong.push(format!(
                "the resident memory grew from {warm} KiB to {end} KiB, by more than {GROWTH_PERCENT} %"
            ));
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("{name}, {} failed:\n{}", failed, wrong.join("\n")).into()),
    }
}

/// Send each request once to the idle service; its responses are the baseline.
fn baseline(service: &Service, cases: Vec<Case>) -> Result<Table, Failed> {
    let mut wrong = Vec::new();
    let mut table = Table::new();
    for case in cases {
        let mut connection = Connection::open(service.address)?;
        _ = connection.write(&case.request());
        let response = connection.read(case.is_head());
        match response {
            Ok(Some(response)) => {
                let problem = case.wrong_at_first(&response);
                wrong.extend(
                    problem.map(|problem| format!("{}, {}: {problem}", case.kind, case.name)),
                );
                table.push((case, response));
            }
            // A truncated response may be empty.
            Ok(None) if case.is_truncated => {
                let response = Response {
                    status: case.status,
                    headers: Vec::new(),
                    body: Vec::new(),
                    is_whole: false,
                };
                table.push((case, response));
            }
            other => wrong.push(format!(
                "{}, {}: no response: {other:?}",
                case.kind, case.name
            )),
        }
    }
    match wrong.is_empty() {
        true => Ok(table),
        false => Err(format!("on the idle service:\n{}", wrong.join("\n")).into()),
    }
}

/// The resources of the process after all clients have disconnected. Waits until the number of descriptors is as before,
/// for [`NOTICED`] at most.
fn idle(service: &Service, fresh: Option<Resources>) -> Option<Resources> {
    let deadline = Instant::now() + NOTICED;
    loop {
        let now = resources(service.id())?;
        let is_idle = left_behind(fresh, now).is_none();
        if is_idle || Instant::now() > deadline {
            return Some(now);
        }
        // /proc has no notifications.
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The descriptors that disconnected clients left behind.
fn left_behind(fresh: Option<Resources>, now: Resources) -> Option<String> {
    let before = fresh?.descriptors;
    (now.descriptors != before).then(|| {
        let now = now.descriptors;
        format!(
            "{now} file descriptors are open after all clients have disconnected, expected {before}"
        )
    })
}

fn report(
    name: &str,
    elapsed: Duration,
    tally: &Tally,
    held: &[(&str, Option<Resources>)],
) -> String {
    let (requests, right) = (tally.requests(), tally.right());
    let seconds = elapsed.as_secs();
    let mut text = format!(
        "\n{name}: {requests} requests of {CLIENTS} clients in {seconds} s, {right} responses \
         equal to the baseline, bit for bit; {} failed\n\n{tally}\n{:12}{:>14}{:>12}{:>14}{:>10}\n",
        tally.failed(),
        "",
        "resident KiB",
        "peak KiB",
        "descriptors",
        "threads",
    );
    for (when, held) in held {
        if let Some(held) = held {
            let Resources {
                resident_kib,
                peak_kib,
                descriptors,
                threads,
            } = held;
            text += &format!(
                "{when:12}{resident_kib:>14}{peak_kib:>12}{descriptors:>14}{threads:>10}\n"
            );
        }
    }
    text
}
