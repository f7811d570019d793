//! Runs operator test cases from a folder natively and lists those that fail: `conformance DIR [WORD…]`.
//!
//! A case is a folder with `model.onnx`, `case.json` (for each input and output its `name`, `dtype` as NumPy calls
//! it, `shape` and `file`) and a raw little-endian file per tensor. With words, only cases whose name contains one of them
//! run. `tests/conformance/cases.py` writes the cases.

use std::collections::BTreeMap;
use std::path::Path;

use infer_executor::{Data, Graph, Tensor};
use infer_tensor::Datatype;
use rten_onnx::onnx::ModelProto;
use serde_json::Value;

fn read(folder: &Path, entry: &Value) -> Tensor {
    let bytes = std::fs::read(folder.join(entry["file"].as_str().unwrap())).unwrap();
    let shape: Vec<usize> = serde_json::from_value(entry["shape"].clone()).unwrap();
    let datatype = match entry["dtype"].as_str().unwrap() {
        "float32" => Datatype::Fp32,
        "float64" => Datatype::Fp64,
        "float16" => Datatype::Fp16,
        "bfloat16" => Datatype::Bf16,
        "int64" => Datatype::Int64,
        "int32" => Datatype::Int32,
        "int16" => Datatype::Int16,
        "int8" => Datatype::Int8,
        "uint16" => Datatype::Uint16,
        "uint8" => Datatype::Uint8,
        "bool" => Datatype::Bool,
        other => panic!("{other}"),
    };
    let data = Data::from_le_bytes(datatype, &bytes).unwrap();
    Tensor::new(shape, data).unwrap()
}

fn wide(data: &Data) -> Vec<f64> {
    match data {
        Data::F32(v) => v.iter().map(|&x| x.into()).collect(),
        Data::F64(v) => v.clone(),
        Data::F16(v) => v.iter().map(|x| x.to_f64()).collect(),
        Data::I64(v) => v.iter().map(|&x| x as f64).collect(),
        Data::I32(v) => v.iter().map(|&x| x.into()).collect(),
        Data::Bf16(v) => v.iter().map(|x| x.to_f64()).collect(),
        Data::I16(v) => v.iter().map(|&x| x.into()).collect(),
        Data::I8(v) => v.iter().map(|&x| x.into()).collect(),
        Data::U16(v) => v.iter().map(|&x| x.into()).collect(),
        Data::U8(v) => v.iter().map(|&x| x.into()).collect(),
        Data::Bool(v) => v.iter().map(|&x| u8::from(x).into()).collect(),
        _ => vec![f64::NAN],
    }
}

fn check(folder: &Path) -> Result<(), String> {
    let case: Value =
        serde_json::from_slice(&std::fs::read(folder.join("case.json")).unwrap()).unwrap();
    let model = ModelProto::parse_buf(&std::fs::read(folder.join("model.onnx")).unwrap())
        .map_err(|error| error.to_string())?;
    let inputs = case["inputs"].as_array().unwrap();
    let graph = Graph::load(model).map_err(|error| format!("load: {error}"))?;
    let inputs = inputs.iter().map(|entry| read(folder, entry)).collect();
    let outputs = graph.run(inputs).map_err(|error| format!("run: {error}"))?;
    for (entry, actual) in case["outputs"].as_array().unwrap().iter().zip(&outputs) {
        let expected = read(folder, entry);
        // Other writers of cases give scalars the shape [1].
        let is_scalar = actual.shape().is_empty() && expected.shape() == [1];
        let has_shape = is_scalar || actual.shape() == expected.shape();
        if !has_shape || actual.datatype() != expected.datatype() {
            return Err(format!(
                "{} {:?}, expected {} {:?}",
                actual.datatype(),
                actual.shape(),
                expected.datatype(),
                expected.shape()
            ));
        }
        for (at, (a, b)) in wide(actual.data())
            .iter()
            .zip(wide(expected.data()))
            .enumerate()
        {
            let close =
                a == &b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-5 + 1e-3 * b.abs();
            if !close {
                return Err(format!("value {at} is {a}, expected {b}"));
            }
        }
    }
    Ok(())
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, words) = arguments.split_first().expect("conformance DIR [WORD…]");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| words.is_empty() || words.iter().any(|word| name.contains(word)))
        .collect();
    names.sort();
    let mut passed = 0;
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for name in &names {
        let folder = Path::new(folder).join(name);
        let result = std::panic::catch_unwind(|| check(&folder)).unwrap_or(Err("PANIC".into()));
        match result {
            Ok(()) => passed += 1,
            Err(reason) => {
                println!("{name}: {reason}");
                *reasons.entry(reason).or_default() += 1;
            }
        }
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    println!();
    for (reason, count) in reasons.iter().take(40) {
        println!("{count:5} {reason}");
    }
    println!("{passed} of {} pass", names.len());
}
