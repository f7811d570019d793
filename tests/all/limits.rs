//! Resource limits of the host, over real sockets. Each test exceeds one limit while the other limits are out of reach,
//! and checks that the host's metrics count it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::client::{Response, exchange, get, post, read_response, send};
use crate::support::guests::TROUBLE;
use crate::support::host::{Host, start};
use infer_host::Limits;

/// A timeout that no test reaches.
const NEVER: Duration = Duration::from_secs(3600);

/// A short timeout, but longer than the first actions of a test.
const SOON: Duration = Duration::from_millis(500);

/// Limits that no test exceeds, for a test to lower one of them.
fn unlimited() -> Limits {
    Limits {
        request_timeout: NEVER,
        header_timeout: NEVER,
        keep_alive_timeout: NEVER,
        body_timeout: NEVER,
        write_timeout: NEVER,
        drain_timeout: NEVER,
        max_answer_bytes: u64::MAX,
        max_instances: 1,
        ..Limits::default()
    }
}

/// Check that the host counted this limit `times` times, and no other limit.
fn expect_reached(host: &Host, limit: &str, times: u32) {
    let metrics = get(host.admin, "/metrics").text();
    let counted: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("infer_limits_reached_total"))
        .collect();
    let expected = format!("infer_limits_reached_total{{limit=\"{limit}\"}} {times}");
    assert_eq!(counted, [expected]);
}

/// Check that a request succeeds; it hangs if another request still holds the only instance.
fn expect_well(host: &Host) {
    let response = get(host.address, "/");
    assert_eq!((response.status, response.text().as_str()), (200, "well"));
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(120)))
        .unwrap();
    stream
}

/// Read until nothing more arrives, and return whether the connection was closed or reset.
fn is_closed(stream: &mut TcpStream) -> bool {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => true,
        Err(error) => matches!(
            error.kind(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
        ),
    }
}

/// Send a byte every 20 ms until the connection is closed.
fn trickle(stream: &mut TcpStream, byte: u8) {
    stream
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    for _ in 0..10_000 {
        match stream.read(&mut [0; 1024]) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
        if stream.write_all(&[byte]).is_err() {
            return;
        }
    }
    panic!("the connection is still open");
}

#[test]
fn header_size_is_limited() {
    let host = start(
        &TROUBLE,
        Limits {
            max_header_bytes: 1024,
            ..unlimited()
        },
    );
    let ask = |bytes: usize| {
        let head = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\na: ";
        let filling = "a".repeat(bytes - head.len() - 4);
        let request = format!("{head}{filling}\r\n\r\n");
        assert_eq!(request.len(), bytes);
        exchange(host.address, &[request.as_bytes()])
    };
    assert_eq!(ask(1024).status, 200);
    let response = ask(1025);
    assert_eq!(response.status, 431);
    assert_eq!(
        response.error(),
        "the request line and headers have 1025 bytes, expected at most 1024"
    );
    // hyper itself responds to heads that exceed its buffer.
    for bytes in [20_000, 1 << 20] {
        let request = format!("GET / HTTP/1.1\r\nhost: x\r\na: {}", "a".repeat(bytes));
        let mut stream = connect(host.address);
        // The write fails if the server closes the connection early.
        _ = stream.write_all(request.as_bytes());
        let mut status = [0; 12];
        if stream.read_exact(&mut status).is_ok() {
            assert_eq!(&status, b"HTTP/1.1 431", "{bytes} bytes");
        }
    }
    let many: String = (0..101).map(|n| format!("a{n}: b\r\n")).collect();
    let request = format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{many}\r\n");
    assert_eq!(exchange(host.address, &[request.as_bytes()]).status, 431);
    let long = format!("/{}", "a".repeat(2000));
    let response = get(host.address, &long);
    assert_eq!(response.status, 431, "{}", response.text());
    expect_reached(&host, "header-bytes", 2);
    expect_well(&host);
}

