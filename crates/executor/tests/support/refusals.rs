//! Table tests of nodes that are refused, when they are built or when they run.

use infer_executor::Tensor;

use super::{Value, run_in};

/// An operator, its version, its attributes, its inputs, and its error; none when it computes.
pub type Case = (
    &'static str,
    i64,
    Vec<(&'static str, Value)>,
    Vec<Option<Tensor>>,
    Option<&'static str>,
);

/// Runs a node of that domain for each case; panics with all whose error differs. `outputs` tells the outputs that are used.
pub fn check(domain: &str, outputs: &[bool], cases: impl IntoIterator<Item = Case>) {
    let mut failures = Vec::new();
    for (row, (op_type, version, attributes, inputs, expected)) in cases.into_iter().enumerate() {
        let actual = std::panic::catch_unwind(|| {
            run_in(domain, op_type, version, &attributes, outputs, &inputs)
        });
        let actual = actual.unwrap_or_else(|_| Err("PANIC".to_owned())).err();
        if actual.as_deref() != expected {
            failures.push(format!(
                "{row} {op_type}: actual {actual:?}, expected {expected:?}"
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// FP32 zeros of a shape.
pub fn zeros(shape: &[usize]) -> Option<Tensor> {
    Some(Tensor::of(shape, vec![0f32; shape.iter().product()]).unwrap())
}

/// A tensor without elements, whose sizes may have a product that no number holds.
pub fn none(shape: &[usize]) -> Option<Tensor> {
    Some(Tensor::of(shape, Vec::<f32>::new()).unwrap())
}
