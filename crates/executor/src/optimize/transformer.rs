//! Gelu and LayerNormalization, which exporters write as several operators where their version of ONNX has no operator
//! of that name.

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use rten_onnx::onnx::AttributeProto;

use super::fusion::{Fused, Fusion};
use super::pattern::{Match, OpPattern, Pattern, any, constant, one_of, onnx, scalar};
use crate::error::Result;
use crate::ir::{Network, Node, OnnxNode};

/// The fusions of this file.
pub(super) fn fusions() -> [Fusion<'static>; 4] {
    let [a, b, c] = gelus().map(|pattern| Fusion::new(pattern.named("last"), "last", gelu));
    let layer_norm = Fusion::new(layer_norm_pattern().named("last"), "last", layer_norm);
    [a, b, c, layer_norm]
}

/// `0.5 * x * (1 + erf(x / sqrt(2)))`, with the factors in the three orders that exporters write.
fn gelus() -> [OpPattern; 3] {
    let gate = || -> Pattern {
        let scaled = one_of([
            onnx("Div", [any("x"), scalar(SQRT_2)]).into(),
            onnx("Mul", [any("x"), scalar(FRAC_1_SQRT_2)]).into(),
        ]);
        onnx("Add", [onnx("Erf", [scaled]).into(), scalar(1.0)]).into()
    };
    let mul = |a: Pattern, b: Pattern| onnx("Mul", [a, b]);
    [
        mul(mul(any("x"), scalar(0.5)).into(), gate()),
        mul(mul(any("x"), gate()).into(), scalar(0.5)),
        mul(any("x"), mul(gate(), scalar(0.5)).into()),
    ]
}

fn gelu(found: &Match<'_>, _: &mut Network) -> Result<Option<Fused>> {
    Ok(found
        .value("x")
        .map(|x| Fused::new(OnnxNode::new("Gelu", 20), [x])))
}

/// `(x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon) * scale + bias` with means along the last axis.
fn layer_norm_pattern() -> OpPattern {
    let mean = |of: Pattern| -> Pattern {
        let mean = onnx("ReduceMean", [of]);
        mean.with_more_inputs().when(is_of_last_axis).into()
    };
    let centered = onnx("Sub", [any("x"), mean(any("x"))]).named("centered");
    let square = one_of([
        onnx("Pow", [any("centered"), scalar(2.0)]).into(),
        onnx("Mul", [any("centered"), any("centered")]).into(),
    ]);
    let variance = onnx("Add", [mean(square), constant("epsilon")]);
    let deviation = onnx("Sqrt", [variance.into()]);
    let normal = onnx("Div", [centered.into(), deviation.into()]);
    let scaled = onnx("Mul", [normal.into(), constant("scale")]);
    onnx("Add", [scaled.into(), constant("bias")])
}

/// Whether a ReduceMean is along the last axis, which it keeps with size 1.
fn is_of_last_axis(mean: &Node, network: &Network) -> bool {
    let Some(attributes) = mean.op.onnx().map(OnnxNode::attributes) else {
        return false;
    };
    let axes = match mean.input(1) {
        Some(axes) => network
            .constants
            .get(&axes)
            .and_then(|axes| axes.to_i64().ok()),
        None => attributes.ints("axes").map(<[i64]>::to_vec),
    };
    axes.is_some_and(|axes| axes == [-1]) && attributes.flag("keepdims", true)
}

fn layer_norm(found: &Match<'_>, network: &mut Network) -> Result<Option<Fused>> {
    let (Some(x), Some(scale), Some(bias)) =
        (found.value("x"), found.value("scale"), found.value("bias"))
    else {
        return Ok(None);
    };
    let Some(epsilon) = found.value("epsilon").and_then(|id| network.scalar(id)) else {
        return Ok(None);
    };
    // Vectors as long as the axis, so that the result has no dimension that `x` has not.
    let length = |id| {
        let tensor = network.constants.get(&id)?;
        tensor.elements::<f32>().ok()?;
        (tensor.rank() == 1).then(|| tensor.len())
    };
    if length(scale).is_none() || length(scale) != length(bias) {
        return Ok(None);
    }
    let op = OnnxNode::new("LayerNormalization", 17).with([AttributeProto {
        name: Some("epsilon".to_owned()),
        f: Some(epsilon),
        ..AttributeProto::default()
    }]);
    Ok(Some(Fused::new(op, [x, scale, bias])))
}
