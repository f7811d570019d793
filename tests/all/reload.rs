//! A model repository that changes while it is served.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::support;
use crate::support::client::{Connection, Response, get, send};
use crate::support::models;
use crate::support::service::Service;

/// The clients that send requests while models change.
const CLIENTS: usize = 8;

/// A repository with the digits model.
fn repository(folder: &Path) -> PathBuf {
    let repository = folder.join("models");
    models::digits(&repository, "digits", "");
    repository
}

fn add(repository: &Path, graph: &str) {
    let graph = support::root()
        .join("crates/engine/tests/graphs")
        .join(graph);
    let added = Command::new(env!("CARGO_BIN_EXE_infer"))
        .current_dir(support::root())
        .args(["add", graph.to_str().unwrap(), "--models"])
        .arg(repository)
        .output()
        .unwrap();
    assert!(added.status.success(), "{added:?}");
}

/// POST a body on a connection that stays open, as clients of a service do. A connection for each request would use up the
/// machine's ports: a port stays in use for a minute.
fn post(connection: &mut Connection, path: &str, body: &str) -> std::io::Result<Response> {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    connection.write(request.as_bytes())?;
    let response = connection.read(false)?;
    response.ok_or_else(|| std::io::ErrorKind::ConnectionAborted.into())
}

/// The state and the reason of a model in the repository index.
fn state(address: SocketAddr, model: &str) -> Option<(String, String)> {
    state_on(&mut Connection::open(address).unwrap(), model)
}

fn state_on(connection: &mut Connection, model: &str) -> Option<(String, String)> {
    let index = post(connection, "/v2/repository/index", "").unwrap().json();
    let entries = index.as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    entries
        .filter(|entry| entry["name"] == model)
        .map(|entry| (text(&entry["state"]), text(&entry["reason"])))
        .next()
}

/// Ask until the index has what is expected. A test that waits forever is stopped by the test's runner.
fn wait_for(address: SocketAddr, model: &str, is_expected: fn(Option<(String, String)>) -> bool) {
    let mut connection = Connection::open(address).unwrap();
    while !is_expected(state_on(&mut connection, model)) {
        thread::yield_now();
    }
}

const SUM: &[u8] = br#"{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[1,2]}]}"#;

#[test]
fn models_come_and_go_while_requests_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let repository = repository(folder.path());
    let arguments = [
        "--models",
        repository.to_str().unwrap(),
        "--admin",
        "127.0.0.1:0",
    ];
    // Without a line for each request.
    let service = Service::start_with(&arguments, &[("RUST_LOG", "info,infer::request=off")]);
    let address = service.address;
    let pixels = vec!["0.5"; 64].join(",");
    let digit = format!(
        r#"{{"inputs":[{{"name":"image","datatype":"FP32","shape":[1,1,8,8],"data":[{pixels}]}}]}}"#
    );
    let expected = send(
        address,
        "POST",
        "/v2/models/digits/infer",
        &[],
        digit.as_bytes(),
    )
    .text();
    let (is_over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut connection = Connection::open(address).unwrap();
                while !is_over.load(Ordering::Relaxed) {
                    let failure = match post(&mut connection, "/v2/models/digits/infer", &digit) {
                        Ok(response) if response.status == 200 && response.text() == expected => {
                            served.fetch_add(1, Ordering::Relaxed);
                            continue;
                        }
                        Ok(response) => format!("{} {}", response.status, response.text()),
                        Err(error) => error.to_string(),
                    };
                    failed.lock().unwrap().push(failure);
                    connection = Connection::open(address).unwrap();
                }
            });
        }
        add(&repository, "sum.onnx");
        wait_for(address, "sum", |state| {
            state.is_some_and(|(state, _)| state == "READY")
        });
        let sum = || send(address, "POST", "/v2/models/sum/infer", &[], SUM);
        assert_eq!(sum().json()["outputs"][0]["data"], serde_json::json!([3.0]));
        // A file that is no model: the old one stays.
        std::fs::write(repository.join("sum/model.onnx"), b"garbage").unwrap();
        wait_for(address, "sum", |state| {
            state.is_some_and(|(state, reason)| state == "READY" && reason.contains("ONNX"))
        });
        assert_eq!(sum().status, 200);
        // A new model that is broken is listed, and not served.
        std::fs::remove_dir_all(repository.join("sum")).unwrap();
        wait_for(address, "sum", |state| state.is_none());
        assert_eq!(sum().status, 404);
        models::digits(&repository, "broken", "");
        std::fs::write(repository.join("broken/model.onnx"), b"garbage").unwrap();
        wait_for(address, "broken", |state| {
            state.is_some_and(|(state, reason)| state == "UNAVAILABLE" && reason.contains("ONNX"))
        });
        models::digits(&repository, "broken", "");
        wait_for(address, "broken", |state| {
            state.is_some_and(|(state, reason)| state == "READY" && reason.is_empty())
        });
        is_over.store(true, Ordering::Relaxed);
    });
    let failed = failed.into_inner().unwrap();
    let served = served.into_inner();
    assert_eq!(failed, [""; 0], "of {served} requests");
    assert!(served > 100, "only {served} requests were served meanwhile");
    println!("{served} requests were served meanwhile, none failed");
    service.expect_log("the changed models cannot be served, so the service stays as it is");
    service.expect_log("serving the changed models, built in ");
    let metrics = get(admin(&service), "/metrics").text();
    for outcome in ["served", "failed"] {
        let line = format!("infer_reloads_total{{outcome=\"{outcome}\"}} ");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
}

