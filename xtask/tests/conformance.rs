//! `cargo xtask conformance`: cases with each kind of result, and the table that the command writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// The root of the checkout.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The standard output of the command, or the last line of its standard error if it failed.
fn run(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .current_dir(root())
        .arg("conformance")
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        let stderr = text(&output.stderr);
        Err(stderr.lines().last().unwrap_or_default().to_owned())
    }
}

/// An empty folder with a fixed path, so its models are built once.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A tensor of a case: name, dtype, shape and bytes.
type Tensor<'a> = (&'a str, &'a str, &'a [u64], Vec<u8>);

/// Write a case with one of the engine's test graphs.
fn case(cases: &Path, name: &str, graph: &str, inputs: &[Tensor], outputs: &[Tensor]) {
    let folder = cases.join(name);
    fs::create_dir_all(&folder).unwrap();
    let graphs = root().join("crates/engine/tests/graphs");
    fs::copy(graphs.join(graph), folder.join("model.onnx")).unwrap();
    let entries = |kind: &str, tensors: &[Tensor]| -> Vec<Value> {
        let entry = |(at, (name, dtype, shape, data)): (usize, &Tensor)| {
            let file = format!("{kind}{at}.bin");
            fs::write(folder.join(&file), data).unwrap();
            json!({"name": name, "dtype": dtype, "shape": shape, "file": file})
        };
        tensors.iter().enumerate().map(entry).collect()
    };
    let case = json!({"inputs": entries("inputs", inputs), "outputs": entries("outputs", outputs)});
    fs::write(folder.join("case.json"), case.to_string()).unwrap();
}

