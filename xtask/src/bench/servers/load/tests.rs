//! The load generator against a small server in this process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use super::*;

const BODY: &[u8] = b"[1,2,3]";

/// The response to the request with that number on a connection.
type Respond = fn(usize) -> String;

/// A server whose connections each count their requests.
fn server(respond: Respond) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || serve(stream.unwrap(), respond));
        }
    });
    address
}

fn serve(mut stream: TcpStream, respond: Respond) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    for number in 0.. {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        assert_eq!(body, BODY);
        stream.write_all(respond(number).as_bytes()).ok()?;
    }
    None
}

fn request() -> Arc<Request> {
    Arc::new(Request::post(
        "/",
        &[("content-type", "application/json")],
        BODY,
    ))
}

/// The latencies of a load that stops after `least` responses.
fn load(
    address: SocketAddr,
    expected: Expected,
    connections: usize,
    least: usize,
) -> Result<Vec<Duration>> {
    let from = Instant::now();
    let load = Load::start(address, &request(), expected, connections);
    load.warm_up(Duration::ZERO)?;
    load.run(Duration::ZERO, Duration::from_secs(60), least)?;
    let until = Instant::now() + Duration::from_secs(60);
    load.finish(from, until)
}

#[test]
fn every_response_counts_and_connections_persist() {
    // Only a persistent connection gets the second response.
    let address = server(|number| match number {
        0 => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[1,2]".to_owned(),
        _ => {
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n[1\r\n3\r\n,2]\r\n0\r\n\r\n"
                .to_owned()
        }
    });
    for expected in [Expected::Bytes(5), Expected::Commas(1)] {
        let latencies = load(address, expected, 3, 20).unwrap();
        assert!(latencies.len() >= 20, "{}", latencies.len());
        assert!(latencies.is_sorted());
    }
}

#[test]
fn responses_outside_the_window_do_not_count() {
    let address = server(|_| "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned());
    let load = Load::start(address, &request(), Expected::Bytes(0), 2);
    load.warm_up(Duration::ZERO).unwrap();
    let now = Instant::now();
    assert!(load.finish(now, now).unwrap().is_empty());
}

#[test]
fn unexpected_responses_fail() {
    let cases: [(Respond, &str); 5] = [
        (
            |_| "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n[1]".to_owned(),
            "expected a response of 5 bytes, found 3",
        ),
        (
            |number| match number {
                0 => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n[1,2]".to_owned(),
                _ => "HTTP/1.1 503 Busy\r\ncontent-length: 9\r\n\r\ntoo many\n".to_owned(),
            },
            "the status of a response is 503: too many",
        ),
        (
            |_| "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n[1,2]!".to_owned(),
            "1 bytes follow a response body of 5 bytes",
        ),
        (
            |_| "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
            "the response has neither a content length nor chunks",
        ),
        (
            |_| "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nsome\r\n".to_owned(),
            "a chunk of the response has no valid size",
        ),
    ];
    for (respond, reason) in cases {
        let error = load(server(respond), Expected::Bytes(5), 2, usize::MAX).unwrap_err();
        assert_eq!(error.to_string(), reason);
    }
}

#[test]
fn a_closed_connection_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = load(address, Expected::Bytes(0), 1, 1).unwrap_err();
    assert_eq!(error.to_string(), "cannot connect");
}

#[test]
fn commas_are_counted() {
    let expected = Expected::Commas(2);
    assert!(expected.check(200, b"[1,2,3]").is_ok());
    let error = expected.check(200, b"[1,2]").unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected a response with 2 commas, found 1"
    );
}
