//! The environment variables.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use infer_hub::{Settings, Token};

use crate::report;

type Variables<'v> = &'v [(&'v str, &'v str)];

fn read(variables: Variables<'_>) -> Result<Settings, String> {
    let variable = |name: &str| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| OsString::from(value))
    };
    Settings::from_variables(&variable).map_err(|error| error.to_string())
}

#[test]
fn the_cache_is_where_the_python_package_has_it() {
    let cases: [(Variables<'_>, &str); 11] = [
        (&[("HOME", "/u")], "/u/.cache/huggingface/hub"),
        (
            &[("HOME", "/u"), ("HF_HOME", "")],
            "/u/.cache/huggingface/hub",
        ),
        (
            &[("HOME", "/u"), ("XDG_CACHE_HOME", "/x")],
            "/x/huggingface/hub",
        ),
        (&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/h")], "/h/hub"),
        (&[("HOME", "/u"), ("HF_HOME", "~/h")], "/u/h/hub"),
        (&[("HOME", "/u"), ("HF_HOME", "~")], "/u/hub"),
        (&[("D", "/d"), ("HF_HOME", "$D/h")], "/d/h/hub"),
        (
            &[("D", "/d"), ("HF_HOME", "/a${D}b/$E/$")],
            "/a/db/$E/$/hub",
        ),
        (&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")], "/c"),
        (
            &[("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old")],
            "/old",
        ),
        (
            &[("HF_HUB_CACHE", "/c"), ("HUGGINGFACE_HUB_CACHE", "/old")],
            "/c",
        ),
    ];
    let mut problems = Vec::new();
    for (variables, cache) in cases {
        match read(variables) {
            Ok(settings) if settings.cache == Path::new(cache) => (),
            other => problems.push(format!("{variables:?}: {other:?}, expected {cache}")),
        }
    }
    report(&problems);
}

#[test]
fn the_token_comes_from_a_variable_or_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    fs::write(folder.path().join("token"), "hf_file\n").unwrap();
    let other = folder.path().join("other");
    fs::write(&other, "hf_other\r\n").unwrap();
    let other = other.to_str().unwrap();
    let cases: [(Variables<'_>, Option<&str>); 9] = [
        (&[("HF_HOME", home)], Some("hf_file")),
        (&[("HF_HOME", home), ("HF_TOKEN", "hf_env")], Some("hf_env")),
        (
            &[("HF_HOME", home), ("HF_TOKEN", " hf_env\n")],
            Some("hf_env"),
        ),
        (&[("HF_HOME", home), ("HF_TOKEN", "")], Some("hf_file")),
        (
            &[("HF_HOME", home), ("HUGGING_FACE_HUB_TOKEN", "hf_old")],
            Some("hf_old"),
        ),
        (
            &[("HF_HOME", home), ("HF_TOKEN_PATH", other)],
            Some("hf_other"),
        ),
        (
            &[("HF_HOME", home), ("HF_TOKEN_PATH", "/missing/token")],
            None,
        ),
        (&[("HF_HOME", "/missing")], None),
        (
            &[("HF_HOME", home), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")],
            None,
        ),
    ];
    let mut problems = Vec::new();
    for (variables, token) in cases {
        let expected = token.and_then(|token| Token::new(token).unwrap());
        match read(variables) {
            Ok(settings) if settings.token == expected => (),
            other => problems.push(format!("{variables:?}: {other:?}, expected {token:?}")),
        }
    }
    report(&problems);
}

#[test]
fn offline_and_the_endpoint_are_read() {
    let mut problems = Vec::new();
    for (value, expected) in [
        ("1", true),
        ("true", true),
        ("On", true),
        ("YES", true),
        ("0", false),
        ("no", false),
        ("", false),
    ] {
        let settings = read(&[("HF_HOME", "/h"), ("HF_HUB_OFFLINE", value)]).unwrap();
        if settings.offline != expected {
            problems.push(format!("HF_HUB_OFFLINE={value}: expected {expected}"));
        }
    }
    for (value, expected) in [
        ("", "https://huggingface.co/"),
        ("http://localhost:8080/", "http://localhost:8080/"),
        ("https://mirror/api/hub/", "https://mirror/api/hub"),
    ] {
        let settings = read(&[("HF_HOME", "/h"), ("HF_ENDPOINT", value)]).unwrap();
        if settings.endpoint.as_str() != expected {
            problems.push(format!("HF_ENDPOINT={value}: {}", settings.endpoint));
        }
    }
    report(&problems);
}

#[test]
fn unusable_variables_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let cases: [(Variables<'_>, &str); 10] = [
        (&[], "no folder for the cache: `HOME` is not set"),
        (
            &[("HF_HOME", "~/h")],
            "no folder for the cache: `HOME` is not set",
        ),
        (
            &[("HF_HOME", "/h"), ("HF_ENDPOINT", "huggingface.co")],
            "endpoint `huggingface.co` is not valid",
        ),
        (
            &[("HF_HOME", "/h"), ("HF_ENDPOINT", "ftp://hub")],
            "its scheme is neither",
        ),
        (
            &[("HF_HOME", "/h"), ("HF_ENDPOINT", "file:///etc")],
            "its scheme is neither",
        ),
        (
            &[("HF_HOME", "/h"), ("HF_ENDPOINT", "https://me:pw@hub")],
            "contains a user name or a password",
        ),
        (
            &[("HF_HOME", "/h"), ("HF_ENDPOINT", "https://hub/?a=b")],
            "it has a query",
        ),
        (
            &[("HF_HOME", "/h"), ("HF_TOKEN", "hf_a b")],
            "the token has spaces",
        ),
        (
            &[("HF_HOME", "/h"), ("HF_TOKEN", "hf_ä")],
            "characters outside ASCII",
        ),
        (
            &[("HF_HOME", "/h"), ("HF_TOKEN_PATH", folder)],
            "cannot read the token file",
        ),
    ];
    let mut problems = Vec::new();
    for (variables, expected) in cases {
        match read(variables) {
            Err(error) if error.contains(expected) => {
                // No message repeats a secret.
                if error.contains("pw") || error.contains("hf_a") || error.contains("hf_ä") {
                    problems.push(format!("{variables:?}: `{error}` shows the secret"));
                }
            }
            other => problems.push(format!("{variables:?}: {other:?}, expected `{expected}`")),
        }
    }
    report(&problems);
}

#[test]
fn debug_does_not_show_the_token() {
    let settings = read(&[("HF_HOME", "/h"), ("HF_TOKEN", "hf_secret")]).unwrap();
    assert!(!format!("{settings:?}").contains("secret"), "{settings:?}");
}
