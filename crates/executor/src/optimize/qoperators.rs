//! Replaces operators on quantized tensors (QLinearConv and the like) by DequantizeLinear, the FP32 operator and
//! QuantizeLinear.
//!
//! The passes after this one then see one form of quantized networks, whichever their exporter wrote. They remove most
//! of the new nodes, and select int8 kernels for the operators between them.

use rten_onnx::onnx::AttributeProto;

use super::fold::fold;
use super::quantization::per_tensor;
use crate::error::Result;
use crate::ir::{Network, Node, OnnxNode, ValueId};
use crate::tensor::Tensor;

/// The version of ONNX's operators that new nodes have.
const VERSION: i64 = 13;

/// An operator on quantized tensors, and its FP32 counterpart. Inputs are given by position; a quantized tensor has its
/// scale and its zero point at the two positions after it.
struct Counterpart {
    domain: &'static str,
    quantized: &'static str,
    float: &'static str,
    /// The second operand, which is quantized as the first is.
    second: Second,
    /// The bias, if there can be one.
    bias: Option<usize>,
    /// The output's scale; its zero point follows.
    output: usize,
    /// Whether the output is FP32 if its scale is omitted.
    may_be_float: bool,
}

/// The second operand of an operator, at position 3.
enum Second {
    /// There is none.
    Absent,
    /// A tensor with a per-tensor scale.
    Tensor,
    /// A constant, whose per-channel scales belong to this axis, or to axis 0 if `transB` is set.
    Weights { axis: i64 },
}

const fn counterpart(
    domain: &'static str,
    quantized: &'static str,
    float: &'static str,
    second: Second,
) -> Counterpart {
    Counterpart {
        domain,
        quantized,
        float,
        second,
        bias: None,
        output: 6,
        may_be_float: false,
    }
}

const COUNTERPARTS: [Counterpart; 6] = [
    Counterpart {
        bias: Some(8),
        ..counterpart("", "QLinearConv", "Conv", Second::Weights { axis: 0 })
    },
    counterpart("", "QLinearMatMul", "MatMul", Second::Weights { axis: 1 }),
    counterpart("com.microsoft", "QLinearAdd", "Add", Second::Tensor),
    counterpart("com.microsoft", "QLinearMul", "Mul", Second::Tensor),
    Counterpart {
        output: 3,
        ..counterpart(
            "com.microsoft",
            "QLinearGlobalAveragePool",
            "GlobalAveragePool",
            Second::Absent,
        )
    },
    Counterpart {
        bias: Some(6),
        output: 7,
        may_be_float: true,
        ..counterpart(
            "com.microsoft",
            "QGemm",
            "Gemm",
            Second::Weights { axis: 1 },
        )
    },
];

/// Replaces operators on quantized tensors whose scales are constant, and folds what has become constant.
///
/// # Errors
/// `Memory`.
pub(super) fn replace(mut network: Network) -> Result<Network> {
    let mut kept = Vec::with_capacity(network.nodes.len());
    for node in std::mem::take(&mut network.nodes) {
        match parts(&node, &mut network)? {
            Some(parts) => kept.extend(parts),
            None => kept.push(node),
        }
    }
    network.nodes = kept;
    Ok(fold(network))
}

