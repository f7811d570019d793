//! Model repositories for the tests.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// A repository with the digits model, `add`, and an identity of each datatype that the engine supports. Its path is
/// fixed, so that it is built only once. It is written once, because a service of another test may be reading it.
pub static REPOSITORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let repository = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("protocol-models");
    digits(&repository, "digits", "");
    for datatype in ["BOOL", "FP16", "FP32", "INT32", "INT64", "UINT8"] {
        identity(&repository, datatype, "");
    }
    sum(&repository);
    repository
});

/// Add the digits model under a name; its card is prefixed with `card`.
pub fn digits(repository: &Path, name: &str, card: &str) {
    let source = super::root().join("models/digits");
    let rest = std::fs::read_to_string(source.join("model.toml")).unwrap();
    let labels = std::fs::read(source.join("labels.txt")).unwrap();
    add(
        repository,
        name,
        &source.join("model.onnx"),
        &(card.to_owned() + &rest),
    );
    std::fs::write(repository.join(name).join("labels.txt"), labels).unwrap();
}

/// Add `identity-<datatype>`, whose output `y` is its input `x`; its card is prefixed with `card`.
pub fn identity(repository: &Path, datatype: &str, card: &str) {
    let name = format!("identity-{}", datatype.to_lowercase());
    let card = card.to_owned()
        + &tensor("input", "x", datatype, "[-1]")
        + &tensor("output", "y", datatype, "[-1]");
    add(
        repository,
        &name,
        &graphs().join(format!("{name}.onnx")),
        &card,
    );
}

/// Add the model `add`, whose output `sum` is `a` + `b`.
pub fn sum(repository: &Path) {
    let card = tensor("input", "a", "FP32", "[-1, 2]")
        + &tensor("input", "b", "FP32", "[-1, 2]")
        + &tensor("output", "sum", "FP32", "[-1, 2]");
    add(repository, "add", &graphs().join("add.onnx"), &card);
}

fn graphs() -> PathBuf {
    super::root().join("crates/engine/tests/graphs")
}

fn tensor(section: &str, name: &str, datatype: &str, shape: &str) -> String {
    format!("[[{section}]]\nname = \"{name}\"\ndatatype = \"{datatype}\"\nshape = {shape}\n")
}

fn add(repository: &Path, name: &str, graph: &Path, card: &str) {
    let folder = repository.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(graph, folder.join("model.onnx")).unwrap();
    std::fs::write(folder.join("model.toml"), card).unwrap();
}
