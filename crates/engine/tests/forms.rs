//! Graphs in the forms that exporters write (`forms/`), against what ONNX Runtime computes of them (`forms/generate.py`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use infer_engine::{Graph, Tensor};
use infer_tensor::Datatype;
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    notes: usize,
    inputs: BTreeMap<String, Values>,
    outputs: BTreeMap<String, Values>,
}

#[derive(Deserialize)]
struct Values {
    datatype: String,
    shape: Vec<u32>,
    values: Vec<f64>,
}

impl Values {
    fn tensor(&self) -> Tensor {
        let values = self.values.iter();
        let (datatype, data) = match self.datatype.as_str() {
            "float32" => (
                Datatype::Fp32,
                values.flat_map(|v| (*v as f32).to_le_bytes()).collect(),
            ),
            "int64" => (
                Datatype::Int64,
                values.flat_map(|v| (*v as i64).to_le_bytes()).collect(),
            ),
            other => panic!("{other}"),
        };
        Tensor {
            datatype,
            shape: self.shape.clone(),
            data,
        }
    }
}

/// The cases by name: the files `NAME.onnx` and `NAME.json`.
fn cases() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forms");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut cases: Vec<(String, PathBuf)> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "onnx"))
        .map(|path| (path.file_stem().unwrap().display().to_string(), path))
        .collect();
    cases.sort();
    cases
}

fn is_close(actual: &Tensor, expected: &Tensor) -> bool {
    if actual.datatype != Datatype::Fp32 {
        return actual == expected;
    }
    let floats = |tensor: &Tensor| -> Vec<f32> {
        let (values, _) = tensor.data.as_chunks::<4>();
        values
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    };
    actual.datatype == expected.datatype
        && actual.shape == expected.shape
        && floats(actual)
            .iter()
            .zip(floats(expected))
            .all(|(a, b)| (a - b).abs() <= 1e-6 + 1e-6 * b.abs())
}

