//! Build artifacts: imports, exports and size, and the stages that run again after a change.

use std::path::{Path, PathBuf};

use infer_pack::{BuildOptions, Silent, build, check};

use crate::support;

fn options() -> BuildOptions {
    BuildOptions::new(support::root())
}

/// A new repository with the digits model, which the test may change.
fn repository(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    _ = std::fs::remove_dir_all(&folder);
    let digits = folder.join("digits");
    std::fs::create_dir_all(&digits).unwrap();
    for file in ["model.onnx", "model.toml", "labels.txt"] {
        std::fs::copy(
            support::root().join("models/digits").join(file),
            digits.join(file),
        )
        .unwrap();
    }
    folder
}

#[test]
fn code_that_no_model_needs_is_left_out() {
    let artifacts = build(&options(), &Silent).unwrap();
    // The artifact has 4.6 MB, and 12 MB with all code. A larger artifact means that some code is called directly
    // although it must only be reachable through a pointer (see ARCHITECTURE.md).
    const MOST_BYTES: u64 = 5_500_000;
    let bytes = std::fs::metadata(&artifacts.composed).unwrap().len();
    assert!(bytes < MOST_BYTES, "{bytes}");
}

#[test]
fn the_composed_artifact_imports_only_wasi_and_http() {
    let artifacts = build(&options(), &Silent).unwrap();
    let composed = check::interface(&std::fs::read(&artifacts.composed).unwrap()).unwrap();
    // Without versions, which depend on the toolchain.
    let mut imports: Vec<&str> = composed
        .imports
        .iter()
        .map(|name| name.split('@').next().unwrap())
        .collect();
    imports.sort();
    imports.dedup();
    let needed = [
        "wasi:cli/environment",
        "wasi:cli/exit",
        "wasi:cli/stderr",
        "wasi:cli/stdin",
        "wasi:cli/stdout",
        "wasi:cli/terminal-input",
        "wasi:cli/terminal-output",
        "wasi:cli/terminal-stderr",
        "wasi:cli/terminal-stdin",
        "wasi:cli/terminal-stdout",
        "wasi:clocks/monotonic-clock",
        "wasi:clocks/wall-clock",
        "wasi:filesystem/preopens",
        "wasi:filesystem/types",
        "wasi:http/types",
        "wasi:io/error",
        "wasi:io/poll",
        "wasi:io/streams",
        "wasi:random/insecure-seed",
        "wasi:random/random",
    ];
    assert_eq!(imports, needed);
    assert_eq!(composed.exports, ["wasi:http/incoming-handler@0.2.0"]);

    let uncomposed = check::interface(&std::fs::read(&artifacts.uncomposed).unwrap()).unwrap();
    let nn: Vec<_> = uncomposed
        .imports
        .iter()
        .filter(|name| name.starts_with("wasi:nn/"))
        .collect();
    assert_eq!(nn.len(), 4, "{nn:?}");
    assert!(
        nn.iter().all(|name| name.ends_with("@0.2.0-rc-2024-10-28")),
        "{nn:?}"
    );
}

