use std::collections::HashMap;

use super::*;

/// Environment variables, and the files that follow from them.
type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

#[test]
fn files_are_read_in_podmans_order() {
    let rows: [Row<'_>; 6] = [
        (&[], &[]),
        (&[("HOME", "/h")], &["/h/.docker/config.json"]),
        (
            &[("HOME", "/h"), ("DOCKER_CONFIG", "/d")],
            &["/d/config.json"],
        ),
        (
            &[("HOME", "/h"), ("DOCKER_CONFIG", "")],
            &["/h/.docker/config.json"],
        ),
        (
            &[("HOME", "/h"), ("XDG_RUNTIME_DIR", "/x")],
            &["/x/containers/auth.json", "/h/.docker/config.json"],
        ),
        (
            &[
                ("HOME", "/h"),
                ("XDG_RUNTIME_DIR", "/x"),
                ("REGISTRY_AUTH_FILE", "/r"),
            ],
            &["/r"],
        ),
    ];
    for (variables, expected) in rows {
        let map: HashMap<&str, &str> = variables.iter().copied().collect();
        let found = files(|name| map.get(name).map(OsString::from));
        let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
        assert_eq!(found, expected, "{variables:?}");
    }
}

#[test]
fn a_file_has_credentials_or_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let password = |user: &str, password: &str| {
        Some(Credentials::Password {
            user: user.to_owned(),
            password: password.to_owned(),
        })
    };
    // YTpiOmM= is `a:b:c`.
    let rows: [(&str, Result<Option<Credentials>, &str>); 13] = [
        ("{}", Ok(None)),
        (r#"{"auths":{}}"#, Ok(None)),
        (r#"{"auths":{"r.example":{}}}"#, Ok(None)),
        (
            r#"{"auths":{"other.example:5000":{"auth":"YTpiOmM="}}}"#,
            Ok(None),
        ),
        (
            r#"{"auths":{"r.example:5000":{"auth":"YTpiOmM="}}}"#,
            Ok(password("a", "b:c")),
        ),
        (
            r#"{"auths":{"https://r.example:5000/v2/":{"auth":"YTpiOmM="}}}"#,
            Ok(password("a", "b:c")),
        ),
        (
            r#"{"auths":{"r.example:5000":{"username":"a","password":"b"}}}"#,
            Ok(password("a", "b")),
        ),
        (
            r#"{"auths":{"r.example:5000":{"auth":"YTpiOmM=","identitytoken":"t"}}}"#,
            Ok(Some(Credentials::IdentityToken("t".to_owned()))),
        ),
        ("", Err("is malformed: it is not JSON of that form")),
        (
            r#"{"auths":[]}"#,
            Err("is malformed: it is not JSON of that form"),
        ),
        (
            r#"{"auths":{"r.example:5000":{"auth":"%"}}}"#,
            Err("`auth` of `r.example:5000` is not `USER:PASSWORD`"),
        ),
        (
            r#"{"auths":{"r.example:5000":{"auth":"YQ=="}}}"#,
            Err("`auth` of `r.example:5000` is not `USER:PASSWORD`"),
        ),
        (
            r#"{"credHelpers":{"r.example:5000":"no-such-helper"}}"#,
            Err("names failed: it cannot be run"),
        ),
    ];
    let mut failures = String::new();
    for (text, expected) in rows {
        fs::write(&path, text).unwrap();
        let found = read(&path, "r.example:5000").map_err(|error| error.to_string());
        let matches = match (&found, &expected) {
            (Ok(found), Ok(expected)) => found == expected,
            (Err(found), Err(expected)) => found.contains(expected),
            _ => false,
        };
        if !matches {
            failures += &format!("{text}: expected {expected:?}, got {found:?}\n");
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert!(read(folder.path(), "r.example").is_err());
    assert_eq!(
        read(&folder.path().join("missing"), "r.example").unwrap(),
        None
    );
}
