//! SECURITY.md names a test for each guarantee; this checks that those tests exist.

use crate::support;

/// The file and the function in a code span `file::function`.
fn named(code: &str) -> Option<(&str, &str)> {
    let (file, function) = code.split_once("::")?;
    file.ends_with(".rs").then_some((file, function))
}

/// Whether the function is a test in this source: it has the attribute, or is a trial of a program with its own `main`.
fn is_test(source: &str, function: &str) -> bool {
    let is_declared = source.contains(&format!("\nfn {function}("))
        || source.contains(&format!("\n    fn {function}("));
    let is_marked = source.split("#[test]").skip(1).any(|after| {
        let after = after.trim_start();
        after
            .strip_prefix("fn ")
            .is_some_and(|name| name.starts_with(&format!("{function}(")))
    });
    let is_a_trial = source.contains(&format!("\"{function}\"")) && source.contains("Trial::test(");
    is_declared && (is_marked || is_a_trial)
}

#[test]
fn every_guarantee_names_tests_that_exist() {
    let text = std::fs::read_to_string(support::root().join("SECURITY.md")).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (file, function) in text.split('`').skip(1).step_by(2).filter_map(named) {
        count += 1;
        match std::fs::read_to_string(support::root().join(file)) {
            Err(error) => wrong.push(format!("{file}: {error}")),
            Ok(source) if is_test(&source, function) => {}
            Ok(_) => wrong.push(format!("{file} has no test `{function}`")),
        }
    }
    // Every guarantee must name a test.
    let (_, guarantees) = text.split_once("\n## Guarantees\n").unwrap();
    let (guarantees, _) = guarantees.split_once("\n## ").unwrap();
    for guarantee in guarantees.split("\n- ").skip(1) {
        let mut codes = guarantee.split('`').skip(1).step_by(2);
        if !codes.any(|code| named(code).is_some()) {
            wrong.push(format!("no test is named for this guarantee: {guarantee}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 20, "{count} tests are named");
}

#[test]
fn only_tests_count_as_tests() {
    let source = "\nfn helper() {}\n#[test]\nfn real() {}\n// fn gone() {}\n";
    let cases = [
        ("real", true),
        ("helper", false),
        ("gone", false),
        ("rea", false),
        ("", false),
    ];
    let wrong: Vec<_> = cases
        .into_iter()
        .filter(|(function, expected)| is_test(source, function) != *expected)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
