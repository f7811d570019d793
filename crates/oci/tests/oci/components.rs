//! Components for the tests.

use std::collections::BTreeMap;

use infer_oci::{CredentialSource, Options, PullError, Pulled, PushError, Pushed, Reference};

/// A component with an import and an export.
pub fn small() -> Vec<u8> {
    let text = r#"(component
        (import "wasi:io/poll@0.2.0" (instance))
        (core module (func (export "f")))
        (core instance $m (instantiate 0))
        (func $f (canon lift (core func $m "f")))
        (instance $i (export "run" (func $f)))
        (export "wasi:cli/run@0.2.0" (instance $i)))"#;
    wat::parse_str(text).unwrap()
}

/// A component of more than `size` bytes, which differ from each other.
pub fn large(size: usize) -> Vec<u8> {
    let mut component = small();
    let name = b"filler";
    let mut state = 1_u32;
    let mut section = vec![u8::try_from(name.len()).unwrap()];
    section.extend(name);
    section.extend((0..size).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    }));
    component.push(0);
    let mut length = section.len();
    while length >= 0x80 {
        component.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    component.push(u8::try_from(length).unwrap());
    component.extend(section);
    component
}

/// Options without the credentials of whoever runs the tests.
pub fn anonymous() -> Options {
    Options {
        credentials: CredentialSource::Anonymous,
        ..Options::default()
    }
}

pub fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

pub fn push(target: &str, component: &[u8], options: &Options) -> Result<Pushed, PushError> {
    let target = reference(target);
    infer_oci::push(
        &target,
        component,
        &BTreeMap::new(),
        options,
        &mut |_, _| {},
    )
}

pub fn pull(source: &str, options: &Options) -> Result<(Pulled, Vec<u8>), PullError> {
    infer_oci::pull(&reference(source), options, &mut |_, _| {})
}

/// Pull into a file, and check that the folder is empty if that fails.
pub fn pull_fails(source: &str, options: &Options) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("component.wasm");
    match infer_oci::pull_to_file(&reference(source), &path, options, &mut |_, _| {}) {
        Ok(pulled) => Err(format!("it was pulled: {pulled:?}")),
        Err(error) => match folder.path().read_dir().unwrap().next() {
            Some(file) => Err(format!("`{error}`, and left {file:?}")),
            None => Ok(error.to_string()),
        },
    }
}

/// Report all rows whose outcome is not an error with the expected texts.
pub fn check_errors(rows: Vec<(&str, Result<String, String>, &[&str])>) {
    let mut failures = String::new();
    for (name, outcome, expected) in rows {
        match outcome {
            Ok(message) => {
                println!("{name}: {message}");
                for part in expected {
                    if !message.contains(part) {
                        failures += &format!("{name}: expected `{part}`, got `{message}`\n");
                    }
                }
            }
            Err(problem) => failures += &format!("{name}: {problem}\n"),
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

/// The message of an error.
pub fn message<T: std::fmt::Debug, E: std::fmt::Display>(
    result: Result<T, E>,
) -> Result<String, String> {
    match result {
        Ok(value) => Err(format!("it succeeded: {value:?}")),
        Err(error) => Ok(error.to_string()),
    }
}
