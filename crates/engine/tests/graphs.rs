//! Graphs with one property each (`graphs/`): what is computed, and what is refused, word by word.

use std::path::{Path, PathBuf};

use infer_engine::{Error, ErrorKind, Graph, Registry, Tensor};
use infer_onnx::describe;
use infer_tensor::Datatype;

fn bytes(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/graphs");
    std::fs::read(folder.join(format!("{name}.onnx"))).unwrap()
}

fn graph(name: &str) -> Graph {
    Graph::load(bytes(name)).unwrap()
}

fn tensor<T: Copy, const N: usize>(
    datatype: Datatype,
    shape: &[u32],
    values: &[T],
    to_bytes: fn(T) -> [u8; N],
) -> Tensor {
    Tensor {
        datatype,
        shape: shape.to_vec(),
        data: values.iter().flat_map(|value| to_bytes(*value)).collect(),
    }
}

fn floats(shape: &[u32], values: &[f32]) -> Tensor {
    tensor(Datatype::Fp32, shape, values, f32::to_le_bytes)
}

fn longs(values: &[i64]) -> Tensor {
    let length = u32::try_from(values.len()).unwrap();
    tensor(Datatype::Int64, &[length], values, i64::to_le_bytes)
}

fn compute(name: &str, inputs: Vec<(&str, Tensor)>) -> Result<Vec<(String, Tensor)>, Error> {
    let inputs = inputs
        .into_iter()
        .map(|(name, tensor)| (name.to_owned(), tensor))
        .collect();
    graph(name).compute(inputs)
}