#[test]
fn slow_headers_time_out() {
    let host = start(
        &TROUBLE,
        Limits {
            header_timeout: SOON,
            ..unlimited()
        },
    );
    let begin = b"GET / HTTP/1.1\r\nhost: x\r\n";
    let mut silent = connect(host.address);
    assert!(is_closed(&mut silent), "no bytes were sent");
    let mut half = connect(host.address);
    half.write_all(begin).unwrap();
    assert!(is_closed(&mut half), "half of the headers was sent");
    let mut slow = connect(host.address);
    slow.write_all(begin).unwrap();
    trickle(&mut slow, b'a');
    // The second request on a connection has the same timeout as the first.
    let mut second = connect(host.address);
    second
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    read_one(&mut second);
    second.write_all(begin).unwrap();
    assert!(
        is_closed(&mut second),
        "half of the second headers was sent"
    );
    expect_reached(&host, "header-time", 4);
    expect_well(&host);
}

/// Read one response from a connection that stays open.
fn read_one(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0; 1];
    // The component streams its responses, which end with an empty chunk; the host's have a length.
    loop {
        let text = String::from_utf8_lossy(&bytes);
        let is_whole = match text.split_once("\r\n\r\n") {
            Some((head, body)) if head.contains("chunked") => body.ends_with("0\r\n\r\n"),
            Some((head, body)) => {
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "));
                length.is_some_and(|length| length.parse() == Ok(body.len()))
            }
            None => false,
        };
        if is_whole {
            return text.into_owned();
        }
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
}

#[test]
fn idle_connections_time_out() {
    let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let host = start(
        &TROUBLE,
        Limits {
            keep_alive_timeout: SOON,
            ..unlimited()
        },
    );
    let mut stream = connect(host.address);
    stream.write_all(request).unwrap();
    assert!(read_one(&mut stream).contains("well"));
    assert!(is_closed(&mut stream));

    // The idle timeout does not limit the time for headers.
    let host = start(
        &TROUBLE,
        Limits {
            header_timeout: SOON,
            ..unlimited()
        },
    );
    let mut stream = connect(host.address);
    for _ in 0..2 {
        stream.write_all(request).unwrap();
        assert!(read_one(&mut stream).contains("well"));
        stream.set_read_timeout(Some(2 * SOON)).unwrap();
        let error = stream.read(&mut [0]).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            "{error}"
        );
        stream
            .set_read_timeout(Some(Duration::from_secs(120)))
            .unwrap();
    }
}

