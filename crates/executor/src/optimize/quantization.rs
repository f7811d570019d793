//! Quantization parameters: read from constants, and propagated to the values that have them.

use infer_kernels::quantization::QuantParams;
use infer_tensor::Datatype;

use crate::ir::{Network, Node, Op, ValueId};
use crate::ops::quantize::integers;

/// The parameters of a per-tensor quantization to int8, uint8, int16 or uint16: `scale` is one constant FP32 value,
/// `zero` one constant of the quantized datatype.
pub(super) fn per_tensor(
    network: &Network,
    scale: Option<ValueId>,
    zero: Option<ValueId>,
) -> Option<QuantParams> {
    let scale = network.constants.get(&scale?)?;
    let &[scale] = scale.elements::<f32>().ok()? else {
        return None;
    };
    let zero = network.constants.get(&zero?)?;
    let (min, max): (i32, i32) = match zero.datatype() {
        Datatype::Int8 => (i8::MIN.into(), i8::MAX.into()),
        Datatype::Uint8 => (u8::MIN.into(), u8::MAX.into()),
        Datatype::Int16 => (i16::MIN.into(), i16::MAX.into()),
        Datatype::Uint16 => (u16::MIN.into(), u16::MAX.into()),
        _ => return None,
    };
    let &[zero] = &integers(zero).ok()?[..] else {
        return None;
    };
    let is_usual = scale.is_normal() && scale > 0.0 && (1.0 / scale).is_normal();
    is_usual.then(|| QuantParams::new(scale, min - zero, max - zero))
}

/// The parameters of a QuantizeLinear or DequantizeLinear with a per-tensor scale.
pub(super) fn of_node(network: &Network, node: &Node) -> Option<QuantParams> {
    per_tensor(network, node.input(1), node.input(2))
}

/// Annotates each FP32 value that is fake-quantized with its parameters: outputs of `FakeQuantize`, and whatever has
/// the same elements. Convolutions and products of annotated values can have int8 kernels.
pub(super) fn propagate(mut network: Network) -> Network {
    for node in &network.nodes {
        let Some(&Some(output)) = node.outputs.first() else {
            continue;
        };
        let quantization = match node.op {
            Op::FakeQuantize(parameters) => Some(parameters),
            _ if is_reshaping(node) || node.is("MaxPool") => {
                let input = node.input(0);
                input.and_then(|input| network.quantization.get(&input).copied())
            }
            _ => None,
        };
        if let Some(parameters) = quantization {
            network.quantization.insert(output, parameters);
        }
    }
    network
}

/// Whether a node's output has the elements of its first input, with another shape or in another order.
pub(super) fn is_reshaping(node: &Node) -> bool {
    const RESHAPING: [&str; 6] = [
        "Flatten",
        "Identity",
        "Reshape",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    ];
    RESHAPING.iter().any(|name| node.is(name))
}