fn floats(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// Write a case for `a` + `b`, with the sum that it expects.
fn sum(cases: &Path, name: &str, shape: &[u64], values: &[f32], sum: &[f32]) {
    let input = |name| (name, "float32", shape, floats(values));
    let output = ("sum", "float32", shape, floats(sum));
    case(
        cases,
        name,
        "add.onnx",
        &[input("a"), input("b")],
        &[output],
    );
}

/// Write a case for an identity, whose input and expected output are the same.
fn identity(cases: &Path, name: &str, dtype: &str, bytes: &[u8], count: u64) {
    let graph = match dtype {
        "bfloat16" => "identity-bf16.onnx",
        "float16" => "identity-fp16.onnx",
        "bool" => "identity-bool.onnx",
        "int8" => "identity-int8.onnx",
        _ => "identity-int64.onnx",
    };
    let shape = &[count];
    let tensor = |name| (name, dtype, shape.as_slice(), bytes.to_vec());
    case(cases, name, graph, &[tensor("x")], &[tensor("y")]);
}

fn write_cases(cases: &Path) {
    sum(cases, "test_add", &[1, 2], &[1.0, 2.0], &[2.0, 4.003]);
    sum(cases, "test_add_wrong", &[1, 2], &[1.0, 2.0], &[2.0, 4.1]);
    sum(cases, "test_add_wide", &[1, 3], &[1.0; 3], &[2.0; 3]);
    sum(cases, "test_add_expanded", &[1, 2], &[0.5; 2], &[1.0; 2]);
    let large = i64::MAX.to_le_bytes();
    identity(cases, "int64", "int64", &large, 1);
    identity(cases, "bf16", "bfloat16", &[0x80, 0x3f], 1);
    identity(cases, "bool", "bool", &[1, 0], 2);
    identity(cases, "none", "float16", &[], 0);
    identity(cases, "int8", "int8", &[1], 1);
    let [x, y] = ["x", "y"].map(|name| (name, "float32", &[1][..], floats(&[1.0])));
    case(cases, "nobody-has-it", "unknown-operator.onnx", &[x], &[y]);
    identity(cases, "damaged", "int64", &large, 1);
    fs::write(cases.join("damaged/model.onnx"), [0xff; 64]).unwrap();
    identity(cases, "without-a-file", "int64", &large, 1);
    fs::remove_file(cases.join("without-a-file/outputs0.bin")).unwrap();
    fs::create_dir(cases.join("without-anything")).unwrap();
    // Neither is a case.
    fs::write(cases.join("README.md"), "cases").unwrap();
    fs::create_dir(cases.join(".hidden")).unwrap();
}

const TABLE: &str = "\
6 of 13 cases pass, all in 1 of the 5 rows. Of the others: 2 incomplete, 1 not answered, 3 not loaded, 1 with wrong values.

| operator | cases | passed | what fails |
| --- | --- | --- | --- |
| (unknown) | 3 | 0 | 2 incomplete (`without-a-file`: cannot read `outputs0.bin`: No such file or directory (os error 2)); 1 not loaded (`damaged`: not a readable ONNX file of 64 bytes: it has a number of more than ten bytes) |
| Add | 3 | 1 | 1 not answered (`test_add_wide`: 400, input `a`: shape [1, 3] does not fit [-1, 2] (-1 is any size)); 1 with wrong values (`test_add_wrong`: `sum` is 4 at 1, expected 4.099999904632568) |
| Add (expanded) | 1 | 1 |  |
| Frobnicate | 1 | 0 | 1 not loaded (`nobody-has-it`: 501, the model cannot be loaded: node `second` (Frobnicate): operator `Frobnicate` of `ai.onnx` version 17 is not supported by the WebAssembly engine; a native backend may run it) |
| Identity | 5 | 4 | 1 not loaded (`int8`: [[input]] `x`: wasi-nn has no INT8 tensors) |
";

fn page(table: &str) -> String {
    let mark = |which| format!("<!-- {which}: written by `cargo xtask conformance` -->");
    format!(
        "By hand.\n\n{}\n\n{table}\n{}\n\nMore.\n",
        mark("begin"),
        mark("end")
    )
}

#[test]
fn each_kind_of_failure_is_reported() {
    let cases = folder("conformance-cases");
    write_cases(&cases);
    let cases = cases.to_str().unwrap();
    let file = folder("conformance-table").join("table.md");
    fs::write(&file, page("Old.\n")).unwrap();
    let table = run(&[cases, "--write", file.to_str().unwrap(), "--at-least", "6"]).unwrap();
    assert_eq!(table, TABLE);
    assert_eq!(fs::read_to_string(&file).unwrap(), page(TABLE));
    assert_eq!(
        run(&[cases, "--at-least", "14"]).unwrap_err(),
        "error: 6 of 13 cases pass, expected at least 14"
    );
}

#[test]
fn incomplete_cases_have_reasons() {
    let bytes = 7_i64.to_le_bytes();
    // Damage to a complete case, and the reason in the table.
    type Damage = fn(&Path);
    let cases: [(&str, &str, u64, Damage, &str); 6] = [
        (
            "dtype",
            "complex64",
            1,
            |_| (),
            "the dtype of `x` is `complex64`, expected one of bool, uint8, uint16, uint32, \
          uint64, int8, int16, int32, int64, float16, bfloat16, float32, float64",
        ),
        (
            "size",
            "int64",
            2,
            |_| (),
            "`inputs0.bin` has 8 bytes, which do not fit int64 of shape [2]",
        ),
        (
            "huge",
            "int64",
            u64::MAX,
            |_| (),
            "`inputs0.bin` has 8 bytes, which do not fit int64 of shape \
          [18446744073709551615]",
        ),
        (
            "a name",
            "int64",
            1,
            |_| (),
            "`a name` is not a model name or version: expected one or more of A-Z, a-z, 0-9, \
          `.`, `_` and `-`",
        ),
        (
            "keys",
            "int64",
            1,
            |case| fs::write(case.join("case.json"), "{}").unwrap(),
            "`case.json` does not describe a case: missing field `inputs` at line 1 column 2",
        ),
        (
            "graph",
            "int64",
            1,
            |case| fs::remove_file(case.join("model.onnx")).unwrap(),
            "cannot read `model.onnx`: No such file or directory (os error 2)",
        ),
    ];
    let mut wrong = Vec::new();
    for (name, dtype, count, damage, expected) in cases {
        let folder = folder("conformance-incomplete");
        identity(&folder, name, dtype, &bytes, count);
        damage(&folder.join(name));
        let table = run(&[folder.to_str().unwrap()]).unwrap();
        let row = format!("| (unknown) | 1 | 0 | 1 incomplete (`{name}`: {expected}) |");
        if table.lines().last() != Some(row.as_str()) {
            wrong.push(format!("{table}\nexpected {row}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn folder_without_cases_is_an_error() {
    let empty = folder("conformance-none");
    let path = empty.to_str().unwrap();
    assert_eq!(
        run(&[path]).unwrap_err(),
        format!("error: `{path}` has no case: expected folders with `model.onnx` and `case.json`")
    );
    assert_eq!(
        run(&[&format!("{path}/not-there")]).unwrap_err(),
        format!("error: cannot read `{path}/not-there`: No such file or directory (os error 2)")
    );
}
