//! The machine and the versions of a report.

use std::path::Path;
use std::process::Command;

use crate::bench::command::succeed;

/// The date in UTC.
pub(super) fn today() -> String {
    succeed(Command::new("date").args(["-u", "+%F"])).unwrap_or_else(|_| "some day".to_owned())
}

/// The number of cores and the processor's name.
pub(super) fn describe(cores: usize) -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .filter(|line| line.starts_with("model name"))
        .find_map(|line| line.split_once(": "))
        .map_or("a processor that does not say its name", |(_, model)| model);
    format!("{cores} cores, {model}")
}

/// The versions of the contestants and their libraries.
pub(super) fn versions(root: &Path) -> String {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let (own, bare) = (read("Cargo.lock"), read("bench/axum-ort/Cargo.lock"));
    let python = read("bench/fastapi/constraints.txt");
    let commit = succeed(Command::new("git").current_dir(root).args([
        "describe",
        "--always",
        "--dirty",
        "--exclude",
        "*",
    ]));
    let mut parts = vec![match commit {
        Ok(commit) => format!("this project at {commit}"),
        Err(_) => format!("this project, {}", env!("CARGO_PKG_VERSION")),
    }];
    parts.extend(["wasmtime"].map(|name| in_lock(&own, name)));
    parts.extend(["axum", "ort"].map(|name| in_lock(&bare, name)));
    parts.extend(["fastapi", "uvicorn", "onnxruntime"].map(|name| in_constraints(&python, name)));
    for program in ["python3", "wasmtime"] {
        // A program that is not installed has no version.
        parts.extend(succeed(Command::new(program).arg("--version")));
    }
    parts.join(", ")
}

/// The version of a package in a `Cargo.lock`.
fn in_lock(lock: &str, name: &str) -> String {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let rest = lock.split(&entry).nth(1).unwrap_or_default();
    format!("{name} {}", rest.split('"').next().unwrap_or_default())
}

/// The version of a package in pip's constraints.
fn in_constraints(constraints: &str, name: &str) -> String {
    let mut lines = constraints.lines();
    let version = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix("=="));
    format!("{name} {}", version.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found() {
        let lock = "[[package]]\nname = \"axum\"\nversion = \"0.8.9\"\n\n[[package]]\nname = \"axum-core\"\nversion = \"0.5.6\"\n";
        assert_eq!(in_lock(lock, "axum"), "axum 0.8.9");
        assert_eq!(
            in_constraints("uvloop==1.0\nuvicorn==0.54.0\n", "uvicorn"),
            "uvicorn 0.54.0"
        );
    }
}
