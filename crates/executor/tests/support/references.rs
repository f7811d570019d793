//! What ONNX Runtime computed for nodes and for small models: the JSON files in `references/`.

use infer_executor::{Data, Graph, Tensor};
use rten_onnx::onnx::ModelProto;
use serde_json::Value as Json;

use super::Value::{self, Float, Floats, Int};
use super::{ints, run_with_constants, text};

fn tensor(json: &Json) -> Tensor {
    let shape: Vec<usize> = serde_json::from_value(json["shape"].clone()).unwrap();
    let values = json["values"].as_array().unwrap().iter();
    let real = |value: &Json| match value.as_str() {
        Some(text) => text.parse().unwrap(),
        None => value.as_f64().unwrap(),
    };
    let whole = |value: &Json| value.as_i64().unwrap();
    let data = match json["datatype"].as_str().unwrap() {
        "FP32" => Data::F32(values.map(|value| real(value) as f32).collect()),
        "FP64" => Data::F64(values.map(real).collect()),
        "INT8" => Data::I8(values.map(|value| whole(value) as i8).collect()),
        "INT16" => Data::I16(values.map(|value| whole(value) as i16).collect()),
        "INT32" => Data::I32(values.map(|value| whole(value) as i32).collect()),
        "INT64" => Data::I64(values.map(whole).collect()),
        "UINT8" => Data::U8(values.map(|value| whole(value) as u8).collect()),
        "BOOL" => Data::Bool(values.map(|value| value.as_bool().unwrap()).collect()),
        other => panic!("{other}"),
    };
    Tensor::new(shape, data).unwrap()
}

fn attribute(json: &Json) -> Value {
    match json {
        Json::Number(number) if number.is_i64() => Int(number.as_i64().unwrap()),
        Json::Number(number) => Float(number.as_f64().unwrap() as f32),
        Json::String(value) if value == "nan" => Float(f32::NAN),
        Json::String(value) => text(value),
        Json::Object(_) => Value::Tensor(tensor(json)),
        Json::Array(values) if values.iter().any(Json::is_f64) => {
            Floats(serde_json::from_value(json.clone()).unwrap())
        }
        Json::Array(values) if values.iter().any(Json::is_string) => {
            Value::Texts(serde_json::from_value(json.clone()).unwrap())
        }
        other => ints(&serde_json::from_value::<Vec<i64>>(other.clone()).unwrap()),
    }
}

/// Whether they are the same: FP32 within the sixth digit, quantized values within a step if the case allows one.
fn is_close(actual: &Tensor, expected: &Tensor, step: i64) -> bool {
    let close = |a: f64, b: f64| {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-6 + 1e-5 * b.abs()
    };
    let near = |a: i64, b: i64| (a - b).abs() <= step;
    let is_close = match (actual.data(), expected.data()) {
        (Data::F32(actual), Data::F32(expected)) => {
            let mut each = actual.iter().zip(expected);
            each.all(|(&a, &b)| close(a.into(), b.into()))
        }
        (Data::F64(actual), Data::F64(expected)) => {
            let mut each = actual.iter().zip(expected);
            each.all(|(&a, &b)| close(a, b))
        }
        (Data::U8(actual), Data::U8(expected)) => {
            let mut each = actual.iter().zip(expected);
            each.all(|(&a, &b)| near(a.into(), b.into()))
        }
        (Data::I8(actual), Data::I8(expected)) => {
            let mut each = actual.iter().zip(expected);
            each.all(|(&a, &b)| near(a.into(), b.into()))
        }
        _ => return actual == expected,
    };
    actual.shape() == expected.shape() && is_close
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits = hexadecimal.as_bytes().chunks_exact(2);
    let byte = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

fn outputs(
    case: &Json,
    expected: &[Option<Tensor>],
    constants: &[usize],
) -> Result<Vec<Tensor>, String> {
    let inputs = case["inputs"].as_array().unwrap().iter();
    let inputs: Vec<Option<Tensor>> = inputs
        .map(|input| (!input.is_null()).then(|| tensor(input)))
        .collect();
    if let Some(model) = case["model"].as_str() {
        let model = ModelProto::parse_buf(&bytes(model)).unwrap();
        return Graph::load(model)
            .and_then(|graph| graph.run(inputs.into_iter().flatten().collect()))
            .map_err(|error| error.to_string());
    }
    let attributes = case["attributes"].as_object().unwrap().iter();
    let attributes: Vec<_> = attributes
        .map(|(name, value)| (name.as_str(), attribute(value)))
        .collect();
    run_with_constants(
        case["domain"].as_str().unwrap_or_default(),
        case["operator"].as_str().unwrap(),
        case["opset"].as_i64().unwrap(),
        &attributes,
        &expected.iter().map(Option::is_some).collect::<Vec<_>>(),
        &inputs,
        constants,
    )
}

/// The models of a JSON file, optimized.
pub fn models(json: &str) -> Vec<Graph> {
    let cases: Vec<Json> = serde_json::from_str(json).unwrap();
    let models = cases.iter().filter_map(|case| case["model"].as_str());
    let graph = |model| Graph::load(ModelProto::parse_buf(&bytes(model)).unwrap()).unwrap();
    models.map(graph).collect()
}

/// Compares each case of a JSON file with what the executor computes; panics with all that differ.
pub fn check(json: &str) {
    check_with_constants(json, &[]);
}

/// As [`check`], with the inputs at some positions constant.
pub fn check_with_constants(json: &str, constants: &[usize]) {
    let cases: Vec<Json> = serde_json::from_str(json).unwrap();
    let mut failures = Vec::new();
    for case in &cases {
        let expected = case["outputs"].as_array().unwrap().iter();
        let expected: Vec<Option<Tensor>> = expected
            .map(|output| (!output.is_null()).then(|| tensor(output)))
            .collect();
        let step = case["step"].as_i64().unwrap_or(0);
        let actual = outputs(case, &expected, constants);
        let is_right = actual.as_ref().is_ok_and(|actual| {
            actual.len() >= expected.len()
                && actual.iter().zip(&expected).all(|(actual, expected)| {
                    let mut expected = expected.iter();
                    expected.all(|expected| is_close(actual, expected, step))
                })
        });
        if !is_right {
            let case = match case["name"].as_str() {
                Some(name) => format!("{name}: expected {expected:?}"),
                None => case.to_string(),
            };
            failures.push(format!("{case}: actual {actual:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
