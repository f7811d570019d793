//! Pushes to a server with faults.

use crate::components::{anonymous, check_errors, large, message, push, small};
use crate::faulty::{Faulty, Reply, Seen, head, reply};

fn fails(
    component: &[u8],
    method: &'static str,
    fault: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> Result<String, String> {
    let server = Faulty::start(move |seen| (seen.method == method).then(|| fault(seen)));
    message(push(&server.target(), component, &anonymous()))
}

#[test]
fn the_server_is_otherwise_good() {
    let server = Faulty::start(|_| None);
    for component in [small(), large(2 << 20)] {
        push(&server.target(), &component, &anonymous()).unwrap();
        let seen = server.seen();
        let upload = seen.iter().find(|seen| seen.body == component).unwrap();
        // The location's query stays as it is.
        let digest = infer_oci::Digest::of(&component)
            .to_string()
            .replace(':', "%3A");
        assert_eq!(
            upload.path,
            format!("/upload/1?state=a%3Db&digest={digest}")
        );
    }
}

#[test]
fn uploads_fail_with_their_words() {
    let small = small();
    let large = large(2 << 20);
    let to = |location: &'static str| move |_: &Seen| head(202, &[("Location", location)]);
    let digest = ("Docker-Content-Digest", "sha256:0");
    check_errors(vec![
        (
            "413",
            fails(&small, "PUT", |_| head(413, &[])),
            &[
                "rejected the component as too large",
                "raise the body limit",
            ],
        ),
        (
            "413 before the body",
            fails(&large, "PUT", |_| head(413, &[])),
            &["rejected the component as too large"],
        ),
        (
            "403",
            fails(&small, "POST", |_| head(403, &[])),
            &["denied access to `digits`", "who may push it"],
        ),
        (
            "404",
            fails(&small, "POST", |_| head(404, &[])),
            &["does not have the repository `digits`"],
        ),
        (
            "405",
            fails(&small, "POST", |_| head(405, &[])),
            &["status 405"],
        ),
        (
            "429",
            fails(&small, "POST", |_| head(429, &[("Retry-After", "7")])),
            &["try again in 7 s"],
        ),
        (
            "500",
            fails(&small, "HEAD", |_| head(500, &[])),
            &["failed with status 500 for the component"],
        ),
        (
            "503",
            fails(&small, "PUT", |_| head(503, &[])),
            &["failed with status 503"],
        ),
        (
            "200",
            fails(&small, "PUT", |_| head(200, &[])),
            &["status 200 to the request for the component"],
        ),
        (
            "page",
            fails(&small, "POST", |_| {
                reply(200, &[("Content-Type", "text/html")], b"<html>")
            }),
            &["web page"],
        ),
        (
            "no location",
            fails(&small, "POST", |_| head(202, &[])),
            &["no `Location`"],
        ),
        (
            "no URL",
            fails(&small, "POST", to("http://[/")),
            &["`Location` is no URL"],
        ),
        (
            "plain location",
            fails(&small, "POST", to("http://other.example/")),
            &["`Location` is insecure", "`other.example` is not HTTPS"],
        ),
        (
            "mail",
            fails(&small, "POST", to("mailto:x@other.example")),
            &["`Location` is insecure"],
        ),
        (
            "redirect",
            fails(&small, "PUT", |_| head(307, &[("Location", "/x")])),
            &[
                "redirected the request for the component",
                "it is an upload",
            ],
        ),
        (
            "digest",
            fails(&small, "PUT", move |_| head(201, &[digest])),
            &["the component has the digest `sha256:0`"],
        ),
        (
            "closed",
            fails(&small, "PUT", |_| Reply::Bytes(Vec::new())),
            &["the connection to"],
        ),
    ]);
}

#[test]
fn a_manifest_that_the_registry_changed_is_an_error() {
    let server = Faulty::start(|seen| {
        let is_manifest = seen.method == "PUT" && seen.path.contains("/manifests/");
        is_manifest.then(|| head(201, &[("Docker-Content-Digest", "sha256:1")]))
    });
    let error = message(push(&server.target(), &small(), &anonymous()));
    check_errors(vec![(
        "digest",
        error,
        &["the manifest has the digest `sha256:1`"],
    )]);
}

#[test]
fn a_large_body_waits_for_consent() {
    let server = Faulty::start(|seen| (seen.method == "PUT").then(|| head(413, &[])));
    assert!(push(&server.target(), &large(2 << 20), &anonymous()).is_err());
    let upload = server.seen().pop().unwrap();
    assert_eq!((&*upload.method, upload.body.len()), ("PUT", 0));
}
