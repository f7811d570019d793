//! Downloads that continue where an earlier request or process stopped.

use std::fs;

use crate::download::{blobs, download_large, fault_large, incomplete};
use crate::fixture::{Fixture, large_bytes, ranged};
use crate::report;
use crate::server::{Reply, Request};

#[test]
fn a_cut_connection_is_resumed() {
    let fixture = Fixture::new();
    fault_large(&fixture, |request| match request.earlier {
        0 => Some(ranged(request, &large_bytes(), "storage-etag").cut(1_000_000)),
        1 => Some(ranged(request, &large_bytes(), "storage-etag").cut(500_000)),
        _ => None,
    });
    download_large(&fixture).unwrap();
    let requests = fixture.storage.take_requests();
    let ranges: Vec<_> = requests
        .iter()
        .map(|request| request.header("range"))
        .collect();
    assert_eq!(
        ranges,
        [None, Some("bytes=1000000-"), Some("bytes=1500000-")]
    );
    assert_eq!(requests[1].header("if-range"), Some("\"storage-etag\""));
    // More than a mebibyte has arrived before the second failure, so the first one no longer counts.
    assert_eq!(fixture.waits(), [1, 1]);
}

#[test]
fn failures_after_progress_start_from_the_first_wait() {
    let fixture = Fixture::new();
    // Seven failures, of which each but the first two follows half a megabyte.
    fault_large(&fixture, |request| {
        let bytes = if request.earlier < 2 { 0 } else { 550_000 };
        (request.earlier < 7).then(|| ranged(request, &large_bytes(), "e").cut(bytes))
    });
    download_large(&fixture).unwrap();
    assert_eq!(fixture.waits(), [1, 2, 4, 1, 2, 1, 2]);
}

#[test]
fn a_later_process_resumes() {
    type Ranges<'r> = &'r [Option<&'r str>];
    let cases: [(&str, Vec<u8>, Ranges<'_>); 5] = [
        (
            "a part",
            large_bytes()[..2_000_000].to_vec(),
            &[Some("bytes=2000000-")],
        ),
        ("all of it", large_bytes(), &[]),
        (
            "other bytes",
            vec![7; 2_000_000],
            &[Some("bytes=2000000-"), None],
        ),
        ("other bytes of its size", vec![7; 3_000_000], &[None]),
        ("more than it", vec![7; 3_000_001], &[None]),
    ];
    let mut problems = Vec::new();
    for (name, bytes, ranges) in cases {
        let fixture = Fixture::new();
        fs::create_dir_all(blobs(&fixture)).unwrap();
        fs::write(incomplete(&fixture), bytes).unwrap();
        let result = download_large(&fixture);
        let requests = fixture.storage.take_requests();
        let got: Vec<_> = requests
            .iter()
            .map(|request| request.header("range"))
            .collect();
        if result.is_err() || got != ranges || incomplete(&fixture).exists() {
            problems.push(format!(
                "{name}: {result:?} with the ranges {got:?}, expected {ranges:?}"
            ));
        }
    }
    report(&problems);
}

#[test]
fn a_file_that_changes_meanwhile_starts_over() {
    // The first response is cut in the middle of other contents.
    let other = || vec![7_u8; 3_000_000];
    type Fault = fn(&Request) -> Option<Reply>;
    let cases: [(&str, Fault); 4] = [
        ("another ETag", |_| None),
        ("no ranges", |_| Some(Reply::new(200).body(large_bytes()))),
        ("not satisfiable", |request| {
            request.header("range").map(|_| Reply::new(416))
        }),
        ("another range", |request| {
            let reply = Reply::new(206)
                .with("content-range", "bytes 0-2999999/3000000")
                .body(large_bytes());
            request.header("range").map(|_| reply)
        }),
    ];
    let mut problems = Vec::new();
    for (name, then) in cases {
        let fixture = Fixture::new();
        fault_large(&fixture, move |request| match request.earlier {
            0 => Some(ranged(request, &other(), "other-etag").cut(1_000_000)),
            _ => then(request),
        });
        if let Err(error) = download_large(&fixture) {
            problems.push(format!("{name}: {error}"));
        }
    }
    report(&problems);
}
