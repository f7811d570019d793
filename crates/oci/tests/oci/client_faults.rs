//! Pulls from a server with faults. Each fails with its own message, and leaves no file.

use std::net::TcpListener;
use std::time::Duration;

use infer_oci::{Digest, Options};

use crate::components::{anonymous, check_errors, pull, pull_fails, small};
use crate::faulty::{Faulty, Reply, Seen, documents, fails, reply};

/// The part of the component's path.
fn layer() -> &'static str {
    Digest::of(&small()).as_str().to_owned().leak()
}

fn config() -> &'static str {
    Digest::of(&documents().1).as_str().to_owned().leak()
}

/// A manifest with `from` replaced.
fn manifest(from: &str, to: &str) -> Reply {
    let text = String::from_utf8(documents().0).unwrap();
    assert!(text.contains(from), "{from}");
    reply(200, &[], text.replace(from, to).as_bytes())
}

#[test]
fn the_server_is_otherwise_good() {
    let server = Faulty::start(|_| None);
    let (pulled, bytes) = pull(&server.target(), &anonymous()).unwrap();
    assert!(bytes == small());
    assert_eq!(pulled.digest, Digest::of(&documents().0));
}

#[test]
fn content_is_checked() {
    let component = small();
    let (length, size) = (component.len(), component.len().to_string());
    let cut = |bytes: usize| {
        move |_: &Seen| {
            let Reply::Bytes(mut reply) = reply(200, &[], &small()) else {
                unreachable!()
            };
            reply.truncate(reply.len() - bytes);
            Reply::Bytes(reply)
        }
    };
    let chunked = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";
    let ended = format!("ended after {} of {length} bytes", length - 7);
    check_errors(vec![
        (
            "cut blob",
            fails(layer(), cut(7)),
            &["the component from", &ended],
        ),
        (
            "empty blob",
            fails(layer(), |_| reply(200, &[], b"")),
            &["ended after 0 of"],
        ),
        (
            "short blob",
            fails(layer(), |_| reply(200, &[], &small()[..9])),
            &["ended after 9 of"],
        ),
        (
            "cut chunks",
            fails(layer(), |_| {
                Reply::Bytes([&chunked[..], b"5\r\n\0asm"].concat())
            }),
            &["ended after"],
        ),
        (
            "bad chunks",
            fails(layer(), |_| {
                Reply::Bytes([&chunked[..], b"zz\r\n"].concat())
            }),
            &["ended after 0"],
        ),
        (
            "long blob",
            fails(layer(), |_| reply(200, &[], &[small(), vec![0]].concat())),
            &["has more than", &size],
        ),
        (
            "endless blob",
            fails(layer(), |_| {
                Reply::Endless(chunked.to_vec(), b"4\r\nabcd\r\n")
            }),
            &["has more than", &size],
        ),
        (
            "changed blob",
            fails(layer(), |_| {
                let mut bytes = small();
                bytes[9] ^= 1;
                reply(200, &[], &bytes)
            }),
            &["the component has the digest `sha256:", layer()],
        ),
        (
            "changed config",
            fails(config(), |_| reply(200, &[], b"{}")),
            &["the config has the digest", config()],
        ),
        (
            "long config",
            fails(config(), |_| reply(200, &[], &[b' '; 9999])),
            &["the config has more than"],
        ),
        (
            "no config",
            fails(config(), |_| reply(404, &[], b"")),
            &["does not have the config"],
        ),
        (
            "no layer",
            fails(layer(), |_| reply(404, &[], b"")),
            &["does not have the component"],
        ),
    ]);
}

