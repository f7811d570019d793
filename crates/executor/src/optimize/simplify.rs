//! Operators that exporters write in another form than the one that has a kernel or a layout.

use super::fusion::{Fused, Fusion};
use super::pattern::{any, onnx};
use crate::ir::OnnxNode;

/// The fusions of this file.
pub(super) fn fusions() -> [Fusion<'static>; 2] {
    // A sum of two is what residual connections of older exporters are.
    let sum = onnx("Sum", [any("a"), any("b")]).named("sum");
    let add = Fusion::new(sum, "sum", |found, _| {
        let operands = found.value("a").zip(found.value("b"));
        Ok(operands.map(|(a, b)| Fused::new(OnnxNode::new("Add", 14), [a, b])))
    });
    // `x * sigmoid(x)`, which ONNX has no operator for before version 24.
    let product = onnx("Mul", [any("x"), onnx("Sigmoid", [any("x")]).into()]).named("product");
    let swish = Fusion::new(product, "product", |found, _| {
        let x = found.value("x");
        Ok(x.map(|x| Fused::new(OnnxNode::new("Swish", 24), [x])))
    });
    [add, swish]
}