#[test]
fn slow_bodies_time_out() {
    let host = start(
        &TROUBLE,
        Limits {
            body_timeout: SOON,
            min_bytes_per_second: 100,
            ..unlimited()
        },
    );
    let sentence = "the body arrived too slowly: expected no pause of 500 ms, and at least 100 bytes per second";
    let cases: [(&str, &[u8]); 4] = [
        (
            "no byte",
            b"POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n",
        ),
        (
            "half of the body",
            b"POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nfirst",
        ),
        (
            "one chunk",
            b"POST /read HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n",
        ),
        (
            "no byte after `100 Continue`",
            b"POST /read HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n",
        ),
    ];
    let mut wrong = Vec::new();
    for (name, bytes) in cases {
        let mut stream = connect(host.address);
        stream.write_all(bytes).unwrap();
        let response: Response = read_response(stream);
        if (response.status, response.error().as_str()) != (408, sentence) {
            wrong.push(format!("{name}: {} {}", response.status, response.text()));
        }
        expect_well(&host);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // A byte every 20 ms meets the timeout, but is less than 100 bytes per second.
    let mut stream = connect(host.address);
    stream
        .write_all(b"POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n")
        .unwrap();
    trickle(&mut stream, b'a');
    expect_well(&host);

    // A response that has begun cannot be replaced.
    let mut stream = connect(host.address);
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nfirst")
        .unwrap();
    let response = read_response(stream);
    assert!(!response.is_whole, "{response:?}");
    expect_well(&host);
    expect_reached(&host, "body-time", 6);

    let response = post(host.address, "/read", "text/plain", &[7; 100_000]);
    assert_eq!((response.status, response.text().as_str()), (200, "100000"));
}

/// Start an endless response, which holds the only instance, and read no further.
fn begin_endless(host: &Host) -> TcpStream {
    let mut stream = connect(host.address);
    stream
        .write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
    stream
}

#[test]
fn slow_readers_time_out() {
    let host = start(
        &TROUBLE,
        Limits {
            write_timeout: SOON,
            ..unlimited()
        },
    );
    let mut stream = begin_endless(&host);
    expect_well(&host);
    expect_reached(&host, "write-time", 1);
    assert!(
        is_closed(&mut stream),
        "the connection ends after the data in flight"
    );
}

#[test]
fn a_slow_reader_holds_no_instance() {
    let host = start(
        &TROUBLE,
        Limits {
            request_timeout: SOON,
            ..unlimited()
        },
    );
    let _stream = begin_endless(&host);
    // The second request may time out while it waits for the instance, but by then the first has timed out too.
    let second = get(host.address, "/");
    assert!(matches!(second.status, 200 | 504), "{second:?}");
    expect_well(&host);
}

#[test]
fn response_size_is_limited() {
    const BIG_BYTES: u64 = 80 << 16;
    let host = start(
        &TROUBLE,
        Limits {
            max_answer_bytes: BIG_BYTES,
            ..unlimited()
        },
    );
    let big = get(host.address, "/big");
    assert!(big.is_whole);
    assert_eq!(big.body.len() as u64, BIG_BYTES, "exactly the limit");
    let endless = get(host.address, "/endless");
    assert_eq!(endless.status, 200);
    assert!(!endless.is_whole);
    assert!(
        endless.body.len() as u64 <= BIG_BYTES,
        "{}",
        endless.body.len()
    );
    expect_well(&host);
    expect_reached(&host, "answer-bytes", 1);
    // The record of a response is complete after its connection has ended.
    let is_counted = || {
        let metrics = get(host.admin, "/metrics").text();
        metrics.contains("\ninfer_cut_off_total 1\n")
    };
    assert!(
        (0..10_000).any(|_| is_counted()),
        "one of the responses was truncated"
    );
}

#[test]
fn the_number_of_connections_is_limited() {
    let host = start(
        &TROUBLE,
        Limits {
            max_connections: 2,
            ..unlimited()
        },
    );
    let mut open: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut stream = connect(host.address);
            stream
                .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
                .unwrap();
            assert!(read_one(&mut stream).contains("well"));
            stream
        })
        .collect();
    let response = get(host.address, "/");
    assert_eq!(response.status, 503);
    assert_eq!(response.header("retry-after"), Some("1"));
    assert_eq!(response.error(), "overloaded: 2 connections are open");
    let response = send(host.address, "POST", "/read", &[], &[0; 1 << 20]);
    assert_eq!(response.status, 503, "with a body that is not read");
    expect_reached(&host, "connections", 2);
    // Connections that are already open are served.
    let stream = &mut open[0];
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    assert!(read_one(stream).contains("well"));
    open.pop();
    let mut response = get(host.address, "/");
    while response.status == 503 {
        response = get(host.address, "/");
    }
    assert_eq!(response.text(), "well");
}

#[test]
fn request_time_and_instance_memory_are_limited() {
    let limits = Limits {
        request_timeout: SOON,
        instance_memory_bytes: 64 << 20,
        ..unlimited()
    };
    let host = start(&TROUBLE, limits);
    assert_eq!(
        get(host.address, "/spin").error(),
        "the request took longer than its time limit of 500 ms"
    );
    expect_reached(&host, "request-time", 1);
    let host = start(
        &TROUBLE,
        Limits {
            instance_memory_bytes: 64 << 20,
            ..unlimited()
        },
    );
    let response = get(host.address, "/hog");
    assert_eq!(response.status, 507);
    assert_eq!(
        response.error(),
        "the request needs more memory than an instance may have; send a smaller input or batch"
    );
    expect_reached(&host, "memory", 1);
    expect_well(&host);
}

