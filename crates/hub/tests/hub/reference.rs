//! The syntax of references.

use infer_hub::Reference;

use crate::report;

#[test]
fn valid_references_are_parsed_and_displayed() {
    let cases = [
        ("hf:gpt2", "gpt2", "main", None),
        ("hf:owner/name", "owner/name", "main", None),
        ("hf:owner/name@v1.0", "owner/name", "v1.0", None),
        ("hf:owner/name:int8", "owner/name", "main", Some("int8")),
        (
            "hf:owner/name@refs/pr/1:q4_k-m.x",
            "owner/name",
            "refs/pr/1",
            Some("q4_k-m.x"),
        ),
        (
            "hf:O_w-n.r/a.b-c_D1@0123456",
            "O_w-n.r/a.b-c_D1",
            "0123456",
            None,
        ),
    ];
    let mut problems = Vec::new();
    for (text, repository, revision, variant) in cases {
        match text.parse::<Reference>() {
            Ok(parsed) => {
                let got = (parsed.repository(), parsed.revision(), parsed.variant());
                if got != (repository, revision, variant) || parsed.to_string() != text {
                    problems.push(format!("{text}: {parsed:?}"));
                }
            }
            Err(error) => problems.push(format!("{text}: {error}")),
        }
    }
    report(&problems);
}

#[test]
fn malformed_references_are_rejected() {
    let long_name = format!("hf:owner/{}", "n".repeat(91));
    let long_revision = format!("hf:owner/name@{}", "r".repeat(256));
    let cases = [
        ("", "is not a model of the hub"),
        ("owner/name", "is not a model of the hub"),
        ("HF:owner/name", "is not a model of the hub"),
        (
            "hf://owner/name",
            "expected `hf:OWNER/NAME[@REVISION][:VARIANT]`",
        ),
        ("https://hub/owner/name", "is not a model of the hub"),
        ("hf:", "has an empty name"),
        ("hf:/name", "has an empty owner"),
        ("hf:owner/", "has an empty name"),
        ("hf:owner/name@", "has an empty revision"),
        ("hf:owner/name:", "has an empty variant"),
        ("hf:owner/name@:int8", "has an empty revision"),
        ("hf:owner/name/file.onnx", "has more than one `/`"),
        ("hf:../name", "owner `..` is not valid"),
        ("hf:owner/..", "name `..` is not valid"),
        ("hf:owner/a..b", "must not contain `--` or `..`"),
        ("hf:owner/a--b", "must not contain `--` or `..`"),
        ("hf:owner/.name", "must not start or end with"),
        ("hf:owner/name-", "must not start or end with"),
        ("hf:owner/name.git", "must not end with `.git`"),
        ("hf:owner/na me", "expected letters, digits"),
        ("hf:owner/naïve", "expected letters, digits"),
        ("hf:owner/name?x=1", "expected letters, digits"),
        ("hf:owner\\name", "expected letters, digits"),
        ("hf:owner/name@../../etc", "must not contain `..`"),
        ("hf:owner/name@/main", "must not start with `/`"),
        ("hf:owner/name@a//b", "separated by single `/`"),
        ("hf:owner/name@a/.b", "none of its parts may start with `.`"),
        ("hf:owner/name@v1@v2", "expected a name of git"),
        ("hf:owner/name@a b", "expected a name of git"),
        ("hf:owner/name@a\nb", "expected a name of git"),
        ("hf:owner/name:int8:int4", "expected a name of git"),
        ("hf:owner/name:../int8", "variant `../int8` is not valid"),
        (
            &long_name,
            "OWNER/NAME of 97 bytes is too long: expected at most 96",
        ),
        (
            &long_revision,
            "revision of 256 bytes is too long: expected at most 255",
        ),
    ];
    let mut problems = Vec::new();
    for (text, expected) in cases {
        match text.parse::<Reference>() {
            Ok(parsed) => problems.push(format!("{text}: accepted as {parsed:?}")),
            Err(error) if error.to_string().contains(expected) => (),
            Err(error) => problems.push(format!("{text}: `{error}` lacks `{expected}`")),
        }
    }
    report(&problems);
}
