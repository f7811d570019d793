//! Observability: log, metrics and traces.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::support;
use crate::support::client::{get, post, send};
use crate::support::python::Python;
use crate::support::service::Service;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use prost::Message;
use serde_json::json;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn seven() -> Vec<u8> {
    std::fs::read(support::root().join("models/digits/samples/7.png")).unwrap()
}

/// The address of the metrics, which the service logs at startup.
fn admin(service: &Service) -> SocketAddr {
    service.expect_log("/metrics");
    let log = service.log();
    let address = log.split("metrics at http://").nth(1).unwrap();
    address.split('/').next().unwrap().parse().unwrap()
}

#[test]
fn each_request_has_a_log_line_and_an_id() {
    let service = Service::start_with(&["--log-format", "json"], &[]);
    let address = service.address;
    let png = seven();
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let ask = |method, path: &str, id: &str, body: &[u8]| {
        let headers = [
            ("content-type", "image/png"),
            ("x-request-id", id),
            ("traceparent", &traceparent),
        ];
        send(address, method, path, &headers, body)
    };
    // Method, path, ID and body of the request; route, model and status of the log line.
    let cases = [
        (
            "POST",
            "/infer",
            "well",
            &png[..],
            "/infer",
            Some("digits"),
            200,
        ),
        (
            "POST",
            "/infer/digits?a=secret",
            "well-2",
            &png[..],
            "/infer/{model}",
            Some("digits"),
            200,
        ),
        (
            "POST",
            "/infer/secret",
            "no-model",
            &png[..],
            "/infer/{model}",
            Some("unknown"),
            404,
        ),
        ("GET", "/secret", "no-route", &b""[..], "other", None, 404),
        (
            "SECRET",
            "/infer",
            "no-method",
            &b""[..],
            "/infer",
            Some("digits"),
            405,
        ),
        (
            "POST",
            "/infer",
            "bad",
            &b"secret"[..],
            "/infer",
            Some("digits"),
            400,
        ),
        (
            "HEAD",
            "/v2/health/live",
            "head",
            &b""[..],
            "/v2/health/live",
            None,
            200,
        ),
    ];
    let mut wrong = Vec::new();
    for (method, path, id, body, route, model, status) in cases {
        let response = ask(method, path, id, body);
        assert_eq!(response.status, status, "{path}: {}", response.text());
        assert_eq!(response.header("x-request-id"), Some(id), "{path}");
        service.expect_log(&format!("\"id\":\"{id}\""));
        let log = service.log();
        let line = log
            .lines()
            .find(|line| line.contains(&format!("\"id\":\"{id}\"")));
        let line: serde_json::Value = serde_json::from_str(line.unwrap()).unwrap();
        let of = |key: &str| line.get(key).cloned();
        let expected = [
            ("level", Some(json!("INFO"))),
            ("target", Some(json!("infer::request"))),
            (
                "method",
                Some(json!(if method == "SECRET" { "_OTHER" } else { method })),
            ),
            ("route", Some(json!(route))),
            ("model", model.map(|model| json!(model))),
            ("status", Some(json!(status))),
            ("answer_bytes", Some(json!(response.body.len()))),
            ("trace_id", Some(json!(TRACE))),
            ("cut_off", None),
        ];
        for (key, value) in expected {
            if of(key) != value {
                wrong.push(format!("{id}, {key}: {:?}, expected {value:?}", of(key)));
            }
        }
        if status == 200 && method == "POST" {
            for key in [
                "total_ms",
                "queue_ms",
                "instantiate_ms",
                "decode_ms",
                "load_ms",
                "compute_ms",
                "encode_ms",
            ] {
                if of(key).and_then(|ms| ms.as_f64()).is_none() {
                    wrong.push(format!("{id}, {key}: {:?}", of(key)));
                }
            }
            assert_eq!(of("request_bytes"), Some(json!(body.len())), "{id}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        !service.log().to_lowercase().contains("secret"),
        "{}",
        service.log()
    );

    // A missing ID or one with characters that a log must not have is replaced.
    for sent in ["", "two words", "a\"b"] {
        let response = ask("GET", "/v2", sent, b"");
        let id = response.header("x-request-id").unwrap().to_owned();
        assert_eq!(id.len(), 16, "{sent}");
        service.expect_log(&format!("\"id\":\"{id}\""));
    }
}

#[test]
fn a_failure_has_its_id_in_the_response_and_in_the_log() {
    let settings = [("INFER_DEFAULT_MODEL", "nothing")];
    let service = Service::start_with(&[], &settings);
    let response = post(service.address, "/infer", "image/png", &seven());
    assert_eq!(response.status, 500);
    let id = response.header("x-request-id").unwrap();
    assert!(response.error().contains(id), "{}", response.text());
    // The cause and the request's line.
    service.expect_log(&format!("request {id}: "));
    service.expect_log(&format!(
        "id=\"{id}\" method=\"POST\" route=\"/infer\" status=500 "
    ));

    // The component's output becomes log lines too, so a JSON log is JSON throughout.
    let mut service = Service::start_with(&["--log-format", "json"], &settings);
    let response = post(service.address, "/infer", "image/png", &seven());
    let id = response.header("x-request-id").unwrap();
    service.signal("TERM");
    assert!(service.wait().success());
    let log = service.log();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .filter(|line| *line != "backend: the engine in WebAssembly")
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let of = |target: &str| {
        lines
            .iter()
            .filter(|line| line["target"] == target)
            .collect::<Vec<_>>()
    };
    let (guest, request) = (of("infer::guest"), of("infer::request"));
    assert_eq!(
        (guest.len(), request.len(), lines.len()),
        (1, 1, 2),
        "{log}"
    );
    assert_eq!(
        (&guest[0]["request"], &request[0]["id"]),
        (&json!(id), &json!(id))
    );
}

#[test]
fn log_format_is_configurable() {
    let mut service = Service::start_with(&[], &[("RUST_LOG", "warn")]);
    assert_eq!(
        post(service.address, "/infer", "image/png", &seven()).status,
        200
    );
    service.signal("TERM");
    assert!(service.wait().success());
    assert!(
        !service.log().contains("infer::request"),
        "{}",
        service.log()
    );

    // The last lines are written before the process ends.
    let mut service = Service::start();
    for _ in 0..100 {
        assert_eq!(get(service.address, "/v2/health/live").status, 200);
    }
    service.signal("TERM");
    assert!(service.wait().success());
    let log = service.log();
    let lines = log.lines().filter(|line| line.contains("infer::request"));
    assert_eq!(lines.count(), 100, "{log}");
    assert!(!log.contains('\u{1b}'), "colors are only for terminals");
}

#[test]
fn readiness_fails_during_the_drain_delay() {
    let mut service = Service::start_with(&["--drain-delay-ms", "3000"], &[]);
    let ready = || get(service.address, "/v2/health/ready");
    assert_eq!(ready().status, 200);
    service.signal("TERM");
    let mut response = ready();
    while response.status == 200 {
        response = ready();
    }
    assert_eq!(
        (response.status, response.error().as_str()),
        (503, "the server is shutting down")
    );
    assert_eq!(
        post(service.address, "/infer", "image/png", &seven()).status,
        200
    );
    assert!(service.wait().success(), "{}", service.log());
}

/// The value of each sample, by its name and its labels without `le`.
type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

fn scrape(python: &Python, admin: SocketAddr) -> Samples {
    let response = get(admin, "/metrics");
    assert_eq!(response.status, 200);
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(response.header("content-type"), Some(media_type));
    let mut parser = python
        .command("python")
        .arg(support::root().join("tests/observe/metrics.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    parser
        .stdin
        .take()
        .unwrap()
        .write_all(&response.body)
        .unwrap();
    let output = parser.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "not OpenMetrics:\n{}",
        response.text()
    );
    let samples: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    samples
        .into_iter()
        .map(|sample| {
            let labels = serde_json::from_value(sample["labels"].clone()).unwrap();
            let name = sample["name"].as_str().unwrap().to_owned();
            ((name, labels), sample["value"].as_f64().unwrap())
        })
        .collect()
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn metrics_count_requests() {
    let Some(python) = Python::prepare(&support::root().join("tests/observe")) else {
        return;
    };
    let service = Service::start_with(
        &["--admin", "127.0.0.1:0", "--max-header-bytes", "2000"],
        &[],
    );
    let admin = admin(&service);
    let address = service.address;
    let png = seven();
    for _ in 0..5 {
        assert_eq!(post(address, "/infer", "image/png", &png).status, 200);
    }
    for _ in 0..3 {
        assert_eq!(
            post(address, "/infer/digits", "image/png", b"no").status,
            400
        );
    }
    // Paths, models and methods that clients invent add no labels.
    for made_up in 0..20 {
        let path = format!("/infer/model-{made_up}");
        assert_eq!(post(address, &path, "image/png", &png).status, 404);
        assert_eq!(get(address, &format!("/path/{made_up}")).status, 404);
        let method = format!("METHOD{made_up}");
        assert_eq!(send(address, &method, "/v2", &[], b"").status, 405);
    }
    let long = "a".repeat(2000);
    assert_eq!(
        send(address, "GET", "/v2", &[("a", &long)], b"").status,
        431
    );
    // The host frees an instance in the background, after its response.
    let is_idle = |_| {
        let metrics = get(admin, "/metrics");
        metrics.text().contains("\ninfer_instances 0\n")
    };
    assert!((0..10_000).any(is_idle), "an instance is never freed");

    let samples = scrape(&python, admin);
    let requests: BTreeMap<_, _> = samples
        .iter()
        .filter(|((name, _), _)| name == "infer_requests_total")
        .map(|((_, labels), value)| (labels.clone(), *value))
        .collect();
    let count =
        |route, model, status| labels(&[("route", route), ("model", model), ("status", status)]);
    let expected = BTreeMap::from([
        (count("/infer", "digits", "200"), 5.0),
        (count("/infer/{model}", "digits", "400"), 3.0),
        (count("/infer/{model}", "unknown", "404"), 20.0),
        (count("other", "", "404"), 20.0),
        (count("/v2", "", "405"), 20.0),
        (count("/v2", "", "431"), 1.0),
    ]);
    assert_eq!(requests, expected);
    let value = |name: &str, pairs: &[(&str, &str)]| {
        samples.get(&(name.to_owned(), labels(pairs))).copied()
    };
    let cases = [
        (
            "infer_phase_seconds_count",
            &[("model", "digits"), ("phase", "total")][..],
            8.0,
        ),
        (
            "infer_phase_seconds_count",
            &[("model", "digits"), ("phase", "queue")],
            8.0,
        ),
        (
            "infer_phase_seconds_count",
            &[("model", "digits"), ("phase", "instantiate")],
            8.0,
        ),
        (
            "infer_phase_seconds_count",
            &[("model", "digits"), ("phase", "decode")],
            8.0,
        ),
        (
            "infer_phase_seconds_count",
            &[("model", "digits"), ("phase", "compute")],
            5.0,
        ),
        (
            "infer_phase_seconds_count",
            &[("model", "digits"), ("phase", "encode")],
            5.0,
        ),
        (
            "infer_phase_seconds_count",
            &[("model", ""), ("phase", "total")],
            41.0,
        ),
        (
            "infer_limits_reached_total",
            &[("limit", "header-bytes")],
            1.0,
        ),
        ("infer_instance_memory_bytes_count", &[], 68.0),
        ("infer_cut_off_total", &[], 0.0),
        ("infer_graphs_loaded", &[], 0.0),
        ("infer_instances", &[], 0.0),
        ("infer_queue_depth", &[], 0.0),
        ("infer_computing", &[], 0.0),
    ];
    let mut wrong = Vec::new();
    for (name, pairs, expected) in cases {
        if value(name, pairs) != Some(expected) {
            wrong.push(format!(
                "{name} {pairs:?}: {:?}, expected {expected}",
                value(name, pairs)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if cfg!(target_os = "linux") {
        let resident = value("process_resident_memory_bytes", &[]).unwrap();
        assert!(resident > 1e6, "{resident}");
    }
    assert_eq!(get(admin, "/nowhere").status, 404);
    assert_eq!(post(admin, "/metrics", "text/plain", b"").status, 405);
    assert_eq!(
        get(address, "/metrics").status,
        404,
        "metrics are not on the address for clients"
    );
}

#[test]
fn every_route_of_the_api_has_a_metric_label() {
    let service = Service::start_with(&["--admin", "127.0.0.1:0"], &[]);
    let admin = admin(&service);
    let api = get(service.address, "/openapi.json").json();
    let paths: Vec<&String> = api["paths"].as_object().unwrap().keys().collect();
    assert!(paths.len() > 10, "{paths:?}");
    for path in paths {
        let path = path
            .replace("{model}", "digits")
            .replace("{version}", "1")
            .replace("{file}", "page.js");
        assert!(!path.contains('{'), "{path}");
        assert_ne!(get(service.address, &path).status, 404, "{path}");
    }
    let metrics = get(admin, "/metrics").text();
    assert!(metrics.contains("route=\"/infer\""), "{metrics}");
    assert!(!metrics.contains("route=\"other\""), "{metrics}");
}

/// Start a collector on a free port. Returns its address, and a channel with the decoded requests that it receives.
fn collector() -> (SocketAddr, Receiver<ExportTraceServiceRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut bytes = Vec::new();
            let mut buffer = [0; 64 * 1024];
            let body = loop {
                let Ok(length @ 1..) = stream.read(&mut buffer) else {
                    break None;
                };
                bytes.extend_from_slice(&buffer[..length]);
                let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                    continue;
                };
                let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.unwrap().parse().unwrap();
                if bytes.len() == end + 4 + length {
                    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
                    assert!(
                        head.contains("content-type: application/x-protobuf"),
                        "{head}"
                    );
                    break Some(bytes.split_off(end + 4));
                }
            };
            let Some(body) = body else { continue };
            let response = ExportTraceServiceResponse::default().encode_to_vec();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\nconnection: close\r\n\
                 content-length: {}\r\n\r\n",
                response.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&response).unwrap();
            if sender
                .send(ExportTraceServiceRequest::decode(&body[..]).unwrap())
                .is_err()
            {
                return;
            }
        }
    });
    (address, receiver)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(span: &Span) -> BTreeMap<&str, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let of = |attribute: &'_ opentelemetry_proto::tonic::common::v1::KeyValue| {
        text(attribute.value.as_ref().unwrap().value.as_ref().unwrap())
    };
    (span.attributes.iter())
        .map(|attribute| (attribute.key.as_str(), of(attribute)))
        .collect()
}

#[test]
fn traces_reach_a_collector() {
    let (address, exported) = collector();
    let url = format!("http://{address}");
    let mut service = Service::start_with(&["--otlp", &url], &[]);
    let png = seven();
    let ask = |id: &str, traceparent: &str| {
        let headers = [
            ("content-type", "image/png"),
            ("x-request-id", id),
            ("traceparent", traceparent),
            ("tracestate", "vendor=1"),
        ];
        let response = send(service.address, "POST", "/infer", &headers, &png);
        assert_eq!(response.status, 200);
        response.body.len().to_string()
    };
    let response_bytes = ask("with", &format!("00-{TRACE}-{PARENT}-01"));
    ask("without", "");
    ask("invalid", &format!("00-{TRACE}-0000000000000000-01"));
    ask("not-sampled", &format!("00-{TRACE}-{PARENT}-00"));
    assert_eq!(get(service.address, "/nowhere").status, 404);
    // Stopping exports the remaining spans.
    service.signal("TERM");
    assert!(service.wait().success(), "{}", service.log());

    let mut spans = Vec::new();
    while let Ok(request) = exported.recv_timeout(Duration::from_secs(1)) {
        for resource in request.resource_spans {
            let service = &resource.resource.as_ref().unwrap().attributes;
            assert!(
                service
                    .iter()
                    .any(|attribute| attribute.key == "service.name")
            );
            spans.extend(
                resource
                    .scope_spans
                    .into_iter()
                    .flat_map(|scope| scope.spans),
            );
        }
    }
    let servers: Vec<&Span> = spans
        .iter()
        .filter(|span| span.kind == i32::from(SpanKind::Server))
        .collect();
    let of = |id: &str| {
        let mut found = servers.iter().filter(|span| {
            attributes(span)
                .get("infer.request.id")
                .is_some_and(|is| is == id)
        });
        let span = *found.next().unwrap_or_else(|| panic!("no span of {id}"));
        assert!(found.next().is_none(), "{id}");
        span
    };
    assert_eq!(
        servers.len(),
        4,
        "a span that its client did not sample is not exported"
    );

    let with = of("with");
    assert_eq!(with.name, "POST /infer");
    assert_eq!(
        (hex(&with.trace_id), hex(&with.parent_span_id)),
        (TRACE.into(), PARENT.into())
    );
    assert_eq!(with.trace_state, "vendor=1");
    let expected = BTreeMap::from([
        ("http.request.method", "POST".to_owned()),
        ("http.route", "/infer".to_owned()),
        ("http.response.status_code", "200".to_owned()),
        ("http.request.body.size", png.len().to_string()),
        ("http.response.body.size", response_bytes),
        ("infer.request.id", "with".to_owned()),
        ("infer.model", "digits".to_owned()),
    ]);
    assert_eq!(attributes(with), expected);
    assert_eq!(
        with.status.as_ref().map_or(0, |status| status.code),
        0,
        "no error"
    );
    let phases: Vec<&Span> = (spans.iter())
        .filter(|span| span.parent_span_id == with.span_id)
        .collect();
    let names: Vec<&str> = phases.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "queue",
            "instantiate",
            "decode",
            "load",
            "compute",
            "encode"
        ]
    );
    for phase in phases {
        assert_eq!(phase.trace_id, with.trace_id, "{}", phase.name);
        let lies_within = with.start_time_unix_nano <= phase.start_time_unix_nano
            && phase.start_time_unix_nano <= phase.end_time_unix_nano
            && phase.end_time_unix_nano <= with.end_time_unix_nano;
        assert!(lies_within, "{}: {phase:?} of {with:?}", phase.name);
    }
    for id in ["without", "invalid"] {
        let span = of(id);
        assert!(span.parent_span_id.is_empty(), "{id}");
        assert_ne!(hex(&span.trace_id), TRACE, "{id}");
        // The log has the same trace ID as the collector.
        let logged = format!("id=\"{id}\" ");
        let log = service.log();
        let line = log.lines().find(|line| line.contains(&logged)).unwrap();
        assert!(line.contains(&hex(&span.trace_id)), "{line}");
    }
}