/// The nodes that compute the same as a node on quantized tensors; `None` for other nodes, and where scales are not
/// constant.
fn parts(node: &Node, network: &mut Network) -> Result<Option<Vec<Node>>> {
    let Some(onnx) = node.op.onnx() else {
        return Ok(None);
    };
    let mut counterparts = COUNTERPARTS.iter();
    let Some(counterpart) =
        counterparts.find(|it| it.quantized == onnx.op_type && it.domain == onnx.domain)
    else {
        return Ok(None);
    };
    let attributes = onnx.attributes();
    let Some(output) = node.output() else {
        return Ok(None);
    };
    let has_scale =
        |position| per_tensor(network, node.input(position), node.input(position + 1)).is_some();
    let is_quantized = has_scale(counterpart.output);
    let is_float = counterpart.may_be_float
        && node.input(counterpart.output).is_none()
        && node.input(counterpart.output + 1).is_none();
    let is_supported = has_scale(1)
        && (is_quantized || is_float)
        && match counterpart.second {
            Second::Absent => !attributes.flag("channels_last", false),
            Second::Tensor => node.input(3).is_some() && has_scale(4),
            Second::Weights { .. } => (3..6).all(|at| network.constant(node, at).is_some()),
        };
    if !is_supported {
        return Ok(None);
    }
    let bias = match counterpart.bias.and_then(|position| node.input(position)) {
        None => None,
        Some(_) => match dequantized_bias(node, counterpart, network)? {
            Some(bias) => Some(network.new_constant(bias)),
            None => return Ok(None),
        },
    };
    let mut nodes = Vec::new();
    let mut inputs = Vec::new();
    inputs.extend(dequantize(node, 0, 0, network, &mut nodes));
    let axis = match counterpart.second {
        Second::Absent => None,
        Second::Weights { .. } if attributes.flag("transB", false) => Some(0),
        Second::Weights { axis } => Some(axis),
        Second::Tensor => Some(1),
    };
    inputs.extend(axis.and_then(|axis| dequantize(node, 3, axis, network, &mut nodes)));
    inputs.extend(bias);
    let op = OnnxNode::new(counterpart.float, VERSION).with(onnx.attributes.iter().cloned());
    let computed = match is_quantized {
        true => network.new_value(),
        false => output,
    };
    nodes.push(Node {
        name: node.name.clone(),
        ..Node::new(op, inputs, computed)
    });
    let scale = (node.input(counterpart.output)).zip(node.input(counterpart.output + 1));
    if let Some((scale, zero)) = scale {
        let quantize = OnnxNode::new("QuantizeLinear", VERSION);
        nodes.push(Node::new(quantize, vec![computed, scale, zero], output));
    }
    Ok(Some(nodes))
}

/// Adds a DequantizeLinear of the tensor at a position, and returns its output.
fn dequantize(
    node: &Node,
    position: usize,
    axis: i64,
    network: &mut Network,
    nodes: &mut Vec<Node>,
) -> Option<ValueId> {
    let input = |at: usize| node.input(position + at);
    let inputs = vec![input(0)?, input(1)?, input(2)?];
    let output = network.new_value();
    let op = OnnxNode::new("DequantizeLinear", VERSION).with([AttributeProto {
        name: Some("axis".to_owned()),
        i: Some(axis),
        ..AttributeProto::default()
    }]);
    nodes.push(Node::new(op, inputs, output));
    Some(output)
}

/// A constant int32 bias, whose scale is the product of the scales of both operands, in FP32; `None` for one that is
/// not constant or does not fit the weights' scales.
fn dequantized_bias(
    node: &Node,
    counterpart: &Counterpart,
    network: &Network,
) -> Result<Option<Tensor>> {
    let constant = |position: usize| network.constant(node, position);
    let (Some(bias), Some(x), Some(w)) = (
        counterpart.bias.and_then(constant),
        constant(1),
        constant(4),
    ) else {
        return Ok(None);
    };
    let (Ok(values), Ok(&[x]), Ok(w)) = (
        bias.elements::<i32>(),
        x.elements::<f32>(),
        w.elements::<f32>(),
    ) else {
        return Ok(None);
    };
    let fits = bias.rank() <= 1 && (w.len() == 1 || w.len() == values.len());
    if !fits || w.is_empty() {
        return Ok(None);
    }
    let alpha = match node.op.onnx() {
        Some(onnx) if counterpart.float == "Gemm" => onnx.attributes().float("alpha", 1.0),
        _ => 1.0,
    };
    let scale = |at: usize| f64::from(x) * f64::from(w[at % w.len()]) * f64::from(alpha);
    let values = values.iter().enumerate();
    let values = values.map(|(at, &value)| (f64::from(value) * scale(at)) as f32);
    Tensor::of(bias.shape(), values.collect()).map(Some)
}
