//! Networks that were quantized: computed in FP32, with values rounded where they would be quantized.
//!
//! A number that is quantized and dequantized is the nearest of some 256 levels. Between operators are the numbers that are meant, on
//! those levels: as fast as a network that is not quantized, where integers one by one would take twenty times as
//! long. Convolutions, which is where the time goes, become some of bytes afterwards (`fused.rs`).

use std::collections::BTreeMap;

use infer_kernels::quantization::QuantParams;
use infer_model_card::Datatype;
use rten_onnx::onnx::{AttributeProto, NodeProto};

use super::fold;
use crate::attributes::Attributes;
use crate::error::Result;
use crate::ir::{Network, Node, ValueId};
use crate::ops::fake_quantize::FakeQuantize;
use crate::ops::quantize::integers;
use crate::tensor::Tensor;

/// The name of what a pair of QuantizeLinear and DequantizeLinear becomes.
pub(super) const ROUNDING: &str = "QuantizeDequantizeLinear";

/// The version of ONNX's operators of which new nodes are.
const OPSET: i64 = 13;

/// Take operators on quantized numbers apart, dequantize constants, and make one node of each pair of QuantizeLinear and
/// DequantizeLinear.
///
/// # Errors
/// `Memory`.
pub(super) fn rewrite(mut network: Network) -> Result<Network> {
    let mut kept = Vec::with_capacity(network.nodes.len());
    for node in std::mem::take(&mut network.nodes) {
        match take_apart(&node, &mut network)? {
            Some(parts) => kept.extend(parts),
            None => kept.push(node),
        }
    }
    network.nodes = kept;
    Ok(pairs(through(fold::rewrite(network))))
}

/// Where a node's scale and zero point are.
type Quantized = (ValueId, ValueId);

/// The nodes that compute the same with dequantized numbers; none where the scales are not constants.
fn take_apart(node: &Node, network: &mut Network) -> Result<Option<Vec<Node>>> {
    let domain = node.proto.domain.as_deref().unwrap_or_default();
    let kind = match (domain, node.op_type()) {
        ("", "QLinearConv") => "Conv",
        ("", "QLinearMatMul") => "MatMul",
        ("com.microsoft", "QLinearAdd") => "Add",
        ("com.microsoft", "QLinearMul") => "Mul",
        ("com.microsoft", "QLinearGlobalAveragePool") => "GlobalAveragePool",
        ("com.microsoft", "QGemm") => "Gemm",
        _ => return Ok(None),
    };
    let attributes = Attributes::new(&node.proto);
    let input = |position: usize| node.inputs.get(position).copied().flatten();
    let [Some(output)] = node.outputs[..] else {
        return Ok(None);
    };
    // One scale and zero point for all of the numbers.
    let one = |at: usize| -> Option<Quantized> {
        let (scale, zero) = (input(at)?, input(at + 1)?);
        levels(network, scale, Some(zero))?;
        Some((scale, zero))
    };
    let is_pool = kind == "GlobalAveragePool";
    let to = match kind {
        "Conv" | "MatMul" | "Add" | "Mul" => one(6),
        "GlobalAveragePool" => one(3),
        _ => one(7),
    };
    let (Some(x), Some(x_quantized)) = (input(0), one(1)) else {
        return Ok(None);
    };
    let has_float_output = kind == "Gemm" && input(7).is_none() && input(8).is_none();
    if (to.is_none() && !has_float_output) || (is_pool && attributes.flag("channels_last", false)) {
        return Ok(None);
    }
    let mut parts = Parts {
        nodes: Vec::new(),
        network,
    };
    let mut inputs = vec![];
    if !is_pool {
        let (Some(w), Some(scale), Some(zero)) = (input(3), input(4), input(5)) else {
            return Ok(None);
        };
        let is_sum = matches!(kind, "Add" | "Mul");
        let is_constant = [w, scale, zero]
            .iter()
            .all(|id| parts.network.constants.contains_key(id));
        if is_sum {
            if levels(parts.network, scale, Some(zero)).is_none() {
                return Ok(None);
            }
        } else if !is_constant {
            return Ok(None);
        }
        let axis = match kind {
            "Conv" => 0,
            "Gemm" if attributes.flag("transB", false) => 0,
            _ => 1,
        };
        inputs.push(parts.dequantized(x, x_quantized, 0));
        inputs.push(parts.dequantized(w, (scale, zero), axis));
        let bias = match kind {
            "Conv" => input(8),
            "Gemm" => input(6),
            _ => None,
        };
        if let Some(bias) = bias {
            let alpha = match kind {
                "Gemm" => attributes.float("alpha", 1.0),
                _ => 1.0,
            };
            let Some(bias) = parts.bias(bias, x_quantized.0, scale, alpha)? else {
                return Ok(None);
            };
            inputs.push(bias);
        }
    } else {
        inputs.push(parts.dequantized(x, x_quantized, 0));
    }
    let mut proto = node.proto.clone();
    (proto.op_type, proto.domain) = (Some(kind.to_owned()), None);
    let computed = match to {
        Some(_) => parts.network.new_value(),
        None => output,
    };
    parts.push(proto, inputs, computed);
    if let Some((scale, zero)) = to {
        let proto = NodeProto {
            op_type: Some("QuantizeLinear".to_owned()),
            ..NodeProto::default()
        };
        parts.push(proto, vec![computed, scale, zero], output);
    }
    Ok(Some(parts.nodes))
}

