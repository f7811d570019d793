//! Connections, timeouts and redirects.

use std::net::TcpListener;
use std::time::Duration;

use infer_hub::{Hub, RequestError, Settings};

use crate::fixture::{Fixture, TOKEN, reference};
use crate::report;
use crate::server::{Reply, Server};

fn list(settings: Settings) -> String {
    match Hub::new(settings).unwrap().list(&reference()) {
        Ok(listing) => format!("{listing:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_refused_connection_is_not_retried() {
    let fixture = Fixture::new();
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut settings = fixture.settings();
    settings.endpoint = format!("http://{address}").parse().unwrap();
    let error = list(settings);
    assert!(
        error.contains(&format!("cannot connect to {address}")),
        "{error}"
    );
    assert!(error.contains("HF_HUB_OFFLINE"), "{error}");
    assert!(fixture.waits().is_empty());
}

#[test]
fn a_server_without_tls_is_an_error_of_tls() {
    let fixture = Fixture::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = fixture.settings();
    settings.endpoint = format!("https://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let garbage = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        // Until the client closes.
        let _ = std::io::Read::read_to_end(&mut stream, &mut Vec::new());
    });
    let error = list(settings);
    garbage.join().unwrap();
    assert!(error.contains("TLS with 127.0.0.1"), "{error}");
    assert!(error.contains("SSL_CERT_FILE"), "{error}");
}

#[test]
fn a_silent_server_ends_with_the_idle_timeout() {
    let cases: [(&str, Reply); 3] = [
        (
            "in the body",
            Reply::new(200)
                .with("content-length", "1000")
                .body("[")
                .stall(),
        ),
        (
            "in a chunk",
            Reply::new(200)
                .with("transfer-encoding", "chunked")
                .body("5\r\n[")
                .stall(),
        ),
        (
            "before the body",
            Reply::new(200).with("content-length", "10").stall(),
        ),
    ];
    let mut problems = Vec::new();
    for (name, reply) in cases {
        let fixture = Fixture::new();
        fixture.fault_at("/api/*", move |_| Some(reply.clone()));
        let mut settings = fixture.settings();
        settings.idle_timeout = Duration::from_millis(100);
        let error = list(settings);
        if !error.contains("sent nothing for 0.1 s") || fixture.waits() != [1, 2, 4, 8] {
            problems.push(format!("{name}: {error}"));
        }
    }
    report(&problems);
}

#[test]
fn a_server_that_accepts_and_says_nothing_ends_with_the_idle_timeout() {
    let fixture = Fixture::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for scheme in ["http", "https"] {
        let mut settings = fixture.settings();
        settings.endpoint = format!("{scheme}://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        settings.idle_timeout = Duration::from_millis(100);
        settings.connect_timeout = Duration::from_millis(100);
        let error = list(settings);
        assert!(
            error.contains("sent nothing for 0.1 s") || error.contains("within 0.1 s"),
            "{scheme}: {error}"
        );
    }
}

#[test]
fn broken_responses_and_redirects_are_errors() {
    let redirect = |location: &str| Reply::new(302).with("location", location);
    let cases: Vec<(&str, Reply, &str)> = vec![
        (
            "a loop",
            redirect("/api/models/owner/name/revision/main"),
            "is redirected more than 10 times",
        ),
        (
            "no location",
            Reply::new(302),
            "expected an address with a host in the header `Location`",
        ),
        (
            "a file",
            redirect("file:///etc/passwd"),
            "expected an address with a host",
        ),
        (
            "ftp",
            redirect("ftp://host/x"),
            "expected an address with `http` or `https`",
        ),
        (
            "no host",
            redirect("http://"),
            "expected an address with a host",
        ),
        (
            "a user",
            redirect("http://user:password@127.0.0.1:1/x?secret"),
            "cannot connect to 127.0.0.1:1",
        ),
        (
            "no length",
            Reply::new(200).with("content-length", "many").body("[]"),
            "is not valid HTTP",
        ),
        (
            "bad chunks",
            Reply::new(200)
                .with("transfer-encoding", "chunked")
                .body("zz\r\n"),
            "is not valid HTTP",
        ),
        (
            "a huge head",
            Reply::new(200).with("x-long", "x".repeat(100_000)),
            "is not valid HTTP",
        ),
    ];
    let mut problems = Vec::new();
    for (name, reply, expected) in cases {
        let fixture = Fixture::new();
        fixture.fault_at("/api/*", move |_| Some(reply.clone()));
        let error = list(fixture.settings());
        if !error.contains(expected) || error.contains("password") || error.contains("secret") {
            problems.push(format!("{name}: `{error}`, expected `{expected}`"));
        }
    }
    report(&problems);
}

#[test]
fn the_token_stays_with_the_endpoint() {
    let fixture = Fixture::new();
    // The other host redirects back, after which the token is sent again.
    let hub = fixture.hub.url();
    let other = Server::start(move |request| {
        let location = format!("{hub}{}", request.target.replace("/away", "/api"));
        Reply::new(307).with("location", location)
    });
    let away = other.url();
    fixture.fault_at("/api/models/owner/name/revision/main", move |request| {
        (request.earlier == 0).then(|| {
            let target = request.target.replace("/api", "/away");
            Reply::new(307).with("location", format!("{away}{target}"))
        })
    });
    let client = fixture.client();
    let listing = client.list(&reference()).unwrap();
    client
        .download(&listing, &["onnx/model.onnx", "config.json"], &())
        .unwrap();
    let mut file = client.open(&listing, "README.md").unwrap();
    file.read_at(0, 1).unwrap();
    let elsewhere = [other.take_requests(), fixture.storage.take_requests()].concat();
    assert_eq!(elsewhere.len(), 2, "{elsewhere:?}");
    for request in elsewhere {
        assert_eq!(request.header("authorization"), None, "{request:?}");
    }
    for request in fixture.hub.take_requests() {
        assert_eq!(
            request.header("authorization"),
            Some(format!("Bearer {TOKEN}").as_str()),
            "{request:?}"
        );
    }
}

#[test]
fn only_some_errors_are_temporary() {
    let host = String::new();
    assert!(
        RequestError::Interrupted {
            host: host.clone(),
            reason: String::new()
        }
        .is_temporary()
    );
    assert!(!RequestError::HostNotFound { host }.is_temporary());
}
