//! The host with a component that misbehaves in every way a guest can (`guests/trouble`): each request fails alone, and
//! the next one is served.

pub mod host;
mod mounts;
mod own_data;
mod secrets;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use self::host::{app, host, limits};
use crate::support;
use crate::support::client::{exchange, get, post, post_chunked, read_response, send};
use infer_host::Limits;

#[test]
fn a_bad_request_fails_alone() {
    let host = host(limits());
    let internal = "internal error, not caused by the request; the server's log has the details under request id ";
    let cases = [
        ("/trap", 500, internal),
        (
            "/spin",
            504,
            "the request took longer than its time limit of 1000 ms",
        ),
        (
            "/hog",
            507,
            "the request needs more memory than an instance may have",
        ),
        ("/silent", 500, internal),
    ];
    let mut wrong = Vec::new();
    for (path, status, sentence) in cases {
        let response = get(host.address, path);
        if response.status != status || !response.error().starts_with(sentence) {
            wrong.push(format!("{path}: {} {}", response.status, response.text()));
        }
        let next = get(host.address, "/");
        if (next.status, next.text().as_str()) != (200, "well") {
            wrong.push(format!("after {path}: {} {}", next.status, next.text()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_failure_after_the_headers_ends_the_body_early() {
    let host = host(limits());
    for path in ["/late-trap", "/late-spin"] {
        let response = get(host.address, path);
        // How much was sent before the connection closed depends on timing, but something must be missing.
        assert!(!response.is_whole, "{path}: {response:?}");
        assert!(
            "half of".starts_with(&response.text()),
            "{path}: {response:?}"
        );
        assert_eq!(get(host.address, "/").text(), "well", "after {path}");
    }
}

#[test]
fn large_bodies_pass_both_ways() {
    let host = host(Limits {
        request_timeout: Duration::from_secs(60),
        ..limits()
    });
    let big = get(host.address, "/big");
    assert!(big.is_whole);
    let expected: Vec<u8> = (0..80_u8).flat_map(|part| vec![part; 1 << 16]).collect();
    assert_eq!(big.body, expected);
    let echo = post_while_reading(host.address, "/echo", &expected);
    assert_eq!(echo, expected);
}

/// POST and read concurrently. This is necessary for an echo that exceeds the socket buffers.
fn post_while_reading(address: SocketAddr, path: &str, body: &[u8]) -> Vec<u8> {
    let stream = TcpStream::connect(address).unwrap();
    let mut writer = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            writer.write_all(head.as_bytes()).unwrap();
            writer.write_all(body).unwrap();
        });
        let response = read_response(stream);
        assert!(response.is_whole);
        response.body
    })
}

#[test]
fn an_early_response_reaches_a_client_that_is_still_sending() {
    let host = host(limits());
    let body = vec![7; 11 << 20];
    for _ in 0..3 {
        let response = send(host.address, "POST", "/early", &[], &body);
        assert_eq!(
            (response.status, response.text().as_str()),
            (413, "too much")
        );
        let response = post_chunked(host.address, "/early", &body);
        assert_eq!(
            (response.status, response.text().as_str()),
            (413, "too much")
        );
    }
    // A client that waits for `100 Continue` does not get it.
    let head = b"POST /early HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\n\
                 content-length: 11534336\r\n\r\n";
    let response = exchange(host.address, &[head]);
    assert_eq!(
        (response.status, response.text().as_str()),
        (413, "too much")
    );
}

#[test]
fn a_guest_that_responds_first_still_gets_the_body() {
    let host = host(limits());
    for path in ["/echo", "/late-echo"] {
        let mut stream = TcpStream::connect(host.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\n\
             content-length: 5\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut interim = [0; 25];
        stream.read_exact(&mut interim).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&interim),
            "HTTP/1.1 100 Continue\r\n\r\n",
            "{path}"
        );
        stream.write_all(b"first").unwrap();
        let response = read_response(stream);
        assert_eq!((response.status, response.text().as_str()), (200, "first"));
    }
}