/// What a node is taken apart into.
struct Parts<'a> {
    nodes: Vec<Node>,
    network: &'a mut Network,
}

impl Parts<'_> {
    fn push(&mut self, proto: NodeProto, inputs: Vec<ValueId>, output: ValueId) {
        self.nodes.push(Node::new(proto, OPSET, inputs, output));
    }

    fn dequantized(&mut self, value: ValueId, (scale, zero): Quantized, axis: i64) -> ValueId {
        let output = self.network.new_value();
        let proto = NodeProto {
            op_type: Some("DequantizeLinear".to_owned()),
            attribute: vec![AttributeProto {
                name: Some("axis".to_owned()),
                i: Some(axis),
                ..AttributeProto::default()
            }],
            ..NodeProto::default()
        };
        self.push(proto, vec![value, scale, zero], output);
        output
    }

    /// A bias, which is in steps of the product of both scales, as a constant in FP32; none for one that does not go
    /// with them.
    fn bias(
        &mut self,
        bias: ValueId,
        x_scale: ValueId,
        w_scale: ValueId,
        alpha: f32,
    ) -> Result<Option<ValueId>> {
        let constants = &self.network.constants;
        let (Some(bias), Some(x), Some(w)) = (
            constants.get(&bias),
            constants.get(&x_scale),
            constants.get(&w_scale),
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
        let is_each = bias.rank() <= 1 && (w.len() == 1 || w.len() == values.len());
        if !is_each || w.is_empty() {
            return Ok(None);
        }
        let scale =
            |at: usize| -> f64 { f64::from(x) * f64::from(w[at % w.len()]) * f64::from(alpha) };
        let values = values.iter().enumerate();
        let values: Vec<f32> = values
            .map(|(at, &value)| (f64::from(value) * scale(at)) as f32)
            .collect();
        let tensor = Tensor::of(bias.shape(), values)?;
        let id = self.network.new_value();
        self.network.constants.insert(id, tensor);
        Ok(Some(id))
    }
}