#[test]
fn an_unreachable_collector_does_no_harm() {
    // Nothing listens on this port, which was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut service = Service::start_with(&["--otlp", &format!("http://{address}")], &[]);
    for _ in 0..50 {
        assert_eq!(
            post(service.address, "/infer", "image/png", &seven()).status,
            200
        );
    }
    service.signal("TERM");
    assert!(service.wait().success());
    let message = "cannot export traces, which are lost: ";
    assert_eq!(
        service.log().matches(message).count(),
        1,
        "{}",
        service.log()
    );
}

#[test]
fn invalid_flags_are_rejected_with_a_reason() {
    let cases = [
        (
            ["--otlp", "localhost:4318"],
            "error: `localhost:4318` is not a collector's address, expected a URL such as",
        ),
        (
            ["--admin", "nowhere"],
            "error: invalid value 'nowhere' for '--admin <ADDR>'",
        ),
        (
            ["--log-format", "xml"],
            "error: invalid value 'xml' for '--log-format",
        ),
        (
            ["--max-header-bytes", "1"],
            "error: invalid value '1' for '--max-header-bytes <BYTES>': 1 is not in 256..=1048576",
        ),
        (
            ["--max-connections", "0"],
            "error: invalid value '0' for '--max-connections <N>'",
        ),
        (
            ["--body-timeout-ms", "0"],
            "error: invalid value '0' for '--body-timeout-ms <MS>'",
        ),
        (
            ["--keep-alive-timeout-ms", "18446744073709551615"],
            "error: invalid value '18446744073709551615' for",
        ),
    ];
    let mut wrong = Vec::new();
    for (arguments, sentence) in cases {
        let output = support::backends::infer(&["up"])
            .args(arguments)
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        if output.status.success() || !stderr.starts_with(sentence) {
            wrong.push(format!("{arguments:?}: {stderr}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
