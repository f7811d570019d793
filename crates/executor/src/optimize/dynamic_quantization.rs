//! Products of dynamic quantization, which quantizers write as DynamicQuantizeLinear, MatMulInteger, Cast, Mul by the scales
//! and Add of the bias: all but the first become ONNX Runtime's MatMulIntegerToFloat.

use super::fusion::{Fused, Fusion};
use super::pattern::{Match, any, constant, onnx, optimized};
use crate::error::Result;
use crate::ir::{Network, Node, OnnxNode, Op, ValueId};

/// FP32 in ONNX's `TensorProto.DataType`.
const FLOAT: i64 = 1;

/// The fusions of this file.
pub(super) fn fusions() -> [Fusion<'static>; 2] {
    let is_to_float = |cast: &Node, _: &Network| {
        let attributes = cast.op.onnx().map(OnnxNode::attributes);
        attributes.is_some_and(|attributes| attributes.int("to", 0) == FLOAT)
    };
    let product = onnx("MatMulInteger", [any("a"), constant("b")]);
    let product = product.with_more_inputs().named("product");
    let scaled = onnx(
        "Mul",
        [
            onnx("Cast", [product.into()]).when(is_to_float).into(),
            onnx("Mul", [any("a_scale"), constant("b_scale")]).into(),
        ],
    );
    let biased = onnx(
        "Add",
        [
            optimized(is_scaled_product, [])
                .with_more_inputs()
                .named("scaled")
                .into(),
            constant("bias"),
        ],
    );
    [
        Fusion::new(scaled, "product", scaled_product),
        Fusion::new(biased, "scaled", with_bias),
    ]
}

fn is_scaled_product(op: &Op) -> bool {
    op.onnx().is_some_and(|onnx| {
        onnx.op_type == "MatMulIntegerToFloat" && onnx.domain == "com.microsoft"
    })
}

fn matmul_integer_to_float() -> OnnxNode {
    OnnxNode {
        domain: "com.microsoft".to_owned(),
        ..OnnxNode::new("MatMulIntegerToFloat", 1)
    }
}

/// Whether a constant is a vector of that many FP32 values, or one value if `may_be_one`.
fn is_of_columns(network: &Network, id: ValueId, columns: usize, may_be_one: bool) -> bool {
    network.constants.get(&id).is_some_and(|tensor| {
        tensor.elements::<f32>().is_ok()
            && (tensor.shape() == [columns] || may_be_one && tensor.rank() < 2 && tensor.len() == 1)
    })
}

/// The number of columns of a constant matrix.
fn columns(network: &Network, matrix: ValueId) -> Option<usize> {
    match network.constants.get(&matrix)?.shape() {
        &[_, columns] => Some(columns),
        _ => None,
    }
}

fn scaled_product(found: &Match<'_>, network: &mut Network) -> Result<Option<Fused>> {
    let (Some(a), Some(b), Some(a_scale), Some(b_scale)) = (
        found.value("a"),
        found.value("b"),
        found.value("a_scale"),
        found.value("b_scale"),
    ) else {
        return Ok(None);
    };
    let zeros = found.node("product");
    let zeros = zeros.and_then(|product| Some([product.input(2)?, product.input(3)?]));
    let Some([a_zero, b_zero]) = zeros else {
        return Ok(None);
    };
    // The scale and the zero point of A are then scalars.
    let quantize = found
        .producer(a)
        .filter(|node| node.is("DynamicQuantizeLinear"));
    let is_dynamic =
        quantize.is_some_and(|node| node.outputs == [Some(a), Some(a_scale), Some(a_zero)]);
    let fits =
        columns(network, b).is_some_and(|columns| is_of_columns(network, b_scale, columns, true));
    let is_constant = network.constants.contains_key(&b_zero);
    Ok((is_dynamic && fits && is_constant).then(|| {
        let inputs = [a, b, a_scale, b_scale, a_zero, b_zero];
        Fused::new(matmul_integer_to_float(), inputs)
    }))
}

fn with_bias(found: &Match<'_>, network: &mut Network) -> Result<Option<Fused>> {
    let (Some(scaled), Some(bias)) = (found.node("scaled"), found.value("bias")) else {
        return Ok(None);
    };
    let inputs: Option<Vec<ValueId>> = scaled.inputs.iter().copied().collect();
    // A seventh input is a bias already.
    let Some(mut inputs) = inputs.filter(|inputs| inputs.len() == 6) else {
        return Ok(None);
    };
    let fits = columns(network, inputs[1])
        .is_some_and(|columns| is_of_columns(network, bias, columns, false));
    inputs.push(bias);
    Ok(fits.then(|| Fused::new(matmul_integer_to_float(), inputs)))
}