#[test]
fn a_guest_sees_only_its_settings() {
    let host = host(limits());
    assert_eq!(
        get(host.address, "/environment").text(),
        "INFER_A=manifest\nINFER_B=user\narguments: []\nfolder: None\ninput: Err(StreamError::Closed)"
    );
}

#[test]
fn a_component_that_imports_sockets_or_outbound_http_is_not_served() {
    let mut wrong = Vec::new();
    for (name, interface) in [
        ("outgoing", "wasi:http/outgoing-handler@0.2."),
        ("sockets", "wasi:sockets/"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let component = support::guests::build(name, name);
        let Err(error) = app(folder.path(), &component, limits()) else {
            wrong.push(format!("{name}: it is served"));
            continue;
        };
        let message = error.to_string();
        let begins = "the component cannot be served: component imports instance `";
        let ends = "but a matching implementation was not found in the linker";
        if !(message.starts_with(begins) && message.contains(interface) && message.contains(ends)) {
            wrong.push(format!("{name}: {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_request_has_its_own_instance() {
    let host = host(limits());
    for _ in 0..20 {
        assert_eq!(get(host.address, "/count").text(), "0");
    }
}

#[test]
fn a_stopping_server_completes_running_requests() {
    let host = host(Limits {
        request_timeout: Duration::from_secs(60),
        drain_timeout: Duration::from_secs(60),
        ..limits()
    });
    // A request whose body is half sent when the server is told to stop.
    let mut stream = TcpStream::connect(host.address).unwrap();
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nfirst")
        .unwrap();
    // The response begins at once, so the request is being served.
    let mut begun = [0; 4];
    stream.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP");
    // An idle connection has nothing to finish.
    let idle = TcpStream::connect(host.address).unwrap();

    host.stop.send(()).unwrap();
    stream.write_all(b" half").unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    let rest = String::from_utf8(rest).unwrap();
    assert!(rest.contains("first") && rest.contains(" half"), "{rest}");
    host.runtime.block_on(host.served).unwrap();
    assert!(
        TcpStream::connect(host.address).is_err(),
        "the server no longer listens"
    );
    drop(idle);
}

#[test]
fn requests_over_capacity_get_503_and_the_service_recovers() {
    let host = host(limits());
    // Four requests run, four wait, and the others get 503. The waiting requests time out too, because the running
    // requests use all of the time.
    let responses: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..24)
            .map(|_| scope.spawn(|| get(host.address, "/spin")))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let overloaded: Vec<_> = responses
        .iter()
        .filter(|response| response.status == 503)
        .collect();
    assert!(!overloaded.is_empty(), "24 requests for 8 places");
    for response in &overloaded {
        assert_eq!(response.header("retry-after"), Some("1"));
        assert_eq!(
            response.error(),
            "overloaded: 8 requests are running or queued"
        );
    }
    assert!(
        responses
            .iter()
            .all(|response| matches!(response.status, 503 | 504))
    );
    assert_eq!(get(host.address, "/").text(), "well");
}

#[test]
fn disconnected_clients_release_their_instances() {
    let host = host(limits());
    // More requests than instances, one after another: each must release its instance at once, or the last request
    // would not get one.
    for _ in 0..32 {
        let mut stream = TcpStream::connect(host.address).unwrap();
        stream
            .write_all(b"GET /spin HTTP/1.1\r\nhost: x\r\n\r\n")
            .unwrap();
        drop(stream);
    }
    let mut response = get(host.address, "/");
    while response.status == 503 {
        response = get(host.address, "/");
    }
    assert_eq!(response.text(), "well");
}

#[test]
fn invalid_http_gets_an_http_response() {
    let host = host(limits());
    let cases: [(&[u8], u16); 3] = [
        (b"HELLO\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (
            b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
            400,
        ),
    ];
    for (bytes, status) in cases {
        assert_eq!(exchange(host.address, &[bytes]).status, status, "{bytes:?}");
    }
    let http_1_0 = exchange(host.address, &[b"GET / HTTP/1.0\r\n\r\n"]);
    assert_eq!((http_1_0.status, http_1_0.text().as_str()), (200, "well"));
    let no_host = post(host.address, "/", "text/plain", b"");
    assert_eq!(no_host.status, 200);
}
