//! Full output tensors against ONNX Runtime's: in the engine itself, and over HTTP from the running
//! service, from the snapshot and from the mount.

mod support;

use std::path::{Path, PathBuf};

use infer_engine::rten_runtime::Rten;
use infer_engine::{ElementType, Graph};
use support::client::{Answer, send};
use support::parity::{Case, Entry, cases};
use support::service::Service;

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
fn the_engine_computes_what_onnx_runtime_does() {
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for case in cases() {
        let graph = Graph::load(&Rten, std::fs::read(onnx_path(&case.model)).unwrap()).unwrap();
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
        shape: entry
            .shape
            .iter()
            .map(|size| u32::try_from(*size).unwrap())
            .collect(),
        element_type: match entry.datatype.as_str() {
            "FP32" => ElementType::Fp32,
            "FP16" => ElementType::Fp16,
            "INT32" => ElementType::I32,
            "INT64" => ElementType::I64,
            "UINT8" => ElementType::U8,
            other => panic!("no case has {other}"),
        },
        data: entry.data.clone(),
    }
}

/// A repository with every model of the cases, and each again as `mounted-…`, which is not in the
/// snapshot but read when it is asked for. Its place stays the same, so that it is built once.
fn repository() -> PathBuf {
    let repository = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("parity-models");
    for model in ["digits", "floats", "halves", "integers", "pixels"] {
        let source = onnx_path(model);
        let source = source.parent().unwrap();
        copy(source, &repository.join(model), "");
        copy(
            source,
            &repository.join(format!("mounted-{model}")),
            "placement = \"mount\"\n",
        );
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

#[test]
fn the_service_answers_what_onnx_runtime_computes() {
    let repository = repository();
    let service = Service::start_with(&["--models", repository.to_str().unwrap()], &[]);
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for case in cases() {
        for model in [case.model.clone(), format!("mounted-{}", case.model)] {
            for expected in &case.outputs {
                let Some(answer) = ask(&service, &case, &model, expected) else {
                    continue;
                };
                assert_eq!(
                    answer.status,
                    200,
                    "{} {}: {}",
                    model,
                    expected.name,
                    answer.text()
                );
                compared += 1;
                wrong.extend(compare_answer(&case, expected, &answer).err());
            }
        }
    }
    report(&wrong, compared);
}

/// Ask for one output: in JSON where JSON carries what the case has, as a raw tensor else. A case
/// that neither form carries (FP16 beside another input) is left to the engine's own test.
fn ask(service: &Service, case: &Case, model: &str, expected: &Entry) -> Option<Answer> {
    let path = format!("/infer/{model}");
    let has_fp16 = case.inputs.iter().any(|input| input.datatype == "FP16");
    if has_fp16 {
        let [input] = case.inputs.as_slice() else {
            return None;
        };
        let headers = [
            ("content-type", "application/octet-stream"),
            ("accept", "application/x-npy"),
        ];
        return Some(send(service.address, "POST", &path, &headers, &input.data));
    }
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
    let headers = [("content-type", "application/json")];
    Some(send(
        service.address,
        "POST",
        &path,
        &headers,
        body.to_string().as_bytes(),
    ))
}

/// Integers as integers, floats in the shortest form that reads back the same.
fn json_values(entry: &Entry) -> serde_json::Value {
    let values = support::parity::values(&entry.datatype, &entry.data);
    if entry.datatype == "FP32" {
        values
            .iter()
            .map(|value| serde_json::json!(*value as f32))
            .collect()
    } else {
        values
            .iter()
            .map(|value| serde_json::json!(*value as i64))
            .collect()
    }
}

fn compare_answer(case: &Case, expected: &Entry, answer: &Answer) -> Result<(), String> {
    if answer.header("content-type") == Some("application/x-npy") {
        let header = usize::from(u16::from_le_bytes([answer.body[8], answer.body[9]]));
        return case.compare(expected, &expected.shape, &answer.body[10 + header..]);
    }
    let json = answer.json();
    let outputs = json["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), 1, "one was asked for");
    let output = &outputs[0];
    assert_eq!(output["name"], expected.name);
    assert_eq!(output["datatype"], expected.datatype);
    let shape: Vec<u64> = serde_json::from_value(output["shape"].clone()).unwrap();
    let values: Vec<f64> = serde_json::from_value(output["data"].clone()).unwrap();
    let bytes: Vec<u8> = match expected.datatype.as_str() {
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
        other => panic!("JSON does not carry {other}"),
    };
    case.compare(expected, &shape, &bytes)
}
