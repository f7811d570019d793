//! Requests to a misbehaving component (`tests/guests/trouble`), and the process that serves it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use infer_host::{App, AppOptions, Limits, Manifest, Server};
use tokio::signal::unix::{SignalKind, signal};

use super::bad::no_http;
use super::case::Case;

/// The memory limit of an instance.
const MEMORY_BYTES: usize = 32 << 20;

/// The time limit of a request. Quick responses need a hundredth of it on a busy machine: whenever a guest waits, each
/// guest that computes endlessly may run for 10 ms before it continues.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The argument that makes this program serve a manifest.
pub const SERVE: &str = "--serve";

/// A command that serves the misbehaving component like `infer up` serves the real component: this program itself, which
/// is linked with the host.
pub fn command(folder: &Path, component: &Path) -> Command {
    let manifest = folder.join("spin.toml");
    std::fs::write(
        &manifest,
        format!(
            "spin_manifest_version = 2\n[application]\nname = \"trouble\"\n[[trigger.http]]\n\
             route = \"/...\"\ncomponent = \"trouble\"\n[component.trouble]\nsource = {component:?}\n"
        ),
    )
    .unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(SERVE).arg(manifest);
    command
}

/// Serve the manifest until a signal arrives, and print the address in the first line.
pub fn serve(manifest: &Path) {
    let app = App::load(AppOptions {
        control: None,
        manifest: Manifest::read(manifest).unwrap(),
        cache_dir: manifest.with_file_name("cache"),
        limits: Limits {
            request_timeout: TIMEOUT,
            instance_memory_bytes: MEMORY_BYTES,
            max_instances: crate::SLOTS,
            max_waiting: 64,
            drain_timeout: Duration::from_secs(10),
            ..Limits::default()
        },
        environment: Default::default(),
        graphs: None,
        observe: Default::default(),
    })
    .unwrap_or_else(|error| panic!("{error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).unwrap();
        let server = Server::bind(([127, 0, 0, 1], 0).into(), app).await.unwrap();
        println!("serving http://{}", server.local_addr().unwrap());
        server
            .serve(async move {
                terminate.recv().await;
            })
            .await;
    });
}

pub fn cases() -> Vec<Case> {
    let get =
        |kind, path, status, holds: &str| Case::new(kind, ("GET", path), &[], "", status, holds);
    let internal = "internal error, not caused by the request";
    // More than a packet, in few writes of the guest.
    let echo: Vec<u8> = (0..20_000_u32).map(|index| (index % 251) as u8).collect();
    let late = |path| {
        let mut case = get("failing late", path, 200, "half of");
        case.is_truncated = true;
        case
    };
    let endless = |case: Case| Case {
        is_endless: true,
        ..case
    };
    let mut cases = vec![
        get("good", "/", 200, "well").times(10),
        get("good", "/count", 200, "0").times(5),
        Case::new("good", ("POST", "/echo"), &[], echo.clone(), 200, echo).times(5),
        Case::new("good", ("POST", "/full"), &[], "all", 200, "3"),
        get("trap", "/trap", 500, internal).times(5),
        get(
            "memory",
            "/hog",
            507,
            "more memory than an instance may have",
        )
        .times(3),
        get("no response", "/silent", 500, internal).times(5),
        endless(get(
            "time limit",
            "/spin",
            504,
            "the request took longer than its time limit of 3000 ms",
        )),
        late("/late-trap").times(3),
        endless(late("/late-spin")),
        Case::new(
            "early response",
            ("POST", "/early"),
            &[],
            vec![7; 1 << 20],
            413,
            "too much",
        )
        .times(2),
    ];
    cases.extend(no_http());
    cases
}
