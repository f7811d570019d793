//! Whole output tensors compared with other engines' outputs: from the engine directly, and over HTTP from the service
//! with models in the snapshot, with mounted models, and with native backends.

use std::path::{Path, PathBuf};

use crate::support;
use crate::support::client::{Response, send};
use crate::support::parity::{Case, Entry, cases};
use crate::support::service::Service;
use infer_engine::Graph;

fn report(wrong: &[String], compared: usize) {
    assert!(compared > 30, "only {compared} tensors were compared");
    assert!(
        wrong.is_empty(),
        "{} of {compared}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn onnx_path(model: &str) -> PathBuf {
    match model {
        "digits" => support::root().join("models/digits/model.onnx"),
        other => support::parity::folder()
            .join("models")
            .join(other)
            .join("model.onnx"),
    }
}

#[test]
fn the_engine_matches_onnx_runtime() {
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for case in cases_of(&EVERYWHERE) {
        let graph = Graph::load(std::fs::read(onnx_path(&case.model)).unwrap()).unwrap();
        let inputs = case
            .inputs
            .iter()
            .map(|input| (input.name.clone(), tensor(input)))
            .collect();
        let outputs = graph.compute(inputs).unwrap();
        for (expected, (name, output)) in case.outputs.iter().zip(&outputs) {
            assert_eq!(expected.name, *name);
            let shape: Vec<u64> = output.shape.iter().copied().map(u64::from).collect();
            compared += 1;
            wrong.extend(case.compare(expected, &shape, &output.data).err());
        }
        assert_eq!(case.outputs.len(), outputs.len());
    }
    report(&wrong, compared);
}

fn tensor(entry: &Entry) -> infer_engine::Tensor {
    infer_engine::Tensor {
        datatype: entry.datatype.parse().unwrap(),
        shape: entry
            .shape
            .iter()
            .map(|size| u32::try_from(*size).unwrap())
            .collect(),
        data: entry.data.clone(),
    }
}

/// The models that every backend supports.
const EVERYWHERE: [&str; 8] = [
    "brains", "digits", "doubles", "floats", "halves", "integers", "logic", "pixels",
];

/// The models with operators that OpenVINO lacks.
const WITHOUT_OPENVINO: [&str; 1] = ["steps"];

fn cases_of(models: &[&str]) -> Vec<Case> {
    let mut cases = cases();
    cases.retain(|case| models.contains(&case.model.as_str()));
    cases
}

/// A repository with these models and a fixed path, so it is built once.
fn repository(name: &str, models: &[&str], prefixes: &[(&str, &str)]) -> PathBuf {
    let repository = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    for model in models {
        let source = onnx_path(model);
        let source = source.parent().unwrap();
        for (prefix, card) in prefixes {
            copy(source, &repository.join(format!("{prefix}{model}")), card);
        }
    }
    repository
}

fn copy(source: &Path, target: &Path, card_prefix: &str) {
    std::fs::create_dir_all(target).unwrap();
    std::fs::copy(source.join("model.onnx"), target.join("model.onnx")).unwrap();
    let card = std::fs::read_to_string(source.join("model.toml")).unwrap();
    std::fs::write(target.join("model.toml"), format!("{card_prefix}{card}")).unwrap();
    if source.join("labels.txt").exists() {
        std::fs::copy(source.join("labels.txt"), target.join("labels.txt")).unwrap();
    }
}

/// Request every output of the cases, as binary and, if JSON can represent the case, as JSON.
fn compare(service: &Service, cases: &[Case], prefixes: &[(&str, &str)]) -> (Vec<String>, usize) {
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for case in cases {
        for (prefix, _) in prefixes {
            let model = format!("{prefix}{}", case.model);
            for expected in &case.outputs {
                for is_binary in [false, true] {
                    let response = if is_binary {
                        ask_binary(service, case, &model, expected)
                    } else if is_in_json(case, expected) {
                        ask_json(service, case, &model, expected)
                    } else {
                        continue;
                    };
                    if response.status != 200 {
                        wrong.push(format!("{model} {}: {}", expected.name, response.text()));
                        continue;
                    }
                    compared += 1;
                    wrong.extend(compare_response(case, expected, &response).err());
                }
            }
        }
    }
    (wrong, compared)
}

#[test]
fn the_service_matches_onnx_runtime() {
    // Each model is in the repository twice: in the snapshot, and mounted as `mounted-…`.
    let prefixes = [("", ""), ("mounted-", "placement = \"mount\"\n")];
    let models = [&EVERYWHERE[..], &WITHOUT_OPENVINO[..]].concat();
    let repository = repository("parity-models", &models, &prefixes);
    let service = Service::start_with(&["--models", repository.to_str().unwrap()], &[]);
    let (wrong, compared) = compare(&service, &cases_of(&models), &prefixes);
    report(&wrong, compared);
}

#[test]
fn native_backends_match_other_engines() {
    let prefixes = [("", "")];
    let models = EVERYWHERE;
    let repository = repository("parity-native", &models, &prefixes);
    for backend in support::backends::installed() {
        let service = Service::start_with(
            &[
                "--models",
                repository.to_str().unwrap(),
                "--backend",
                backend,
            ],
            &[],
        );
        let mut cases = cases_of(&models);
        if backend == "openvino" {
            for case in cases.iter_mut().filter(|case| case.model == "doubles") {
                // OpenVINO computes FP64 as FP32.
                (case.rtol, case.atol) = (1e-6, 1e-6);
            }
        }
        let (mut wrong, compared) = compare(&service, &cases, &prefixes);
        if backend == "openvino" {
            // OpenVINO's CPU plugin computes integer arithmetic in FP32, as the documentation says. The test fails if
            // one of these outputs becomes right, or if another output is wrong.
            for known in OPENVINO_INTEGERS {
                let count = wrong.len();
                wrong.retain(|line| !line.starts_with(known));
                assert!(
                    wrong.len() < count,
                    "`{known}` is right now; say so in the README"
                );
            }
        }
        println!("{backend}: {compared} tensors");
        report(&wrong, compared);
    }
}

/// The outputs whose integers OpenVINO rounds: values near the limits of INT32, and remainders.
const OPENVINO_INTEGERS: [&str; 6] = [
    "integers-0 remainder",
    "integers-1 remainder",
    "integers-2 features",
    "integers-2 top:",
    "integers-2 top_index",
    "integers-2 remainder",
];

/// Whether JSON can represent a case.
fn is_in_json(case: &Case, expected: &Entry) -> bool {
    let is_supported = |entry: &Entry| !matches!(entry.datatype.as_str(), "FP16" | "BF16");
    case.inputs.iter().all(is_supported) && is_supported(expected)
}

const HEADER: &str = "inference-header-content-length";

/// Request one output with the binary tensor data extension, for inputs and output.
fn ask_binary(service: &Service, case: &Case, model: &str, expected: &Entry) -> Response {
    let inputs: Vec<_> = case
        .inputs
        .iter()
        .map(|input| {
            serde_json::json!({
                "name": input.name,
                "datatype": input.datatype,
                "shape": input.shape,
                "parameters": { "binary_data_size": input.data.len() },
            })
        })
        .collect();
    let output = serde_json::json!({
        "name": expected.name,
        "parameters": { "binary_data": true },
    });
    let json = serde_json::json!({ "inputs": inputs, "outputs": [output] }).to_string();
    let mut body = json.clone().into_bytes();
    for input in &case.inputs {
        body.extend(&input.data);
    }
    let path = format!("/v2/models/{model}/infer");
    let length = json.len().to_string();
    send(service.address, "POST", &path, &[(HEADER, &length)], &body)
}

fn ask_json(service: &Service, case: &Case, model: &str, expected: &Entry) -> Response {
    let inputs: Vec<_> = case
        .inputs
        .iter()
        .map(|input| {
            serde_json::json!({
                "name": input.name,
                "datatype": input.datatype,
                "shape": input.shape,
                "data": json_values(input),
            })
        })
        .collect();
    let body = serde_json::json!({ "inputs": inputs, "outputs": [{ "name": expected.name }] });
    send(
        service.address,
        "POST",
        &format!("/infer/{model}"),
        &[("content-type", "application/json")],
        body.to_string().as_bytes(),
    )
}

/// Integers as integers, floats in the shortest form that parses to the same value.
fn json_values(entry: &Entry) -> serde_json::Value {
    let values = support::parity::values(&entry.datatype, &entry.data);
    let json = |value: &f64| match entry.datatype.as_str() {
        "FP32" => serde_json::json!(*value as f32),
        "FP64" => serde_json::json!(value),
        "BOOL" => serde_json::json!(*value != 0.0),
        _ => serde_json::json!(*value as i64),
    };
    values.iter().map(json).collect()
}

fn compare_response(case: &Case, expected: &Entry, response: &Response) -> Result<(), String> {
    let (json, binary) = match response.header(HEADER) {
        Some(length) => {
            let (json, binary) = response.body.split_at(length.parse().unwrap());
            (serde_json::from_slice(json).unwrap(), Some(binary))
        }
        None => (response.json(), None),
    };
    let outputs = json["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), 1, "one output was requested");
    let output = &outputs[0];
    assert_eq!(output["name"], expected.name);
    assert_eq!(output["datatype"], expected.datatype);
    let shape: Vec<u64> = serde_json::from_value(output["shape"].clone()).unwrap();
    if let Some(binary) = binary {
        return case.compare(expected, &shape, binary);
    }
    if expected.datatype == "BOOL" {
        let values: Vec<bool> = serde_json::from_value(output["data"].clone()).unwrap();
        let bytes: Vec<u8> = values.into_iter().map(u8::from).collect();
        return case.compare(expected, &shape, &bytes);
    }
    let values: Vec<f64> = serde_json::from_value(output["data"].clone()).unwrap();
    let bytes: Vec<u8> = match expected.datatype.as_str() {
        "FP64" => values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
        "FP32" => values
            .iter()
            .flat_map(|value| (*value as f32).to_le_bytes())
            .collect(),
        "INT32" => values
            .iter()
            .flat_map(|value| (*value as i32).to_le_bytes())
            .collect(),
        "INT64" => values
            .iter()
            .flat_map(|value| (*value as i64).to_le_bytes())
            .collect(),
        "UINT8" => values.iter().map(|value| *value as u8).collect(),
        other => panic!("JSON does not support {other}"),
    };
    case.compare(expected, &shape, &bytes)
}
