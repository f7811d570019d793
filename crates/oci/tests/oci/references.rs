//! References and digests in text.

use infer_oci::{Digest, InvalidDigest, Reference};

#[test]
fn references_are_parsed() {
    let digest = Digest::of(b"");
    let rows = [
        ("localhost/a", "localhost", "a", Some("latest"), false),
        ("LOCALHOST/a", "localhost", "a", Some("latest"), false),
        (
            "localhost:5000/a/b:1",
            "localhost:5000",
            "a/b",
            Some("1"),
            false,
        ),
        (
            "registry.example/a-b.c_d__e---f:V1.0-rc_2",
            "registry.example",
            "a-b.c_d__e---f",
            Some("V1.0-rc_2"),
            false,
        ),
        (
            "127.0.0.1:65535/0/1",
            "127.0.0.1:65535",
            "0/1",
            Some("latest"),
            false,
        ),
        ("[::1]:5000/a:b", "[::1]:5000", "a", Some("b"), false),
        ("[::1]/a", "[::1]", "a", Some("latest"), false),
        (
            &*format!("r.example/a@{digest}"),
            "r.example",
            "a",
            None,
            true,
        ),
        (
            &*format!("r.example/a:t@{digest}"),
            "r.example",
            "a",
            Some("t"),
            true,
        ),
    ];
    for (text, registry, name, tag, has_digest) in rows {
        let reference: Reference = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(reference.registry(), registry, "{text}");
        assert_eq!(reference.name(), name, "{text}");
        assert_eq!(reference.tag(), tag, "{text}");
        assert_eq!(reference.digest(), has_digest.then_some(&digest), "{text}");
        // What is displayed is the same reference.
        let displayed: Reference = reference.to_string().parse().unwrap();
        assert_eq!(displayed.to_string(), reference.to_string(), "{text}");
    }
}

#[test]
fn malformed_references_are_explained() {
    let hex = "0".repeat(64);
    let long_name = format!("r.example/{}", "a".repeat(256));
    let long_tag = format!("r.example/a:{}", "a".repeat(129));
    let short = format!("r.example/a@sha256:{}", &hex[1..]);
    let upper = format!("r.example/a@sha256:{}A", &hex[1..]);
    let sha512 = format!("r.example/a@sha512:{hex}{hex}");
    let rows = [
        ("", "names no registry"),
        ("digits", "names no registry"),
        ("digits:1", "names no registry"),
        (
            "team/digits:1",
            "names no registry, expected `REGISTRY/NAME:TAG`",
        ),
        ("/digits", "names no registry"),
        ("oci://r.example/a", "begins with a scheme"),
        ("https://r.example/a", "begins with a scheme"),
        ("user@r.example/a", "its host is malformed"),
        ("user:p@r.example/a", "its port is no number"),
        ("r..example/a", "its host is malformed"),
        ("-r.example/a", "its host is malformed"),
        ("r.example:/a", "its port is no number"),
        ("r.example:0/a", "its port is no number"),
        ("r.example:+1/a", "its port is no number"),
        ("r.example:65536/a", "its port is no number from 1 to 65535"),
        ("127.1/a", "its host is no IPv4 address"),
        ("127.0.0.256/a", "its host is no IPv4 address"),
        ("::1/a", "has to be in brackets"),
        ("[::1/a", "no IPv6 address in its brackets"),
        ("[x]/a", "no IPv6 address in its brackets"),
        ("r.example\\x/a", "its host is malformed"),
        ("r.example/", "is not a repository name"),
        ("r.example/A", "is not a repository name"),
        ("r.example/a//b", "is not a repository name"),
        ("r.example/../a", "is not a repository name"),
        ("r.example/a/", "is not a repository name"),
        ("r.example/a___b", "is not a repository name"),
        ("r.example/a._b", "is not a repository name"),
        ("r.example/-a", "is not a repository name"),
        ("r.example/a?x=1", "is not a repository name"),
        ("r.example/a b", "is not a repository name"),
        ("r.example/ä", "is not a repository name"),
        (&long_name, "at most 255 characters"),
        ("r.example/a:", "`` is not a tag"),
        ("r.example/a:.x", "is not a tag"),
        ("r.example/a:x y", "is not a tag"),
        ("r.example/a:x#y", "is not a tag"),
        (&long_tag, "at most 128"),
        ("r.example/a@", "is not a digest"),
        ("r.example/a@latest", "is not a digest"),
        (&short, "64 lowercase hexadecimal digits"),
        (&upper, "64 lowercase hexadecimal digits"),
        (&sha512, "`sha512` is not supported, expected `sha256`"),
    ];
    let mut failures = String::new();
    for (text, expected) in rows {
        match text.parse::<Reference>() {
            Ok(reference) => failures += &format!("{text:?}: parsed as {reference:?}\n"),
            Err(error) if error.to_string().contains(expected) => {}
            Err(error) => failures += &format!("{text:?}: expected `{expected}`, got `{error}`\n"),
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn a_peers_digest_cannot_write_to_a_terminal() {
    let error = "sha256:\u{1b}[2J".parse::<Digest>().unwrap_err();
    assert_eq!(error, InvalidDigest::Form("sha256: [2J".to_owned()));
}
