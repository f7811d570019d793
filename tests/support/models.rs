//! A model repository for the tests of protocols.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// A repository with the digits model, `add`, and an identity of each datatype that the engine
/// carries. Its place stays the same, so that it is built once; and it is written once, since the tests
/// of one program run side by side and a service may be reading it.
pub static REPOSITORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let repository = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("protocol-models");
    let digits = super::root().join("models/digits");
    let labels = std::fs::read(digits.join("labels.txt")).unwrap();
    let card = std::fs::read_to_string(digits.join("model.toml")).unwrap();
    add(&repository, "digits", &digits.join("model.onnx"), &card);
    std::fs::write(repository.join("digits/labels.txt"), labels).unwrap();
    let graphs = super::root().join("crates/engine/tests/graphs");
    for datatype in ["BOOL", "FP16", "FP32", "INT32", "INT64", "UINT8"] {
        let name = format!("identity-{}", datatype.to_lowercase());
        let card =
            tensor("input", "x", datatype, "[-1]") + &tensor("output", "y", datatype, "[-1]");
        add(
            &repository,
            &name,
            &graphs.join(format!("{name}.onnx")),
            &card,
        );
    }
    let card = tensor("input", "a", "FP32", "[-1, 2]")
        + &tensor("input", "b", "FP32", "[-1, 2]")
        + &tensor("output", "sum", "FP32", "[-1, 2]");
    add(&repository, "add", &graphs.join("add.onnx"), &card);
    repository
});

fn tensor(section: &str, name: &str, datatype: &str, shape: &str) -> String {
    format!("[[{section}]]\nname = \"{name}\"\ndatatype = \"{datatype}\"\nshape = {shape}\n")
}

fn add(repository: &Path, name: &str, graph: &Path, card: &str) {
    let folder = repository.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(graph, folder.join("model.onnx")).unwrap();
    std::fs::write(folder.join("model.toml"), card).unwrap();
}