#[test]
fn the_queue_length_is_limited() {
    let host = start(
        &TROUBLE,
        Limits {
            max_waiting: 0,
            ..unlimited()
        },
    );
    let mut stream = connect(host.address);
    stream
        .write_all(
            b"POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\na",
        )
        .unwrap();
    // The response begins at once, so the request holds the only instance.
    stream.read_exact(&mut [0; 4]).unwrap();
    let response = get(host.address, "/");
    assert_eq!(response.status, 503);
    assert_eq!(response.header("retry-after"), Some("1"));
    assert_eq!(
        response.error(),
        "overloaded: 1 requests are running or queued"
    );
    expect_reached(&host, "queue", 1);
    stream.write_all(b"b").unwrap();
    assert!(is_closed(&mut stream));
    expect_well(&host);
}

#[test]
fn a_draining_server_is_not_ready() {
    let host = start(
        &TROUBLE,
        Limits {
            drain_delay: NEVER,
            ..unlimited()
        },
    );
    let ready = b"GET /v2/health/ready HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut kept = connect(host.address);
    kept.write_all(ready).unwrap();
    assert!(
        read_one(&mut kept).starts_with("HTTP/1.1 200"),
        "the component's response"
    );
    assert_eq!(get(host.admin, "/readyz").status, 200);
    host.stop.send(()).unwrap();
    let mut response = get(host.address, "/v2/health/ready");
    while response.status == 200 {
        response = get(host.address, "/v2/health/ready");
    }
    assert_eq!(
        (response.status, response.error().as_str()),
        (503, "the server is shutting down")
    );
    assert_eq!(response.header("retry-after"), Some("1"));
    assert_eq!(get(host.admin, "/readyz").status, 503);
    assert_eq!(get(host.admin, "/healthz").status, 200);
    assert_eq!(get(host.address, "/v2/health/live").status, 200);
    kept.write_all(ready).unwrap();
    assert!(
        read_one(&mut kept).starts_with("HTTP/1.1 503"),
        "on a persistent connection"
    );
    assert_eq!(
        get(host.address, "/").text(),
        "well",
        "other requests are served during the delay"
    );
}

#[test]
fn open_connections_are_served_while_the_last_request_ends() {
    let host = start(
        &TROUBLE,
        Limits {
            max_instances: 2,
            ..unlimited()
        },
    );
    let mut last = connect(host.address);
    last.write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\na")
        .unwrap();
    last.read_exact(&mut [0; 4]).unwrap();
    let (mut probe, mut other) = (connect(host.address), connect(host.address));
    let ask = |stream: &mut TcpStream, path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        read_one(stream)
    };
    assert!(ask(&mut other, "/").starts_with("HTTP/1.1 200"));
    assert!(ask(&mut probe, "/v2/health/ready").starts_with("HTTP/1.1 200"));
    host.stop.send(()).unwrap();
    let mut response = ask(&mut probe, "/v2/health/ready");
    while response.starts_with("HTTP/1.1 200") {
        response = ask(&mut probe, "/v2/health/ready");
    }
    assert!(response.starts_with("HTTP/1.1 503"), "{response}");
    let live = ask(&mut probe, "/v2/health/live");
    assert!(
        live.starts_with("HTTP/1.1 200") && !live.contains("connection: close"),
        "{live}"
    );
    // The server stops listening now or very soon.
    while TcpStream::connect(host.address).is_ok() {}
    let response = ask(&mut other, "/");
    assert!(
        response.starts_with("HTTP/1.1 200") && response.contains("connection: close"),
        "{response}"
    );
    assert!(is_closed(&mut other));
    last.write_all(b"b").unwrap();
    assert!(is_closed(&mut last));
    host.runtime.block_on(host.served).unwrap();
    assert!(is_closed(&mut probe), "after the server has stopped");
}
