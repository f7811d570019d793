//! The recipes of models/README.md: each test runs the script, adds its model with the command that follows, and
//! compares the service's response with the outputs that the script printed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support;
use crate::support::client::send;
use crate::support::python::Python;
use crate::support::service::Service;
use serde_json::Value;

/// A script of models/README.md.
struct Recipe {
    /// The name of the script and of the files that it writes.
    name: &'static str,
    script: String,
    /// The arguments of the `cargo infer` command that follows.
    add: Vec<String>,
}

fn recipe(name: &'static str) -> Recipe {
    let readme = std::fs::read_to_string(support::root().join("models/README.md")).unwrap();
    let head = format!("```python\n# {name}.py\n");
    let (before, after) = readme.split_once(&head).expect(name);
    let (script, _) = after.split_once("```").unwrap();
    assert!(script.lines().count() < 40, "{name}");
    let add = before
        .lines()
        .filter_map(|line| line.trim().strip_prefix("cargo infer "))
        .find(|line| line.starts_with(&format!("add {name}.onnx ")))
        .expect(name);
    Recipe {
        name,
        script: script.to_owned(),
        add: add.split(' ').map(str::to_owned).collect(),
    }
}

/// Run a command to completion, and return its standard output. The failure message contains its standard error.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{error}");
    String::from_utf8(output.stdout).unwrap()
}

fn check(recipe: &Recipe, python: &mut Command) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("recipe-{}", recipe.name));
    _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let script = format!("{}.py", recipe.name);
    std::fs::write(folder.join(&script), &recipe.script).unwrap();
    let printed = run(python.arg(&script).current_dir(&folder));
    let expected: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    let repository = folder.join("repository");
    run(Command::new(env!("CARGO_BIN_EXE_infer"))
        .args(&recipe.add)
        .arg("--models")
        .arg(&repository)
        .current_dir(&folder));
    ask(recipe, &folder, &repository, expected.as_array().unwrap());
}

/// Send the script's request to the service, and compare the response with the output of the script.
fn ask(recipe: &Recipe, folder: &Path, repository: &Path, expected: &[Value]) {
    let service = Service::start_with(&["--models", repository.to_str().unwrap()], &[]);
    let body = std::fs::read(folder.join(format!("{}.json", recipe.name))).unwrap();
    let labels = std::fs::read_to_string(folder.join(format!("{}.txt", recipe.name))).unwrap();
    let labels: Vec<&str> = labels.lines().collect();
    let headers = [("content-type", "application/json")];
    let target = format!("/infer/{}?top_k=99", recipe.name);
    let response = send(service.address, "POST", &target, &headers, &body);
    assert_eq!(response.status, 200, "{}", response.text());
    let response = response.json();
    let predictions = response["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), expected.len());
    for (classes, expected) in predictions.iter().zip(expected) {
        let classes = classes.as_array().unwrap();
        assert_eq!(classes.len(), labels.len());
        for class in classes {
            let index = usize::try_from(class["index"].as_u64().unwrap()).unwrap();
            assert_eq!(class["label"], labels[index]);
            let actual = class["score"].as_f64().unwrap();
            let expected = expected[index].as_f64().unwrap();
            assert!(
                (actual - expected).abs() < 1e-4,
                "{class}, expected {expected}"
            );
        }
    }
}

#[test]
fn scikit_learn() {
    let Some(python) = Python::prepare(&support::root().join("tests/recipes")) else {
        return;
    };
    check(&recipe("wine"), &mut python.command("python"));
}

/// Check a recipe if the machine's Python has its packages, which are too large to install for a test.
fn check_if_installed(name: &'static str, packages: &str) {
    let recipe = recipe(name);
    let imports = Command::new("python3")
        .args(["-c", &format!("import {packages}")])
        .output();
    if imports.is_ok_and(|output| output.status.success()) {
        check(&recipe, &mut Command::new("python3"));
    } else {
        eprintln!("SKIPPED, python3 cannot import {packages}");
    }
}

#[test]
fn pytorch() {
    check_if_installed("squeezenet", "torch, torchvision, onnx, onnxscript");
}

#[test]
fn keras() {
    check_if_installed("shapes", "keras, tensorflow, tf2onnx");
}