#[test]
fn every_datatype_comes_back_to_the_bit() {
    let halves: Vec<half::f16> = [
        0x0000, 0x8000, 0x0001, 0x03ff, 0x0400, 0x3c00, 0x7bff, 0xfbff, 0x7c00,
    ]
    .map(half::f16::from_bits)
    .to_vec();
    let cases = [
        (
            "fp32",
            floats(&[4], &[0.0, -0.0, f32::MIN_POSITIVE, f32::INFINITY]),
        ),
        (
            "fp16",
            tensor(Datatype::Fp16, &[9], &halves, half::f16::to_le_bytes),
        ),
        (
            "bf16",
            tensor(Datatype::Bf16, &[2], &[0x3f80, 0xff7f], u16::to_le_bytes),
        ),
        (
            "fp64",
            tensor(
                Datatype::Fp64,
                &[2],
                &[f64::MIN_POSITIVE, f64::MAX],
                f64::to_le_bytes,
            ),
        ),
        (
            "uint8",
            tensor(Datatype::Uint8, &[4], &[0, 1, 128, 255], |value: u8| {
                [value]
            }),
        ),
        (
            "int32",
            tensor(
                Datatype::Int32,
                &[3],
                &[i32::MIN, 0, i32::MAX],
                i32::to_le_bytes,
            ),
        ),
        (
            "int64",
            longs(&[i64::MIN, i64::from(i32::MIN), -1, 0, i64::MAX]),
        ),
        (
            "bool",
            tensor(Datatype::Bool, &[3], &[1, 0, 1], |value: u8| [value]),
        ),
        ("fp32", floats(&[0], &[])),
        ("int64", longs(&[])),
    ];
    let wrong: Vec<_> = cases
        .into_iter()
        .filter_map(|(kind, input)| {
            let actual = compute(&format!("identity-{kind}"), vec![("x", input.clone())]);
            let expected = Ok(vec![("y".to_owned(), input)]);
            (actual != expected).then(|| format!("{kind}: {actual:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// wasi:nn has no BOOL, so that a guest's tensor is UINT8 and the graph's output is BOOL.
#[test]
fn a_guest_sends_bool_as_uint8() {
    let flags = |datatype| tensor(datatype, &[3], &[1, 0, 1], |value: u8| [value]);
    let actual = compute("identity-bool", vec![("x", flags(Datatype::Uint8))]);
    assert_eq!(actual, Ok(vec![("y".to_owned(), flags(Datatype::Bool))]));
}

#[test]
fn inputs_are_found_by_name_and_defaults_are_kept() {
    let (a, b) = (floats(&[1, 2], &[1.0, 2.0]), floats(&[1, 2], &[3.0, 5.0]));
    let sum = compute("add", vec![("b", b), ("a", a.clone())]).unwrap();
    assert_eq!(sum, [("sum".to_owned(), floats(&[1, 2], &[4.0, 7.0]))]);
    let sum = compute("add-default", vec![("a", a)]).unwrap();
    assert_eq!(sum, [("sum".to_owned(), floats(&[1, 2], &[11.0, 22.0]))]);
    let same = compute("equal", vec![("a", longs(&[1, 2])), ("b", longs(&[1, 3]))]).unwrap();
    assert_eq!(
        same,
        [(
            "same".to_owned(),
            tensor(Datatype::Bool, &[2], &[1, 0], |value: u8| [value])
        )]
    );
    let sum = compute("sum", vec![("x", floats(&[3], &[1.0, 2.0, 4.0]))]).unwrap();
    assert_eq!(
        sum,
        [("y".to_owned(), floats(&[], &[7.0]))],
        "a scalar has no dimensions"
    );
}

#[test]
fn tensors_that_do_not_fit_are_refused_in_words() {
    use ErrorKind::InvalidArgument;
    let x = |tensor| vec![("x", tensor)];
    let odd = Tensor {
        datatype: Datatype::Fp32,
        shape: vec![2],
        data: vec![0; 7],
    };
    let endless = Tensor {
        datatype: Datatype::Fp32,
        shape: vec![u32::MAX; 8],
        data: vec![],
    };
    let pair = || floats(&[1, 2], &[1.0, 2.0]);
    type Inputs = Vec<(&'static str, Tensor)>;
    let cases: Vec<(&str, Inputs, ErrorKind, &str)> = vec![
        (
            "identity-fp32",
            x(odd),
            InvalidArgument,
            "input `x` has 7 bytes of data, expected 8 for shape [2] in FP32",
        ),
        (
            "identity-fp32",
            x(endless),
            InvalidArgument,
            "input `x` has 0 bytes of data, expected more than memory has for shape [4294967295, 4294967295, \
             4294967295, 4294967295, 4294967295, 4294967295, 4294967295, 4294967295] in FP32",
        ),
        (
            "identity-fp32",
            x(longs(&[1])),
            InvalidArgument,
            "input `x` has datatype INT64, expected FP32",
        ),
        (
            "identity-int32",
            x(tensor(Datatype::Fp64, &[1], &[1.0], f64::to_le_bytes)),
            InvalidArgument,
            "input `x` has datatype FP64, expected INT32",
        ),
        (
            "identity-bool",
            x(tensor(Datatype::Uint8, &[2], &[1, 2], |value: u8| [value])),
            InvalidArgument,
            "input `x` is BOOL, one byte 0 or 1 each, but the byte at index 1 is 2",
        ),
        (
            "add",
            vec![("a", pair())],
            InvalidArgument,
            "input `b` is missing; the graph needs `a`, `b`",
        ),
        (
            "add",
            vec![],
            InvalidArgument,
            "input `a` is missing; the graph needs `a`, `b`",
        ),
        (
            "add",
            vec![("a", pair()), ("b", pair()), ("c", pair())],
            InvalidArgument,
            "there is no input `c`; the graph has `a`, `b`",
        ),
        (
            "add",
            vec![("a", pair()), ("a", pair())],
            InvalidArgument,
            "input `a` is there twice",
        ),
        (
            "add-default",
            vec![("a", pair()), ("b", pair())],
            InvalidArgument,
            "there is no input `b`; the graph has `a`",
        ),
        (
            "add",
            vec![("a", floats(&[2], &[1.0, 2.0])), ("b", pair())],
            InvalidArgument,
            "input `a` has shape [2], expected [n, 2]",
        ),
        (
            "add",
            vec![("a", pair()), ("b", floats(&[1, 3], &[0.0; 3]))],
            InvalidArgument,
            "input `b` has shape [1, 3], expected [n, 2]",
        ),
        (
            "add",
            vec![
                ("a", floats(&[3, 2], &[0.0; 6])),
                ("b", floats(&[2, 2], &[0.0; 4])),
            ],
            InvalidArgument,
            "the graph cannot be computed: Add: the shapes [[3, 2], [2, 2]] cannot be broadcast",
        ),
        (
            "thirds",
            x(floats(&[4], &[0.0; 4])),
            InvalidArgument,
            "the graph cannot be computed: node `thirds` (Reshape): [4] cannot be reshaped to [3, -1]",
        ),
    ];
    let wrong: Vec<_> = cases
        .into_iter()
        .filter_map(|(name, inputs, kind, message)| {
            let actual = compute(name, inputs);
            let is_right = actual
                .as_ref()
                .is_err_and(|error| error.kind() == kind && error.message().starts_with(message));
            (!is_right).then(|| format!("{name}, expected {message:?}: {actual:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn models_that_cannot_run_are_refused_in_words() {
    use ErrorKind::{InvalidEncoding, UnsupportedOperation};
    let mut cut_off = bytes("add-default");
    cut_off.truncate(cut_off.len() - 9);
    let cases: Vec<(&str, Vec<u8>, ErrorKind, String)> = vec![
        (
            "empty",
            vec![],
            InvalidEncoding,
            "not a readable ONNX file of 0 bytes: it is empty".to_owned(),
        ),
        (
            "text",
            b"This is a text.".to_vec(),
            InvalidEncoding,
            "not a readable ONNX file of 15 bytes: ".to_owned(),
        ),
        (
            "zeros",
            vec![0; 64],
            InvalidEncoding,
            "not a readable ONNX file of 64 bytes: ".to_owned(),
        ),
        (
            "cut off",
            cut_off,
            InvalidEncoding,
            "not a readable ONNX file of ".to_owned(),
        ),
        (
            "unknown operator",
            bytes("unknown-operator"),
            UnsupportedOperation,
            "the model cannot be loaded: node `second` (Frobnicate): operator `Frobnicate` of `ai.onnx` version 17 is not supported by the WebAssembly engine; a native backend may run it"
                .to_owned(),
        ),
        (
            "external data",
            bytes("external"),
            UnsupportedOperation,
            "weight `w` is in another file, `weights.bin`, which is not here; save the model in one file"
                .to_owned(),
        ),
        (
            "sequence",
            bytes("sequence"),
            UnsupportedOperation,
            "`s` is not a tensor (a sequence, an optional or a map), which wasi-nn does not support".to_owned(),
        ),
        ("int8", bytes("identity-int8"), UnsupportedOperation, "tensor `x` is INT8".to_owned()),
        ("string", bytes("identity-string"), UnsupportedOperation, "tensor `x` is BYTES".to_owned()),
    ];
    let wrong: Vec<_> = cases
        .into_iter()
        .filter_map(|(name, onnx, kind, message)| {
            let actual = Graph::load(onnx).map(|_| "it was loaded");
            let is_right = actual
                .as_ref()
                .is_err_and(|error| error.kind() == kind && error.message().starts_with(&message));
            (!is_right).then(|| format!("{name}, expected {message:?}: {actual:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_says_what_it_is_made_of() {
    let summary = describe(&bytes("unknown-operator")).unwrap().summary;
    assert_eq!(summary.opsets, [(String::new(), 17)]);
    let operators: Vec<_> = summary
        .operators
        .iter()
        .map(|(name, count)| (name.as_str(), *count))
        .collect();
    assert_eq!(operators, [("Frobnicate", 1), ("Relu", 1)]);
    assert_eq!(summary.last_operators, ["Frobnicate"]);
    let summary = describe(&bytes("tokens")).unwrap().summary;
    assert_eq!(summary.last_operators, ["Cast", "ReduceMean"]);
    let metadata: Vec<(&str, &str)> = summary
        .metadata
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        metadata,
        [("task", "mean"), ("names", "{0: 'a',\n 1: 'b'}")]
    );
    for nothing in [&b""[..], b"garbage"] {
        let error = describe(nothing).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidEncoding);
    }
}

/// A file with any of its bytes changed is loaded or refused; nothing else happens.
#[test]
fn a_damaged_file_never_panics() {
    for (name, changes) in [
        ("add-default", [0x00, 0x7f, 0xff].as_slice()),
        ("tokens", &[0x00, 0xff]),
        ("thirds", &[0x01, 0x80]),
    ] {
        let whole = bytes(name);
        for position in 0..whole.len() {
            for &change in changes {
                let mut damaged = whole.clone();
                damaged[position] = change;
                _ = describe(&damaged);
                if let Ok(graph) = Graph::load(damaged) {
                    let inputs = || vec![("a".to_owned(), floats(&[1, 2], &[1.0, 2.0]))];
                    _ = graph.compute(inputs());
                    _ = graph.profile(inputs(), 1);
                }
            }
        }
    }
}

#[test]
fn graphs_are_found_by_name_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let mounted: PathBuf = folder.path().join("large");
    std::fs::create_dir(&mounted).unwrap();
    std::fs::write(mounted.join("model.onnx"), bytes("add")).unwrap();
    std::fs::write(folder.path().join("secret"), "not a model").unwrap();

    let mut registry = Registry::new();
    let info = registry.add("small", bytes("sum")).unwrap();
    assert_eq!(info.inputs[0].sizes(), Some(vec![-1]));
    assert_eq!(info.inputs[0].datatype_name(), "FP32");
    registry.mount("large").unwrap();
    registry.mount("gone").unwrap();
    for name in [
        "",
        ".",
        "..",
        "../secret",
        "a/..",
        "a/",
        "/a",
        "a/b/c",
        "a b",
        "ä",
    ] {
        let error = registry.mount(name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{name}");
        assert!(registry.add(name, bytes("sum")).is_err(), "{name}");
    }
    assert!(registry.get("small", folder.path()).is_ok());
    assert!(registry.get("large", folder.path()).is_ok());
    let cases = [
        (
            "gone",
            "graph `gone` is not in the mounted model repository: entity not found",
        ),
        (
            "secret",
            "there is no graph `secret`; there are: gone, large, small",
        ),
        (
            "../secret",
            "there is no graph `../secret`; there are: gone, large, small",
        ),
        ("", "there is no graph ``; there are: gone, large, small"),
    ];
    for (name, message) in cases {
        let error = registry.get(name, folder.path()).map(drop).unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::NotFound, message)
        );
    }
}
