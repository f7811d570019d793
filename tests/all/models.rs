//! Adding models: the commands on the model repository, and the responses of an added model.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support;
use crate::support::client::send;
use crate::support::service::Service;

fn infer(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_infer"))
        .current_dir(support::root())
        .args(arguments)
        .output()
        .unwrap()
}

/// The standard output of a command, or its standard error if it failed.
fn run(arguments: &[&str]) -> Result<String, String> {
    let output = infer(arguments);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    if output.status.success() {
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr).trim_end().to_owned())
    }
}

fn sources() -> PathBuf {
    support::root().join("tests/models")
}

fn graph(name: &str) -> String {
    let path = support::root()
        .join("crates/engine/tests/graphs")
        .join(name);
    path.to_str().unwrap().to_owned()
}

/// An empty repository with a fixed path, so it is built once.
fn repository(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The classes in a response, with their scores.
fn scores(response: &serde_json::Value) -> Vec<(usize, String, f64)> {
    let classes = response["predictions"][0].as_array().unwrap();
    classes
        .iter()
        .map(|class| {
            let label = class["label"].as_str().unwrap().to_owned();
            let index = class["index"].as_u64().unwrap();
            (
                usize::try_from(index).unwrap(),
                label,
                class["score"].as_f64().unwrap(),
            )
        })
        .collect()
}

#[test]
fn added_models_respond_like_their_source() {
    let repository = repository("added-models");
    let models = ["--models", text(&repository)];
    let one = sources().join("one");
    let many = sources().join("many");
    let added = run(&[&["add", text(&one)][..], &models].concat()).unwrap();
    assert!(
        added.contains("input      pixel_values FP32 [-1, -1, -1, -1]\n"),
        "{added}"
    );
    assert!(
        added.contains("output     logits FP32 [-1, 12]\n"),
        "{added}"
    );
    assert!(
        added.contains("operators  Conv 1, Flatten 1, Gemm 1, GlobalAveragePool 1, Relu 1\n"),
        "{added}"
    );
    assert!(
        added.contains("labels     12, starting with `cat, big`\n"),
        "{added}"
    );
    assert!(
        added.ends_with("curl --data-binary @image.jpg localhost:3000/infer/one\n"),
        "{added}"
    );
    run(&[&["add", text(&many), "--variant", "quantized"][..], &models].concat()).unwrap();
    let plain = graph("identity-int64.onnx");
    let added = run(&[&["add", &plain, "--name", "same"][..], &models].concat()).unwrap();
    assert!(
        added.ends_with(
            "curl localhost:3000/v2/models/same/infer -d \
             '{\"inputs\":[{\"data\":[…],\"datatype\":\"INT64\",\"name\":\"x\",\"shape\":[1]}]}'\n"
        ),
        "{added}"
    );
    let list = run(&[&["list"][..], &models].concat()).unwrap();
    let names: Vec<&str> = list
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names, ["many", "one", "same"]);
    let check = run(&[&["check"][..], &models].concat()).unwrap();
    assert_eq!(
        check.lines().filter(|line| line.starts_with("ok ")).count(),
        3
    );

    let expected = std::fs::read(sources().join("expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
    let service = Service::start_with(&models, &[]);
    let ready = support::client::get(service.address, "/v2/health/ready");
    assert_eq!(ready.status, 200, "{}", ready.text());
    let mut wrong = Vec::new();
    for model in ["one", "many"] {
        let labels = std::fs::read_to_string(repository.join(model).join("labels.txt")).unwrap();
        let labels: Vec<&str> = labels.lines().collect();
        for (image, expected) in expected[model].as_object().unwrap() {
            let expected = expected.as_array().unwrap();
            let path = support::root()
                .join("tests/preprocessing/images")
                .join(image);
            let path = std::fs::read(path).unwrap();
            let target = format!("/infer/{model}?top_k=99");
            let response = send(service.address, "POST", &target, &[], &path);
            assert_eq!(response.status, 200, "{}", response.text());
            let actual = scores(&response.json());
            assert_eq!(actual.len(), expected.len());
            assert!(actual.is_sorted_by(|a, b| a.2 >= b.2), "{actual:?}");
            for (index, label, score) in actual {
                let reference = expected[index].as_f64().unwrap();
                // A pixel may differ by one before normalization.
                let is_close = (score - reference).abs() <= 5e-3;
                if !is_close || label != labels[index] {
                    wrong.push(format!(
                        "{model} {image} {index} {label}: {score}, expected {reference}"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    drop(service);

    let removed = run(&[&["remove", "one"][..], &models].concat()).unwrap();
    assert!(removed.starts_with("removed "), "{removed}");
    assert!(!repository.join("one").exists());
    assert_eq!(
        run(&[&["remove", "one"][..], &models].concat()).unwrap_err(),
        format!(
            "error: there is no model `one` in `{}`",
            repository.display()
        )
    );
}

#[test]
fn an_image_classifier_in_one_file_needs_two_options() {
    let repository = repository("plain-models");
    let labels = repository.join("names.txt");
    let names: String = (0..12).map(|index| format!("name {index}\n")).collect();
    std::fs::write(&labels, names).unwrap();
    let source = sources().join("one/model.onnx");
    run(&[
        "add",
        text(&source),
        "--labels",
        text(&labels),
        "--image",
        "32x24",
        "--models",
        text(&repository),
    ])
    .unwrap();
    let card = std::fs::read_to_string(repository.join("one/model.toml")).unwrap();
    let card = infer_model_card::ModelCard::parse(&card).unwrap();
    let (image, _) = card.image_input().unwrap();
    assert_eq!((image.width, image.height), (32, 24));
    assert_eq!(image.mean, [0.485, 0.456, 0.406]);
    let infer_model_card::Task::Classification(classification) = card.task else {
        panic!("{:?}", card.task);
    };
    assert_eq!(classification.labels.as_deref(), Some("labels.txt"));
    assert_eq!(
        classification.activation,
        infer_model_card::Activation::Softmax
    );
    let inspected = run(&["inspect", text(&source)]).unwrap();
    assert!(
        !inspected.contains("[image]"),
        "nothing is guessed: {inspected}"
    );
    assert!(!inspected.contains("[classification]"), "{inspected}");
    let inspected = run(&["inspect", &graph("tokens.onnx")]).unwrap();
    let metadata = "metadata   task = mean\nmetadata   names = {0: 'a',  1: 'b'}\n";
    assert!(inspected.contains(metadata), "{inspected}");
}

#[test]
fn unusable_models_are_rejected_before_anything_is_copied() {
    let repository = repository("refused-models");
    let folder = repository.join("source");
    let make = |name: &str, files: &[(&str, &[u8])]| {
        let folder = folder.join(name);
        for (file, bytes) in files {
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        std::fs::create_dir_all(&folder).unwrap();
        text(&folder).to_owned()
    };
    let one = std::fs::read(sources().join("one/model.onnx")).unwrap();
    let three =
        b"{\"architectures\":[\"XForImageClassification\"],\"id2label\":{\"0\":\"a\",\"1\":\"b\"}}";
    let onnx = |bytes: &'static [u8]| ("model.onnx", bytes);
    let good = ("model.onnx", one.as_slice());
    let many = text(&sources().join("many")).to_owned();
    let empty = make("empty", &[]);
    // (arguments, start of the error, another part of the error)
    let rows: Vec<(Vec<&str>, &str, &str)> = vec![
        (
            vec!["/nowhere/model.onnx"],
            "error: cannot read `/nowhere/model.onnx`: No such file",
            "",
        ),
        (
            vec![&empty],
            "error: `",
            "` has no `.onnx` file, and neither has its folder `onnx`",
        ),
        (
            vec![&many],
            "error: `",
            "` has several graphs; choose one with `--variant`: fp16, quantized",
        ),
        (
            vec![&many, "--variant", "q4"],
            "error: `",
            "` has no variant `q4`, only fp16, quantized",
        ),
    ];
    let turns = make(
        "turns",
        &[("encoder_model.onnx", b"x"), ("decoder_model.onnx", b"x")],
    );
    let garbage = make("garbage", &[onnx(b"garbage")]);
    let zero = make("zero", &[onnx(b"")]);
    let count = make("count", &[good, ("config.json", three)]);
    let gap = make(
        "gap",
        &[good, ("config.json", b"{\"id2label\":{\"1\":\"a\"}}")],
    );
    let bad_config = make("bad-config", &[good, ("config.json", b"[")]);
    let processor = make(
        "processor",
        &[
            good,
            (
                "preprocessor_config.json",
                b"{\"image_processor_type\":\"SamImageProcessor\"}",
            ),
        ],
    );
    let (unknown, external) = (graph("unknown-operator.onnx"), graph("external.onnx"));
    let (sequence, string) = (graph("sequence.onnx"), graph("identity-string.onnx"));
    let sum = graph("sum.onnx");
    let one = text(&sources().join("one")).to_owned();
    let no_labels = text(&support::root().join("tests/models/one/nothing.txt")).to_owned();
    let rows = rows.into_iter().chain([
        (
            vec![turns.as_str()],
            "error: `",
            "is exported as several graphs (`decoder_model.onnx`, `encoder_model.onnx`)",
        ),
        (
            vec![&garbage],
            "error: `",
            "is not supported: not a readable ONNX file of 7 bytes",
        ),
        (
            vec![&zero],
            "error: `",
            "is not supported: not a readable ONNX file of 0 bytes: it is empty",
        ),
        (
            vec![&count],
            "error: 2 labels were given, but output `logits` has 12 classes",
            "",
        ),
        (
            vec![&gap],
            "error: `id2label` in `config.json` has 1 classes, but class 0 is missing",
            "",
        ),
        (
            vec![&bad_config],
            "error: `config.json` cannot be read: invalid type: sequence, expected a map",
            "",
        ),
        (
            vec![&processor],
            "error: image processor `SamImageProcessor` is not supported; expected one of ",
            "",
        ),
        (
            vec![&unknown],
            "error: `",
            "operator `Frobnicate` of `ai.onnx` version 17 is not supported",
        ),
        (
            vec![&external],
            "error: the weight `w` is in the file `weights.bin`, which is not beside `",
            "; copy it there",
        ),
        (
            vec![&sequence],
            "error: `",
            "is not supported: `s` is not a tensor (a sequence, an optional or a map)",
        ),
        (
            vec![&string],
            "error: `",
            "is BYTES, which wasi-nn does not support",
        ),
        (
            vec![&sum, "--image", "224"],
            "error: images need an input of shape [batch, channels, height, width]",
            "the graph has `x` (FP32 [-1])",
        ),
        (
            vec![&sum, "--image", "big"],
            "error: invalid value 'big' for '--image <SIZE>': expected a number of pixels",
            "",
        ),
        (
            vec![&one, "--labels", &no_labels],
            "error: cannot read `",
            "nothing.txt`: No such file",
        ),
        (vec![&one, "--name", "../one"], "error: ", "`../one`"),
        (
            vec![&one, "--name", ".one"],
            "error: `.one` begins with a dot, and the repository ignores hidden folders",
            "",
        ),
        (
            vec![&one, "--name", "x", "--version", ".1"],
            "error: `.1` begins with a dot",
            "",
        ),
        (
            vec![&one, "--shape", "pixel_values=1,3"],
            "error: `",
            "is not supported: input `pixel_values` has shape [1, 3], expected [batch_size, ",
        ),
        (
            vec![&sum, "--shape", "z=3"],
            "error: `",
            "`--shape` names the input `z`, but the graph has x",
        ),
        (
            vec![&sum, "--shape", "x"],
            "error: invalid value 'x' for '--shape <NAME=SIZES>': expected an input's name",
            "",
        ),
        (
            vec![&sum, "--shape", "x=0"],
            "error: invalid value 'x=0' for '--shape <NAME=SIZES>'",
            "",
        ),
        (
            vec![&one, "--name", "source"],
            "error: `",
            "` already has a model `source`; remove it first, or choose another name with `--name`",
        ),
    ]);
    let mut wrong = Vec::new();
    for (arguments, beginning, part) in rows {
        let all = [&["add"][..], &arguments, &["--models", text(&repository)]].concat();
        match run(&all) {
            Err(message) if message.starts_with(beginning) && message.contains(part) => {}
            other => wrong.push(format!(
                "{arguments:?}\n  expected {beginning}…{part}\n  got      {other:?}"
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let left: Vec<_> = std::fs::read_dir(&repository)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["source"], "nothing was added");
}

#[test]
fn check_reports_a_model_that_cannot_be_used() {
    let repository = repository("checked-models");
    let models = ["--models", text(&repository)];
    run(&[&["add", &graph("add.onnx")][..], &models].concat()).unwrap();
    run(&[&["add", &graph("sum.onnx")][..], &models].concat()).unwrap();
    let card = repository.join("sum/model.toml");
    let text = std::fs::read_to_string(&card).unwrap();
    std::fs::write(&card, text.replace("\"FP32\"", "\"FP16\"")).unwrap();
    let output = infer(&[&["check"][..], &models].concat());
    assert!(!output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.starts_with("ok      add  "), "{printed}");
    assert!(
        printed.contains("failed  sum  input `x` is FP16 in the card and FP32 in the graph\n"),
        "{printed}"
    );
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "error: 1 of 2 models are not valid\n");
}

#[test]
fn versions_of_a_model_are_served_side_by_side() {
    let repository = repository("versioned-models");
    let models = ["--models", text(&repository)];
    let add = |graph_name: &str, more: &[&str]| {
        run(&[&["add", &graph(graph_name)], more, &models].concat())
    };
    for (graph, version) in [
        ("sum", "10"),
        ("identity-fp32", "9"),
        ("identity-int64", "beta"),
    ] {
        let graph = format!("{graph}.onnx");
        add(&graph, &["--name", "m", "--version", version]).unwrap();
    }
    add("equal.onnx", &["--name", "plain"]).unwrap();
    let place = repository.display();
    let rejected = [
        (
            vec!["--name", "m"],
            format!("error: `{place}` already has a model `m`; remove it first"),
        ),
        (
            vec!["--name", "m", "--version", "9"],
            format!("error: `{place}` already has a model `m/9`; remove it first"),
        ),
        (
            vec!["--name", "plain", "--version", "2"],
            format!(
                "error: model `plain` in `{place}` has no versions, so version `2` cannot be added"
            ),
        ),
        (
            vec!["--name", "n", "--version", "../m"],
            "error: `../m` is not a model name or version: ".to_owned(),
        ),
    ];
    for (arguments, beginning) in rejected {
        let message = add("add.onnx", &arguments).unwrap_err();
        assert!(message.starts_with(&beginning), "{message}");
    }
    // One version is mounted; the others are in the snapshot.
    let card = repository.join("m/9/model.toml");
    let card_text = std::fs::read_to_string(&card).unwrap();
    assert!(card_text.starts_with("version = \"9\"\n"), "{card_text}");
    std::fs::write(&card, format!("placement = \"mount\"\n{card_text}")).unwrap();
    let list = run(&[&["list"][..], &models].concat()).unwrap();
    let rows: Vec<Vec<&str>> = list
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let column = |place: usize| rows.iter().map(move |row| row[place]).collect::<Vec<_>>();
    assert_eq!(column(0), ["m/beta", "m/9", "m/10", "plain"]);
    assert_eq!(column(3), ["snapshot", "mount", "snapshot", "snapshot"]);

    let service = Service::start_with(&models, &[]);
    let get = |path: &str| support::client::get(service.address, path).json();
    assert_eq!(
        get("/v2/models/m")["versions"],
        serde_json::json!(["beta", "9", "10"])
    );
    let status = get("/v1/models/m");
    let status = status["model_version_status"].as_array().unwrap();
    assert_eq!(status.len(), 3, "{status:?}");
    let ask = |path: &str| {
        let body = br#"{"inputs":[{"name":"x","datatype":"FP32","shape":[3],"data":[1,2,4]}]}"#;
        send(service.address, "POST", path, &[], body)
    };
    // (path, version that responds, output)
    let rows = [
        ("/v2/models/m/infer", "10", vec![7.0]),
        ("/infer/m", "10", vec![7.0]),
        ("/v2/models/m/versions/10/infer", "10", vec![7.0]),
        ("/v2/models/m/versions/9/infer", "9", vec![1.0, 2.0, 4.0]),
    ];
    for (path, version, values) in rows {
        let response = ask(path).json();
        assert_eq!(response["model_version"], version, "{path}: {response}");
        let data = &response["outputs"][0]["data"];
        assert_eq!(*data, serde_json::json!(values), "{path}");
    }
    let none = ask("/v2/models/m/versions/1/infer");
    assert_eq!(none.status, 404);
    assert_eq!(
        none.error(),
        "model `m` has no version `1`; it has `beta`, `9` and `10`"
    );
    drop(service);

    let graph = std::fs::read(graph("sum.onnx")).unwrap();
    std::fs::write(repository.join("m/model.onnx"), graph).unwrap();
    let both = run(&[&["list"][..], &models].concat()).unwrap_err();
    assert_eq!(
        both,
        format!(
            "error: model `m` has both a `model.onnx` and the version `10` in `{}`; move `model.onnx` into a \
             version's folder, or remove the versions",
            repository.join("m").display()
        )
    );
    std::fs::remove_file(repository.join("m/model.onnx")).unwrap();
    for (name, left) in [("m/10", true), ("m/beta", true), ("m/9", false)] {
        run(&[&["remove", name][..], &models].concat()).unwrap();
        assert_eq!(repository.join("m").exists(), left, "{name}");
    }
    let gone = run(&[&["remove", "m"][..], &models].concat()).unwrap_err();
    assert_eq!(gone, format!("error: there is no model `m` in `{place}`"));
}
