//! Reading parts of a file.

use infer_hub::Hub;

use crate::fixture::{Fixture, large_bytes, ranged};
use crate::report;
use crate::server::{Reply, Request};

const LARGE: &str = "onnx/model.onnx";

#[test]
fn parts_are_read_and_buffered() {
    let fixture = Fixture::new();
    let listing = fixture.list();
    let mut file = fixture.client().open(&listing, LARGE).unwrap();
    let bytes = large_bytes();
    let mut problems = Vec::new();
    let cases: [(u64, usize, usize, usize); 9] = [
        // (offset, length, bytes returned, requests to the storage)
        (0, 16, 16, 1),
        (16, 100, 100, 0),
        (65_000, 536, 536, 0),
        (65_000, 537, 537, 1),
        (1_000_000, 200_000, 200_000, 1),
        (2_999_990, 100, 10, 1),
        (3_000_000, 1, 0, 0),
        (u64::MAX, usize::MAX, 0, 0),
        (2_999_995, 0, 0, 0),
    ];
    for (offset, length, returned, requests) in cases {
        let got = file.read_at(offset, length).unwrap();
        let start = (offset as usize).min(bytes.len());
        let sent = fixture.storage.take_requests().len();
        if got != bytes[start..start + returned] || sent != requests {
            problems.push(format!(
                "{length} bytes at {offset}: {} bytes after {sent} requests",
                got.len()
            ));
        }
    }
    report(&problems);
    assert_eq!(
        fixture.hub.take_requests().len(),
        4 + 1,
        "the hub redirects the first read alone"
    );
    assert!(!fixture.cache().exists());
}

#[test]
fn an_expired_address_leads_back_to_the_hub() {
    let fixture = Fixture::new();
    fixture.fault_at("/blobs/*", |request| {
        (request.earlier == 1).then(|| Reply::new(403))
    });
    let listing = fixture.list();
    let mut file = fixture.client().open(&listing, LARGE).unwrap();
    file.read_at(0, 1).unwrap();
    assert_eq!(
        file.read_at(1_000_000, 3).unwrap(),
        large_bytes()[1_000_000..1_000_003]
    );
    assert_eq!(fixture.storage.take_requests().len(), 3);
}

#[test]
fn a_cached_file_is_read_from_the_disk() {
    let fixture = Fixture::new();
    let listing = fixture.list();
    let client = fixture.client();
    client.download(&listing, &[LARGE], &()).unwrap();
    fixture.storage.take_requests();
    let mut file = client.open(&listing, LARGE).unwrap();
    assert_eq!(
        file.read_at(2_000_000, 5).unwrap(),
        large_bytes()[2_000_000..2_000_005]
    );
    assert_eq!(file.listed().size, 3_000_000);
    assert_eq!(fixture.storage.take_requests().len(), 0);
}

#[test]
fn temporary_failures_are_retried() {
    let fixture = Fixture::new();
    fixture.fault_at("/blobs/*", |request| match request.earlier {
        0 => Some(Reply::new(500)),
        1 => Some(ranged(request, &large_bytes(), "e").cut(100)),
        _ => None,
    });
    let listing = fixture.list();
    let mut file = fixture.client().open(&listing, LARGE).unwrap();
    assert_eq!(file.read_at(0, 1000).unwrap(), large_bytes()[..1000]);
    assert_eq!(fixture.waits(), [1, 2]);
}

#[test]
fn wrong_ranges_are_errors() {
    let range = |range: &str, bytes: usize| {
        Reply::new(206)
            .with("content-range", range)
            .body(vec![0; bytes])
    };
    let cases: Vec<(&str, Reply, &str)> = vec![
        (
            "ignored",
            Reply::new(200).body(large_bytes()),
            "ignores the header `Range`: expected status 206",
        ),
        (
            "another start",
            range("bytes 0-65535/3000000", 65536),
            "sends bytes from 0 of 3000000",
        ),
        (
            "another size",
            range("bytes 100-65635/4000000", 65536),
            "sends bytes from 100 of 4000000",
        ),
        (
            "nonsense",
            range("bytes a-b/c", 65536),
            "sends no valid `Content-Range`",
        ),
        (
            "none",
            Reply::new(206).body(vec![0; 65536]),
            "sends no valid `Content-Range`",
        ),
        (
            "not satisfiable",
            Reply::new(416),
            "sends no valid `Content-Range`",
        ),
        (
            "too few",
            range("bytes 100-65635/3000000", 10),
            "ended early (10 of 65536 bytes)",
        ),
        (
            "forbidden",
            Reply::new(403),
            "cannot read `onnx/model.onnx`: http://",
        ),
    ];
    let mut problems = Vec::new();
    for (name, reply, expected) in cases {
        let fixture = Fixture::new();
        fixture.fault_at("/blobs/*", move |_: &Request| Some(reply.clone()));
        let listing = fixture.list();
        let mut file = fixture.client().open(&listing, LARGE).unwrap();
        match file.read_at(100, 10).map_err(|error| error.to_string()) {
            Err(error) if error.contains(expected) && !error.contains("signature") => (),
            other => problems.push(format!("{name}: {other:?}, expected `{expected}`")),
        }
    }
    report(&problems);
}

#[test]
fn a_gated_file_and_a_missing_one_are_told_apart() {
    let fixture = Fixture::new();
    let listing = fixture.list();
    let mut settings = fixture.settings();
    settings.token = None;
    let client = Hub::new(settings).unwrap();
    let resolve = format!("/owner/name/resolve/{}/", listing.commit());
    fixture.fault_at(&format!("{resolve}config.json"), |_| {
        Some(Reply::new(401).with("x-error-code", "GatedRepo"))
    });
    fixture.fault_at(&format!("{resolve}README.md"), |_| {
        Some(Reply::new(404).with("x-error-code", "EntryNotFound"))
    });
    let error = client
        .open(&listing, "config.json")
        .unwrap()
        .read_at(0, 1)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("model `owner/name` is gated: accept its terms on"),
        "{error}"
    );
    let error = client
        .open(&listing, "README.md")
        .unwrap()
        .read_at(0, 1)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("has no file `README.md` in revision"),
        "{error}"
    );
    let error = client.open(&listing, "missing").unwrap_err();
    assert_eq!(
        error.to_string(),
        "model `owner/name` has no file `missing`"
    );
}