#[test]
fn every_form_computes_what_onnx_runtime_does() {
    let mut wrong = Vec::new();
    let cases = cases();
    assert!(cases.len() > 12, "{}", cases.len());
    for (name, path) in cases {
        let onnx = std::fs::read(&path).unwrap();
        let expected = std::fs::read(path.with_extension("json")).unwrap();
        let expected: Expected = serde_json::from_slice(&expected).unwrap();
        let description = match infer_onnx::describe(&onnx) {
            Ok(description) => description,
            Err(error) => {
                wrong.push(format!("{name}: not described: {error}"));
                continue;
            }
        };
        if description.notes.len() != expected.notes {
            wrong.push(format!("{name}: the notes are {:?}", description.notes));
        }
        let graph = match Graph::load(onnx) {
            Ok(graph) => graph,
            Err(error) => {
                wrong.push(format!("{name}: not loaded: {error}"));
                continue;
            }
        };
        if *graph.info() != description.signature {
            wrong.push(format!(
                "{name}: the signature is {:?} without weights and {:?} with them",
                description.signature,
                graph.info()
            ));
        }
        let inputs = expected.inputs.iter();
        let inputs = inputs.map(|(name, values)| (name.clone(), values.tensor()));
        let outputs = match graph.compute(inputs.collect()) {
            Ok(outputs) => outputs,
            Err(error) => {
                wrong.push(format!("{name}: not computed: {error}"));
                continue;
            }
        };
        if outputs.len() != expected.outputs.len() {
            wrong.push(format!("{name}: {} outputs", outputs.len()));
        }
        for (output, tensor) in outputs {
            match expected.outputs.get(&output) {
                Some(values) if is_close(&tensor, &values.tensor()) => {}
                _ => wrong.push(format!("{name}: `{output}` is {tensor:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn labels_come_from_the_graph() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forms");
    let labels = |name: &str| {
        let onnx = std::fs::read(folder.join(name)).unwrap();
        infer_onnx::describe(&onnx).unwrap().class_labels
    };
    let expected = ["red", "green", "blue"].map(str::to_owned).to_vec();
    let expected = BTreeMap::from([("scores".to_owned(), expected)]);
    assert_eq!(labels("maps.onnx"), expected);
    assert_eq!(labels("function.onnx"), BTreeMap::new());
}

/// A copy of `external.onnx`, whose weight `w` is in `weights.bin`, with that location and those entries.
fn with_weights_at(location: &str, entries: &[(&str, &str)]) -> Vec<u8> {
    let entry = |key: &str, value: &str| {
        let mut bytes = vec![0x0a, u8::try_from(key.len()).unwrap()];
        bytes.extend(key.as_bytes());
        bytes.extend([0x12, u8::try_from(value.len()).unwrap()]);
        bytes.extend(value.as_bytes());
        [&[0x6a, u8::try_from(bytes.len()).unwrap()][..], &bytes].concat()
    };
    let field = |tag: u8, content: &[u8]| {
        [&[tag, u8::try_from(content.len()).unwrap()][..], content].concat()
    };
    // dims [2], FLOAT, name `w`, external.
    let mut tensor = vec![0x08, 2, 0x10, 1, 0x42, 1, b'w', 0x70, 1];
    tensor.extend(entry("location", location));
    for (key, value) in entries {
        tensor.extend(entry(key, value));
    }
    let value = |tag: u8, name: &str| {
        // A FLOAT tensor of shape [2].
        let kind = [0x0a, 8, 0x08, 1, 0x12, 4, 0x0a, 2, 0x08, 2];
        field(
            tag,
            &[field(0x0a, name.as_bytes()), field(0x12, &kind)].concat(),
        )
    };
    let names = [
        field(0x0a, b"x"),
        field(0x0a, b"w"),
        field(0x12, b"y"),
        field(0x22, b"Mul"),
    ];
    let graph = [
        field(0x0a, &names.concat()),
        field(0x2a, &tensor),
        value(0x5a, "x"),
        value(0x62, "y"),
    ];
    [field(0x3a, &graph.concat()), vec![0x42, 2, 0x10, 17]].concat()
}

#[test]
fn weights_beside_the_graph_are_read() {
    let weights: Vec<u8> = [9f32, 2.0, 3.0]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    // (location, entries, the product with [10, 100] or a part of the error)
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Result<[f32; 2], &'a str>);
    let rows: [Row; 14] = [
        (
            "w.bin",
            &[("offset", "4"), ("length", "8")],
            Ok([20.0, 300.0]),
        ),
        ("w.bin", &[("offset", "4")], Ok([20.0, 300.0])),
        ("w.bin", &[("length", "8")], Ok([90.0, 200.0])),
        (
            "sub/w.bin",
            &[("length", "8"), ("checksum", "x")],
            Ok([90.0, 200.0]),
        ),
        ("./w.bin", &[("length", "8")], Ok([90.0, 200.0])),
        (
            "none.bin",
            &[],
            Err("the weight `w` is in the file `none.bin`, which is not beside `"),
        ),
        (
            "",
            &[],
            Err("the weight `w` is in ``, expected a path within the graph's folder"),
        ),
        (
            "../w.bin",
            &[],
            Err("the weight `w` is in `../w.bin`, expected a path within"),
        ),
        (
            "sub/../../w.bin",
            &[],
            Err("expected a path within the graph's folder"),
        ),
        (
            "/etc/passwd",
            &[],
            Err("expected a path within the graph's folder"),
        ),
        ("sub", &[], Err("which is not beside `")),
        (
            "w.bin",
            &[("offset", "-1")],
            Err("the offset `-1`, expected a number, in `w.bin`"),
        ),
        (
            "w.bin",
            &[("offset", "8"), ("length", "8")],
            Err("has 8 bytes at 8, expected at most the 12 of the file"),
        ),
        (
            "w.bin",
            &[("length", "18446744073709551615")],
            Err("expected at most the 12 of the file"),
        ),
    ];
    let mut wrong = Vec::new();
    for (location, entries, expected) in rows {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        std::fs::write(folder.path().join("w.bin"), &weights).unwrap();
        std::fs::write(folder.path().join("sub/w.bin"), &weights).unwrap();
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, with_weights_at(location, entries)).unwrap();
        let actual = infer_onnx::read_file(&path).map_err(|error| error.to_string());
        let product = actual.map(|onnx| {
            let graph = Graph::load(onnx).unwrap();
            let x = Values {
                datatype: "float32".to_owned(),
                shape: vec![2],
                values: vec![10.0, 100.0],
            };
            let outputs = graph.compute(vec![("x".to_owned(), x.tensor())]).unwrap();
            let (values, _) = outputs[0].1.data.as_chunks::<4>();
            [0, 1].map(|at| f32::from_le_bytes(values[at]))
        });
        let is_right = match (&product, expected) {
            (Ok(product), Ok(expected)) => *product == expected,
            (Err(error), Err(part)) => error.contains(part),
            _ => false,
        };
        if !is_right {
            wrong.push(format!("{location} {entries:?}: {product:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A hostile file is refused in words.
#[test]
fn forms_that_make_no_sense_are_refused() {
    let field = |tag: &[u8], content: &[u8]| {
        let mut bytes = tag.to_vec();
        let mut length = content.len();
        while length > 0x7f {
            bytes.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(content);
        bytes
    };
    let node = |operator: &str, domain: &str| {
        [
            field(&[0x0a], b"x"),
            field(&[0x12], b"y"),
            field(&[0x22], operator.as_bytes()),
            field(&[0x3a], domain.as_bytes()),
        ]
        .concat()
    };
    let function = |name: &str, calls: &[&str], version: u8| {
        let mut bytes = [field(&[0x0a], name.as_bytes()), field(&[0x52], b"f")].concat();
        bytes.extend([field(&[0x22], b"x"), field(&[0x2a], b"y")].concat());
        for call in calls {
            bytes.extend(field(&[0x3a], &node(call, "f")));
        }
        bytes.extend(field(&[0x4a], &[0x10, version]));
        field(&[0xca, 0x01], &bytes)
    };
    let model = |operator: &str, rest: &[u8]| {
        let graph = field(&[0x3a], &field(&[0x0a], &node(operator, "f")));
        [&graph, rest, &field(&[0x42], &[0x10, 17])].concat()
    };
    let sparse = |sizes: &[u8], index: u8| {
        let values = [
            &[0x08, 1, 0x10, 1][..],
            &field(&[0x4a], &1f32.to_le_bytes()),
        ]
        .concat();
        let indices = [0x08, 1, 0x10, 7, 0x3a, 1, index];
        let tensor = [
            field(&[0x0a], &values),
            field(&[0x12], &indices),
            sizes.to_vec(),
        ];
        field(&[0x3a], &field(&[0x7a], &tensor.concat()))
    };
    let many: Vec<String> = (0..20).map(|at| format!("f{at}")).collect();
    let multiplied: Vec<u8> = (0..20)
        .flat_map(|at| {
            let next = format!("f{}", at + 1);
            function(&many[at], &[&next, &next, &next], 17)
        })
        .collect();
    let rows = [
        (
            model("a", &function("a", &["a"], 17)),
            "nested more than 32 deep",
        ),
        (
            model(
                "a",
                &[function("a", &["b"], 17), function("b", &["a"], 17)].concat(),
            ),
            "nested more than 32 deep",
        ),
        (model("f0", &multiplied), "more than 500000 nodes"),
        (
            model("a", &function("a", &["b"], 18)),
            "its function `a` uses version 18 of the operator set `ai.onnx` and the model version 17",
        ),
        (
            sparse(&[0x18, 4], 4),
            "has a value at [4], outside its shape [4]",
        ),
        (
            sparse(&[0x18, 0xff, 0xff, 0xff, 0xff, 0x7f], 0),
            "expected at most 1073741824 bytes",
        ),
        (sparse(&[], 3), "outside its shape []"),
    ];
    let mut wrong = Vec::new();
    for (row, (onnx, part)) in rows.into_iter().enumerate() {
        let actual = infer_onnx::standard_form(onnx).map(|_| "converted");
        if !actual.as_ref().is_err_and(|error| error.contains(part)) {
            wrong.push(format!("{row}, expected {part:?}: {actual:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every prefix of a file, and a file with any of its bytes changed, is read or refused.
#[test]
fn a_damaged_form_never_panics() {
    for (_, path) in cases() {
        let whole = std::fs::read(path).unwrap();
        for position in 0..whole.len() {
            _ = infer_onnx::standard_form(whole[..position].to_vec());
            for change in [0x00, 0x01, 0x7f, 0xff] {
                let mut damaged = whole.clone();
                damaged[position] = change;
                _ = infer_onnx::standard_form(damaged);
            }
        }
    }
}