/// The levels of numbers with one constant scale in FP32 and one constant zero point.
fn levels(network: &Network, scale: ValueId, zero: Option<ValueId>) -> Option<QuantParams> {
    let scale = network.constants.get(&scale)?;
    let &[step] = scale.elements::<f32>().ok()? else {
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
    let is_usual = step.is_normal() && step > 0.0 && (1.0 / step).is_normal();
    is_usual.then(|| QuantParams::new(step, min - zero, max - zero))
}

/// Operators that give the elements of their first input in another form.
const FORMS: [&str; 6] = [
    "Flatten",
    "Identity",
    "Reshape",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// Whether a node gives the elements of its first input in another form.
pub(super) fn is_form(node: &Node) -> bool {
    FORMS.iter().any(|name| node.is(name))
}

/// Dequantize before what only gives numbers another form, so that it is next to where they are quantized.
fn through(mut network: Network) -> Network {
    let uses = network.uses();
    // From what a node would be given quantized, to the one that dequantizes what it makes of that.
    let mut dequantized: BTreeMap<ValueId, Node> = BTreeMap::new();
    let mut kept: Vec<Node> = Vec::with_capacity(network.nodes.len());
    let nodes = std::mem::take(&mut network.nodes);
    // Backwards, so that it goes through several.
    for mut node in nodes.into_iter().rev() {
        let output = node.outputs.first().copied().flatten();
        if let (Some(output), Some(&Some(input))) = (output, node.inputs.first())
            && is_form(&node)
            && let Some(mut after) = dequantized.remove(&output)
        {
            let between = network.new_value();
            node.outputs = std::mem::replace(&mut after.outputs, vec![Some(between)]);
            node.inputs[0] = Some(between);
            after.inputs[0] = Some(input);
            kept.push(node);
            match uses.get(input) {
                Some(1) => drop(dequantized.insert(input, after)),
                _ => kept.push(after),
            }
            continue;
        }
        let scale = node.inputs.get(1).copied().flatten();
        let zero = node.inputs.get(2).copied().flatten();
        if let (Some(&Some(input)), Some(scale)) = (node.inputs.first(), scale)
            && node.is("DequantizeLinear")
            && levels(&network, scale, zero).is_some()
            && uses[input] == 1
        {
            dequantized.insert(input, node);
            continue;
        }
        // What gives it is no such node.
        if let Some(after) = output.and_then(|output| dequantized.remove(&output)) {
            kept.push(after);
        }
        kept.push(node);
    }
    // Those of the graph's inputs.
    kept.extend(dequantized.into_values());
    kept.reverse();
    network.nodes = kept;
    network
}

/// One node for each QuantizeLinear whose result is dequantized wherever it is used.
fn pairs(mut network: Network) -> Network {
    let mut users: BTreeMap<ValueId, Vec<usize>> = BTreeMap::new();
    for (at, node) in network.nodes.iter().enumerate() {
        for id in node.inputs.iter().flatten() {
            users.entry(*id).or_default().push(at);
        }
    }
    let nodes = &network.nodes;
    let mut rounded: BTreeMap<usize, (QuantParams, ValueId)> = BTreeMap::new();
    let mut gone = vec![false; nodes.len()];
    // Values that are one with another: what several nodes make of the same numbers.
    let mut same: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        let is_blocked = Attributes::new(&node.proto).int("block_size", 0) != 0;
        let (&[Some(_), Some(scale), zero], &[Some(quantized)]) =
            (&node.inputs[..], &node.outputs[..])
        else {
            continue;
        };
        if !node.is("QuantizeLinear") || is_blocked || network.outputs.contains(&quantized) {
            continue;
        }
        let (Some(levels_of), Some(users)) = (levels(&network, scale, zero), users.get(&quantized))
        else {
            continue;
        };
        let outputs: Option<Vec<ValueId>> = users
            .iter()
            .map(|&user| {
                let user = &nodes[user];
                let (&[Some(numbers), Some(scale), zero], &[Some(output)]) =
                    (&user.inputs[..], &user.outputs[..])
                else {
                    return None;
                };
                let fits = user.is("DequantizeLinear")
                    && numbers == quantized
                    && levels(&network, scale, zero) == Some(levels_of);
                fits.then_some(output)
            })
            .collect();
        // Of several that are put out, each needs a tensor of its own.
        let Some(outputs) = outputs.filter(|outputs| {
            outputs.len() == 1 || outputs.iter().all(|id| !network.outputs.contains(id))
        }) else {
            continue;
        };
        if let Some((&first, others)) = outputs.split_first() {
            users.iter().for_each(|&user| gone[user] = true);
            same.extend(others.iter().map(|&other| (other, first)));
            rounded.insert(at, (levels_of, first));
        }
    }
    let nodes = std::mem::take(&mut network.nodes).into_iter().enumerate();
    network.nodes = nodes
        .filter(|(at, _)| !gone[*at])
        .map(|(at, mut node)| {
            for id in node.inputs.iter_mut().flatten() {
                *id = same.get(id).copied().unwrap_or(*id);
            }
            if let Some((levels, output)) = rounded.remove(&at) {
                node.proto.op_type = Some(ROUNDING.to_owned());
                node.inputs.truncate(1);
                node.outputs = vec![Some(output)];
                node.operator = Some(Box::new(FakeQuantize(levels)));
                node.levels = Some(levels);
            }
            node
        })
        .collect();
    network
}
