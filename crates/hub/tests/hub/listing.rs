//! Listing a revision.

use infer_hub::{Digest, Hub};
use serde_json::json;

use crate::fixture::{COMMIT, Content, Fixture, TOKEN, contents, entry, reference};
use crate::report;
use crate::server::Reply;

fn tree_path() -> String {
    format!("/api/models/owner/name/tree/{COMMIT}")
}

#[test]
fn all_pages_are_listed_with_sizes_and_digests() {
    let fixture = Fixture::new();
    let listing = fixture.list();
    assert_eq!(listing.commit(), COMMIT);
    assert_eq!(listing.repository(), "owner/name");
    let got: Vec<_> = listing
        .files()
        .iter()
        .map(|file| {
            (
                file.path.clone(),
                file.size,
                file.digest.digits().to_owned(),
            )
        })
        .collect();
    let expected = contents()
        .into_iter()
        .map(|file| (file.path.to_owned(), file.bytes.len() as u64, file.digest()));
    assert_eq!(got, expected.collect::<Vec<_>>());
    // `git hash-object` of an empty file, and of a known text.
    let empty = Digest::GitBlob("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391".to_owned());
    assert_eq!(listing.file(".gitattributes").unwrap().digest, empty);
    assert!(matches!(
        listing.file("onnx/model.onnx").unwrap().digest,
        Digest::Sha256(_)
    ));
    let requests = fixture.hub.take_requests();
    assert_eq!(
        requests.len(),
        4,
        "the commit and three pages: {requests:?}"
    );
    for request in &requests {
        assert_eq!(
            request.header("authorization"),
            Some(format!("Bearer {TOKEN}").as_str())
        );
    }
}

#[test]
fn revisions_and_renamed_repositories_are_found() {
    let fixture = Fixture::new();
    let mut problems = Vec::new();
    for text in [
        "hf:owner/name@main",
        "hf:owner/name@refs/pr/1",
        &format!("hf:owner/name@{COMMIT}"),
        "hf:old-name",
    ] {
        match fixture.client().list(&text.parse().unwrap()) {
            Ok(listing) if listing.commit() == COMMIT && listing.files().len() == 5 => (),
            other => problems.push(format!("{text}: {other:?}")),
        }
    }
    report(&problems);
}

#[test]
fn a_status_becomes_an_error_in_words() {
    let long_message = "m".repeat(5000);
    let gated = || Reply::new(403).with("x-error-code", "GatedRepo");
    let cases: [(&str, bool, Reply, &str); 14] = [
        (
            "gated, with a token",
            true,
            gated(),
            "the account of the token has no access: accept its terms on http://",
        ),
        (
            "gated, without",
            false,
            Reply::new(401).with("x-error-code", "GatedRepo"),
            "then set `HF_TOKEN`",
        ),
        (
            "missing",
            false,
            Reply::new(401).with("x-error-code", "RepoNotFound"),
            "has no model `owner/name` that is visible without a token",
        ),
        (
            "missing, no code",
            false,
            Reply::new(401),
            "has no model `owner/name`",
        ),
        (
            "missing, 404",
            true,
            Reply::new(404),
            "has no model `owner/name` that is visible with the token",
        ),
        (
            "no revision",
            true,
            Reply::new(404).with("x-error-code", "RevisionNotFound"),
            "has no revision `main`: expected a branch",
        ),
        (
            "bad token",
            true,
            Reply::new(401).with(
                "x-error-message",
                "Invalid credentials in Authorization header",
            ),
            "rejects the token (Invalid credentials",
        ),
        (
            "forbidden",
            true,
            Reply::new(403).with("x-error-message", "Access to this resource is disabled."),
            "is forbidden (Access to this resource is disabled.)",
        ),
        ("teapot", true, Reply::new(418), "responded with status 418"),
        (
            "bad request",
            true,
            Reply::new(400).with("x-error-message", "no"),
            "status 400 (no)",
        ),
        (
            "not implemented",
            true,
            Reply::new(501),
            "failed with status 501",
        ),
        (
            "long message",
            true,
            Reply::new(400).with("x-error-message", long_message),
            "mmm",
        ),
        (
            "far away",
            true,
            Reply::new(429).with("retry-after", "3600"),
            "try again in 3600 s",
        ),
        ("not modified", true, Reply::new(304), "status 304"),
    ];
    let mut problems = Vec::new();
    for (name, with_token, reply, expected) in cases {
        let fixture = Fixture::new();
        fixture.fault_at("/api/*", move |_| Some(reply.clone()));
        let mut settings = fixture.settings();
        settings.token = settings.token.filter(|_| with_token);
        match Hub::new(settings)
            .unwrap()
            .list(&reference())
            .map_err(|error| error.to_string())
        {
            Err(error) if error.contains(expected) && error.len() < 700 => (),
            other => problems.push(format!("{name}: {other:?}, expected `{expected}`")),
        }
    }
    report(&problems);
}