#[test]
fn only_changed_stages_are_built_again() {
    let repository = repository("artifact-models");
    let options = options().with_models(repository.clone());
    _ = std::fs::remove_dir_all(&options.folder);
    let first = build(&options, &Silent).unwrap();
    let made = |path: &Path| std::fs::metadata(path).unwrap().modified().unwrap();
    let times = [
        made(&first.composed),
        made(&first.uncomposed),
        made(&first.engine),
    ];

    build(&options, &Silent).unwrap();
    assert_eq!(
        [
            made(&first.composed),
            made(&first.uncomposed),
            made(&first.engine)
        ],
        times,
        "without a change, the build writes nothing"
    );

    let labels = repository.join("digits/labels.txt");
    std::fs::write(
        &labels,
        "zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n",
    )
    .unwrap();
    build(&options, &Silent).unwrap();
    assert_eq!(
        made(&first.engine),
        times[2],
        "a label does not change the engine"
    );
    assert!(made(&first.uncomposed) > times[1]);
    assert!(made(&first.composed) > times[0]);

    let compiled = ["infer", "infer_engine"].map(|name| {
        let code = format!("target/wasm32-wasip2/component/{name}.wasm");
        support::root().join(code)
    });
    let compiled_times = compiled.each_ref().map(|path| made(path));
    let other = repository.join("other");
    std::fs::create_dir_all(&other).unwrap();
    let graph = support::root().join("crates/engine/tests/graphs/identity-fp32.onnx");
    std::fs::copy(graph, other.join("model.onnx")).unwrap();
    let tensor = "datatype = \"FP32\"\nshape = [-1]\n";
    let card = format!("[[input]]\nname = \"x\"\n{tensor}[[output]]\nname = \"y\"\n{tensor}");
    std::fs::write(other.join("model.toml"), card).unwrap();
    build(&options, &Silent).unwrap();
    assert!(
        made(&first.engine) > times[2],
        "another model changes the snapshot"
    );
    assert_eq!(
        compiled.each_ref().map(|path| made(path)),
        compiled_times,
        "another model compiles nothing"
    );

    std::fs::copy(support::root().join("models/digits/labels.txt"), &labels).unwrap();
    std::fs::remove_dir_all(&other).unwrap();
    _ = std::fs::remove_file(&first.engine);
    build(&options, &Silent).unwrap();
    assert!(
        made(&first.engine) > times[2],
        "a missing stage is built again"
    );
}

#[test]
fn invalid_repositories_are_rejected_with_a_reason() {
    /// The name of the case, a change that damages the repository, and a part of the error.
    type Case = (&'static str, fn(&Path), &'static str);
    let cases: [Case; 8] = [
        (
            "no graph",
            |digits| std::fs::remove_file(digits.join("model.onnx")).unwrap(),
            "model `digits` has no `model.onnx` in `",
        ),
        (
            "no card",
            |digits| std::fs::remove_file(digits.join("model.toml")).unwrap(),
            "cannot read `",
        ),
        (
            "no labels",
            |digits| std::fs::remove_file(digits.join("labels.txt")).unwrap(),
            "cannot read `",
        ),
        (
            "a text as a graph",
            |digits| std::fs::write(digits.join("model.onnx"), "hello").unwrap(),
            "model `digits`: not a readable ONNX file of 5 bytes: ",
        ),
        (
            "an unknown key",
            |digits| change(digits, "width = 8", "widht = 8"),
            "unknown key `widht` in [image]; did you mean `width`?",
        ),
        (
            "another name",
            |digits| change(digits, "name = \"image\"", "name = \"picture\""),
            "model `digits`: the graph's input `image` is not in the card",
        ),
        (
            "another datatype",
            |digits| {
                change(
                    digits,
                    "datatype = \"FP32\"\nshape = [-1, 10]",
                    "datatype = \"FP16\"\nshape = [-1, 10]",
                )
            },
            "model `digits`: output `probabilities` is FP16 in the card and FP32 in the graph",
        ),
        (
            "another shape",
            |digits| change(digits, "shape = [-1, 10]", "shape = [-1, 12]"),
            "model `digits`: output `probabilities` has shape [-1, 12] in the card and [-1, 10] in the graph",
        ),
    ];
    let mut wrong = Vec::new();
    for (name, spoil, expected) in cases {
        let repository = repository("artifact-refused");
        spoil(&repository.join("digits"));
        let message = match build(&options().with_models(repository), &Silent) {
            Ok(_) => "the build succeeded".to_owned(),
            Err(error) => error.to_string(),
        };
        if !message.contains(expected) {
            wrong.push(format!("{name}: {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn change(digits: &Path, from: &str, to: &str) {
    let card = digits.join("model.toml");
    let text = std::fs::read_to_string(&card).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(card, text.replacen(from, to, 1)).unwrap();
}