/// The address that the log names.
fn admin(service: &Service) -> SocketAddr {
    service.expect_log("/metrics\n");
    let log = service.log();
    let (_, after) = log.split_once("metrics at http://").unwrap();
    let (address, _) = after.split_once("/metrics").unwrap();
    address.parse().unwrap()
}

#[test]
fn clients_load_and_unload_models_where_they_may() {
    let folder = tempfile::tempdir().unwrap();
    let repository = repository(folder.path());
    models::digits(&repository, "again", "");
    let arguments = [
        "--models",
        repository.to_str().unwrap(),
        "--admin",
        "127.0.0.1:0",
    ];
    let call = |address, model: &str, action: &str, body: &str| {
        let path = format!("/v2/repository/models/{model}/{action}");
        send(address, "POST", &path, &[], body.as_bytes())
    };
    let service = Service::start_with(&arguments, &[]);
    let (address, admin) = (service.address, admin(&service));
    assert_eq!(
        call(address, "again", "unload", "").status,
        501,
        "not public"
    );
    let done = call(admin, "again", "unload", "{}");
    assert_eq!((done.status, done.text().as_str()), (200, ""));
    let unloaded = Some(("UNAVAILABLE".to_owned(), "unloaded".to_owned()));
    assert_eq!(state(address, "again"), unloaded);
    assert_eq!(get(address, "/v2/models/again").status, 404);
    // (model, action, body, part of the error)
    let rows = [
        (
            "none",
            "load",
            "",
            "failed to load `none`: there is no model of that name",
        ),
        ("..", "load", "", "failed to load `..`"),
        (
            "digits",
            "unload",
            "",
            "failed to unload `digits`: there is no model in",
        ),
        (
            "digits",
            "load",
            "{\"parameters\":{\"config\":\"{}\"}}",
            "parameter `config` is not supported",
        ),
        ("digits", "load", "nonsense", "the body is not JSON"),
    ];
    let mut wrong = Vec::new();
    for (model, action, body, part) in rows {
        let response = call(admin, model, action, body);
        if response.status != 400 || !response.text().contains(part) {
            wrong.push(format!("{model} {action} {body}: {}", response.text()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let ready = Some(("READY".to_owned(), String::new()));
    assert_eq!(state(address, "digits"), ready, "it stays loaded");
    assert_eq!(get(admin, "/v2/repository/models/again/load").status, 405);
    assert_eq!(call(admin, "again", "load", "").status, 200);
    assert_eq!(
        state(address, "again"),
        Some(("READY".to_owned(), String::new()))
    );
    drop(service);
    let public = [&arguments[..], &["--allow-model-control", "--no-watch"]].concat();
    let service = Service::start_with(&public, &[]);
    assert_eq!(call(service.address, "again", "unload", "").status, 200);
    assert_eq!(state(service.address, "again"), unloaded);
}
