//! Products with constant matrices.

use crate::ir::{Epilogue, FusedMatMul, Network, Node, OnnxNode, Op};
use crate::tensor::Tensor;

/// Makes a [`FusedMatMul`] of each MatMul and Gemm whose second operand is a constant FP32 matrix.
pub(super) fn fuse(mut network: Network) -> Network {
    let mut nodes = std::mem::take(&mut network.nodes);
    for node in &mut nodes {
        let onnx = node.op.onnx();
        if let Some(matmul) = onnx.and_then(|onnx| fused_matmul(node, onnx, &network)) {
            node.op = Op::MatMul(Box::new(matmul));
            node.inputs.truncate(1);
        }
    }
    network.nodes = nodes;
    network
}

fn fused_matmul(node: &Node, onnx: &OnnxNode, network: &Network) -> Option<FusedMatMul> {
    let is_gemm = node.is("Gemm");
    if !is_gemm && !node.is("MatMul") {
        return None;
    }
    let (x, _) = (node.input(0)?, node.output()?);
    let matrix = network.constant(node, 1)?;
    let &[rows, columns] = matrix.shape() else {
        return None;
    };
    if matrix.is_empty() || matrix.elements::<f32>().is_err() {
        return None;
    }
    let mut matmul = FusedMatMul {
        matrix: node.input(1)?,
        is_transposed: false,
        sizes: [rows, columns],
        alpha: 1.0,
        bias: None,
        input_quantization: network.quantization.get(&x).copied(),
        epilogue: Epilogue::NONE,
        is_gemm,
    };
    let attributes = onnx.attributes();
    if !is_gemm {
        return Some(matmul);
    }
    if attributes.flag("transA", false) {
        return None;
    }
    if attributes.flag("transB", false) {
        matmul.is_transposed = true;
        matmul.sizes = [columns, rows];
    }
    matmul.alpha = attributes.float("alpha", 1.0);
    let beta = attributes.float("beta", 1.0);
    if node.input(2).is_some() {
        let bias = of_columns(&matmul, network.constant(node, 2)?)?;
        matmul.bias = Some(bias.into_iter().map(|value| value * beta).collect());
    }
    Some(matmul)
}

/// One value for each column, of a constant that is broadcast to all rows of a product.
pub(super) fn of_columns(matmul: &FusedMatMul, tensor: &Tensor) -> Option<Vec<f32>> {
    let [_, columns] = matmul.sizes;
    let values = tensor.elements::<f32>().ok()?;
    let is_row = tensor.shape().iter().rev().skip(1).all(|&size| size == 1);
    match values {
        [one] if tensor.rank() <= 2 && columns > 0 => Some(vec![*one; columns]),
        values if is_row && tensor.rank() <= 2 && values.len() == columns => Some(values.to_vec()),
        _ => None,
    }
}