#[test]
fn manifests_are_checked() {
    let json = |text: &'static str| move |_: &Seen| reply(200, &[], text.as_bytes());
    let head = b"HTTP/1.1 200 X\r\n\r\n".to_vec();
    let other = Digest::of(b"other");
    let other_header = other.clone();
    let endless = move |_: &Seen| Reply::Endless(head.clone(), b"          ");
    let announced = move |_: &Seen| {
        reply(
            200,
            &[("Docker-Content-Digest", other_header.as_str())],
            &documents().0,
        )
    };
    let digest = Digest::of(&small());
    let traversal = move |_: &Seen| manifest(digest.as_str(), "sha256:../../../etc/passwd");
    let html = |_: &Seen| {
        reply(
            200,
            &[("Content-Type", "text/html; charset=utf-8")],
            b"<html>",
        )
    };
    let by_digest = {
        let server = Faulty::start(|_| None);
        pull_fails(&format!("{}/digits@{other}", server.address), &anonymous())
    };
    check_errors(vec![
        (
            "page",
            fails("manifests", html),
            &["does not behave like an OCI registry", "web page"],
        ),
        (
            "text",
            fails("manifests", json("hello")),
            &["the manifest of", "is malformed"],
        ),
        (
            "empty",
            fails("manifests", json("")),
            &["the manifest of", "is malformed"],
        ),
        (
            "array",
            fails("manifests", json("[]")),
            &["the manifest of", "is malformed"],
        ),
        (
            "binary",
            fails("manifests", |_| reply(200, &[], b"\xff\xfe")),
            &["is malformed"],
        ),
        (
            "depth",
            fails("manifests", |_| reply(200, &[], &[b'['; 100_000])),
            &["is malformed"],
        ),
        (
            "no members",
            fails("manifests", json(r#"{"schemaVersion":2}"#)),
            &["of type `none`"],
        ),
        (
            "version",
            fails("manifests", json(r#"{"schemaVersion":1}"#)),
            &["`schemaVersion` is 1, expected 2"],
        ),
        (
            "negative size",
            fails("manifests", |_| manifest("\"size\":", "\"size\":-")),
            &["is malformed"],
        ),
        (
            "huge size",
            fails("manifests", |_| {
                manifest("\"size\":", "\"size\":9999999999")
            }),
            &["more than the limit of 4294967296"],
        ),
        (
            "traversal",
            fails("manifests", traversal),
            &["`sha256:../../../etc/passwd` is not a digest"],
        ),
        (
            "endless",
            fails("manifests", endless),
            &["the manifest has more than 4194304 bytes"],
        ),
        (
            "announced digest",
            fails("manifests", announced),
            &["the manifest has the digest", other.as_str()],
        ),
        (
            "asked digest",
            by_digest,
            &["the manifest has the digest", other.as_str()],
        ),
    ]);
}

#[test]
fn statuses_have_their_words() {
    let status = |status: u16, headers: &'static [(&str, &str)], body: &'static str| {
        fails("manifests", move |_| {
            reply(status, headers, body.as_bytes())
        })
    };
    let message =
        r#"{"errors":[{"code":"X","message":"as \u001b[31mplanned"},{"code":"NO_MESSAGE"}]}"#;
    check_errors(vec![
        (
            "400",
            status(400, &[], message),
            &["status 400", "(it says: as  [31mplanned; NO_MESSAGE)"],
        ),
        (
            "403",
            status(403, &[], message),
            &[
                "denied access to `digits`",
                "who may pull it",
                "docker login",
            ],
        ),
        (
            "404 page",
            status(404, &[("Content-Type", "text/html")], "<html>"),
            &["does not behave like an OCI registry"],
        ),
        ("204", status(204, &[], ""), &["status 204"]),
        ("418", status(418, &[], ""), &["status 418"]),
        (
            "429",
            status(429, &[("Retry-After", "120")], message),
            &["limits the rate", "planned", "try again in 120 s"],
        ),
        (
            "429, a date",
            status(429, &[("Retry-After", "Wed, 01 Jan 2031 00:00:00 GMT")], ""),
            &["try again later"],
        ),
        ("429, no wait", status(429, &[], ""), &["try again later"]),
        (
            "429, too many digits",
            status(429, &[("Retry-After", "99999999999999999999999")], ""),
            &["try again later"],
        ),
        (
            "500",
            status(500, &[], message),
            &["failed with status 500", "planned", "try again later"],
        ),
        (
            "502 page",
            status(502, &[("Content-Type", "text/html")], "<html>"),
            &["failed with status 502"],
        ),
        ("599", status(599, &[], ""), &["failed with status 599"]),
    ]);
}

#[test]
fn broken_connections_have_their_words() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let bytes = |text: &'static [u8]| fails("manifests", move |_| Reply::Bytes(text.to_vec()));
    let endless_head =
        |_: &Seen| Reply::Endless(b"HTTP/1.1 200 X\r\n".to_vec(), b"X-Header: 1\r\n");
    let endless_line = |_: &Seen| Reply::Endless(b"HTTP/1.1 200 ".to_vec(), b"XXXXXXXX");
    check_errors(vec![
        (
            "refused",
            pull_fails(&format!("{free}/digits:1"), &anonymous()),
            &["refused the connection", "is running"],
        ),
        (
            "no host",
            pull_fails("no-such-host.invalid/digits:1", &anonymous()),
            &["no-such-host.invalid"],
        ),
        ("closed", bytes(b""), &["the connection to", "failed"]),
        (
            "cut head",
            bytes(b"HTTP/1.1 200 OK\r\nContent-Le"),
            &["127.0.0.1"],
        ),
        (
            "not HTTP",
            bytes(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
            &["does not behave like an OCI registry"],
        ),
        (
            "endless head",
            fails("manifests", endless_head),
            &["127.0.0.1"],
        ),
        (
            "endless line",
            fails("manifests", endless_line),
            &["127.0.0.1"],
        ),
    ]);
}

#[test]
fn silence_ends_with_a_timeout() {
    let mut options = Options {
        idle_timeout: Duration::from_millis(200),
        ..anonymous()
    };
    let silent = |part: &'static str, reply: fn() -> Reply, options: &Options| {
        let server = Faulty::start(move |seen| seen.path.contains(part).then(reply));
        pull_fails(&server.target(), options)
    };
    let before = silent("manifests", || Reply::Silent, &options);
    let within: fn() -> Reply = || {
        let start = b"HTTP/1.1 200 X\r\nContent-Length: 9999\r\n\r\n{".to_vec();
        // Nothing follows until the client closes the connection.
        Reply::Endless(start, b"")
    };
    let within = silent("manifests", within, &options);
    options.idle_timeout = Duration::from_secs(100);
    options.transfer_timeout = Duration::from_millis(200);
    let total = silent(
        "manifests",
        || Reply::Endless(b"HTTP/1.1 200 X\r\n\r\n".to_vec(), b""),
        &options,
    );
    let expected: &[&str] = &["did not answer in time (while reading the response)"];
    check_errors(vec![
        (
            "before the head",
            before,
            &["did not answer in time (while waiting for the response)"],
        ),
        ("within the body", within, expected),
        ("in total", total, expected),
    ]);
}