#[test]
fn temporary_failures_are_retried_with_growing_waits() {
    let failures: [(&str, Reply, Option<usize>, &[u64]); 5] = [
        ("500 twice", Reply::new(500), Some(2), &[1, 2]),
        (
            "429 with a wait",
            Reply::new(429).with("retry-after", "7"),
            Some(1),
            &[7],
        ),
        (
            "503 with an unreadable wait",
            Reply::new(503).with("retry-after", "soon"),
            Some(1),
            &[1],
        ),
        (
            "hung up",
            Reply {
                hang_up: true,
                ..Reply::default()
            },
            Some(3),
            &[1, 2, 4],
        ),
        ("500 always", Reply::new(500), None, &[1, 2, 4, 8]),
    ];
    let mut problems = Vec::new();
    for (name, reply, count, waits) in failures {
        let fixture = Fixture::new();
        fixture.fault_at(&tree_path(), move |request| {
            let is_first_page = !request.target.contains("cursor");
            (is_first_page && request.earlier < count.unwrap_or(usize::MAX)).then(|| reply.clone())
        });
        let result = fixture.client().list(&reference());
        let got = fixture.waits();
        if result.is_ok() != count.is_some() || got != waits {
            problems.push(format!(
                "{name}: {result:?} after waits of {got:?} s, expected {waits:?} s"
            ));
        }
    }
    report(&problems);
}

#[test]
fn a_response_that_is_no_listing_is_rejected() {
    let html = || {
        Reply::new(200)
            .with("content-type", "text/html")
            .body("<html>Sign in to the network</html>")
    };
    let with_path = |path: &str| {
        let file = json!([{"type": "file", "oid": "a".repeat(40), "size": 1, "path": path}]);
        Reply::new(200)
            .with("content-type", "application/json")
            .body(file.to_string())
    };
    let with_value = |value: serde_json::Value| Reply::new(200).body(json!([value]).to_string());
    let bad_page = |link: &str| Reply::new(200).body("[]").with("link", link);
    let cases: Vec<(&str, Reply, &str)> = vec![
        ("HTML", html(), "expected JSON, got `text/html`"),
        (
            "an object",
            Reply::new(200).body("{\"error\": \"x\"}"),
            "expected JSON, got `no content type`",
        ),
        (
            "half of it",
            Reply::new(200).body("[{\"type\": \"fi"),
            "is not the API of a hub",
        ),
        (
            "deep",
            Reply::new(200).body("[".repeat(100_000)),
            "is not the API of a hub",
        ),
        (
            "huge",
            Reply::new(200).body(vec![b' '; (8 << 20) + 1]),
            "more than 8 MiB in a page",
        ),
        (
            "parent",
            with_path("../x"),
            "the path `../x`, which is rejected because it has a part `..`",
        ),
        (
            "parent inside",
            with_path("onnx/../../x"),
            "it has a part `..`",
        ),
        ("here", with_path("./x"), "it has a part `..` or `.`"),
        ("absolute", with_path("/etc/passwd"), "it is absolute"),
        ("empty", with_path(""), "it has an empty part"),
        ("double slash", with_path("a//b"), "it has an empty part"),
        (
            "zero",
            with_path("a\0b"),
            "`a\\0b`, which is rejected because it has control characters",
        ),
        ("escape", with_path("a\u{1b}[2J"), "`a\\u{1b}[2J`"),
        (
            "long",
            with_path(&"a".repeat(1025)),
            "longer than 1024 bytes",
        ),
        (
            "no digest",
            with_value(json!({"type": "file", "path": "x"})),
            "has the digest of `x` ``: expected a git blob",
        ),
        (
            "short digest",
            with_value(json!({"type": "file", "oid": "abc", "path": "x"})),
            "`abc`: expected a git blob",
        ),
        (
            "digest as a path",
            with_value(json!({"type": "file", "path": "x", "lfs": {"oid": "../../x", "size": 1}})),
            "`../../x`: expected a SHA-256",
        ),
        (
            "negative size",
            with_value(json!({"type": "file", "oid": "a".repeat(40), "size": -1, "path": "x"})),
            "is not the API of a hub",
        ),
        (
            "another server",
            bad_page("<http://127.0.0.1:1/next>; rel=\"next\""),
            "continues at http://127.0.0.1:1/next, which is another server",
        ),
        (
            "the same page",
            bad_page(&format!("<{}>; rel=\"next\"", tree_path())),
            "more than 1000 pages",
        ),
    ];
    let mut problems = Vec::new();
    for (name, reply, expected) in cases {
        let fixture = Fixture::new();
        fixture.fault_at(&tree_path(), move |_| Some(reply.clone()));
        match fixture
            .client()
            .list(&reference())
            .map_err(|error| error.to_string())
        {
            Err(error) if error.contains(expected) => (),
            Err(error) => problems.push(format!("{name}: `{error}` lacks `{expected}`")),
            Ok(_) => problems.push(format!("{name}: accepted")),
        }
    }
    report(&problems);
}

#[test]
fn a_commit_that_is_a_path_is_rejected() {
    let fixture = Fixture::new();
    fixture.fault_at("/api/models/owner/name/revision/main", |_| {
        Some(Reply::new(200).body(json!({"sha": "../../../../tmp/x"}).to_string()))
    });
    let error = fixture.client().list(&reference()).unwrap_err().to_string();
    assert!(
        error.contains(
            "has the commit `../../../../tmp/x`: expected 40 lowercase hexadecimal digits"
        ),
        "{error}"
    );
}

#[test]
fn a_listing_of_too_many_files_is_rejected() {
    let fixture = Fixture::new();
    fixture.fault_at(&tree_path(), |request| {
        let file = Content {
            path: "x",
            bytes: Vec::new(),
            is_large: false,
        };
        let page = json!(vec![entry(&file); 20_000]).to_string();
        let next = format!(
            "<{}?cursor={}>; rel=\"next\"",
            request.path(),
            request.earlier
        );
        Some(Reply::new(200).body(page).with("link", next))
    });
    let error = fixture.client().list(&reference()).unwrap_err().to_string();
    assert!(error.contains("more than 100000 files"), "{error}");
}
