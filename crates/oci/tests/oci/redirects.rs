//! Redirects of pulls.

use crate::components::check_errors;
use crate::faulty::{Seen, fails, reply};

#[test]
fn redirects_are_followed_with_care() {
    let to = |location: &'static str| move |_: &Seen| reply(307, &[("Location", location)], b"");
    check_errors(vec![
        (
            "loop",
            fails("blobs", |seen| reply(302, &[("Location", &seen.path)], b"")),
            &[
                "redirected the request for the config",
                "more than 5 redirects",
            ],
        ),
        (
            "plain",
            fails("blobs", to("http://other.example/blob")),
            &["`other.example` is not HTTPS"],
        ),
        (
            "file",
            fails("blobs", to("file:///etc/passwd")),
            &["`file` is not HTTPS"],
        ),
        (
            "no URL",
            fails("blobs", to("http://[/")),
            &["`Location` is no URL"],
        ),
        (
            "no location",
            fails("blobs", |_| reply(302, &[], b"")),
            &["it has no valid `Location`"],
        ),
        (
            "not text",
            fails("blobs", |_| reply(302, &[("Location", "/\u{e4}")], b"")),
            &["it has no valid `Location`"],
        ),
    ]);
}
