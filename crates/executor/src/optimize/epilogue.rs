//! What kernels compute at the end of a convolution or a product: a sum, a clamp, fake quantization.

use infer_kernels::gemm::Clamp;

use super::fusion::{Fused, Fusion};
use super::matmul::of_columns;
use super::pattern::{Match, Pattern, any, constant, onnx, optimized};
use crate::ir::{Epilogue, FusedConv, FusedMatMul, Network, Node, Op, ValueId};
use crate::tensor::Tensor;

/// The fusions of this file, for nodes in their final layout.
pub(super) fn fusions() -> Vec<Fusion<'static>> {
    let conv = || -> Pattern {
        let conv = optimized(|op| matches!(op, Op::Conv(_)), [any("x")]);
        conv.with_more_inputs().named("conv").into()
    };
    vec![
        residual([any("residual"), conv()]),
        residual([conv(), any("residual")]),
        bias(),
        factor(),
        summand(),
        clamped("Relu"),
        clamped("Clip"),
        fake_quantized(),
    ]
}

/// Adds a second image to a convolution, in the place of the sum, where that image has been computed.
fn residual(operands: [Pattern; 2]) -> Fusion<'static> {
    let pattern = onnx("Add", operands).in_order();
    Fusion::new(pattern, "conv", |found, network| {
        let (Some(node), Some(residual)) = (found.node("conv"), found.value("residual")) else {
            return Ok(None);
        };
        let Op::Conv(conv) = &node.op else {
            return Ok(None);
        };
        let is_open =
            conv.epilogue == Epilogue::NONE && !conv.has_residual && conv.takes_residual();
        if !is_open || network.constants.contains_key(&residual) {
            return Ok(None);
        }
        let conv = FusedConv {
            has_residual: true,
            ..(**conv).clone()
        };
        let inputs = node.inputs.iter().copied().flatten().chain([residual]);
        Ok(Some(Fused::new(
            Op::Conv(Box::new(conv)),
            inputs.collect::<Vec<_>>(),
        )))
    })
}

/// Adds a constant to each column of a product.
fn bias() -> Fusion<'static> {
    let matmul = optimized(|op| matches!(op, Op::MatMul(_)), [any("x")]).named("matmul");
    let pattern = onnx("Add", [matmul.into(), constant("bias")]);
    Fusion::new(pattern, "matmul", |found, network| {
        let (Some(Op::MatMul(matmul)), Some(x), Some(bias)) = (
            found.node("matmul").map(|node| &node.op),
            found.value("x"),
            found.value("bias"),
        ) else {
            return Ok(None);
        };
        let is_open = matmul.bias.is_none() && matmul.epilogue == Epilogue::NONE;
        // A product has at least one dimension, and gets no further ones from a vector.
        let bias = network.constants.get(&bias);
        let bias = bias.filter(|bias| is_open && (bias.rank() <= 1 || matmul.is_gemm));
        let bias = bias.and_then(|bias| of_columns(matmul, bias));
        Ok(bias.map(|bias| {
            let matmul = FusedMatMul {
                bias: Some(bias),
                ..(**matmul).clone()
            };
            Fused::new(Op::MatMul(Box::new(matmul)), [x])
        }))
    })
    .in_its_place()
}

/// Multiplies the weights of a convolution by a constant for each channel, or one for all.
fn factor() -> Fusion<'static> {
    let conv = optimized(|op| matches!(op, Op::Conv(_)), [any("x")]).named("conv");
    let pattern = onnx("Mul", [conv.into(), constant("factor")]);
    Fusion::new(pattern, "conv", |found, network| {
        let Some((conv, x, factors)) = with_constant(found, "factor", network) else {
            return Ok(None);
        };
        // Their int8 form would be lost.
        if network.quantized_constants.contains_key(&conv.weights) {
            return Ok(None);
        }
        let Some(weights) = network.constants.get(&conv.weights) else {
            return Ok(None);
        };
        let mut weights = weights.elements::<f32>()?.to_vec();
        let a_channel = weights.len() / factors.len();
        for (weights, factor) in weights.chunks_exact_mut(a_channel).zip(&factors) {
            weights.iter_mut().for_each(|weight| *weight *= factor);
        }
        let bias = conv.bias.as_ref().map(|bias| {
            let products = bias.iter().zip(&factors);
            products.map(|(bias, factor)| bias * factor).collect()
        });
        let conv = FusedConv {
            weights: network.new_constant(Tensor::of(&conv.shape, weights)?),
            bias,
            ..conv
        };
        Ok(Some(Fused::new(Op::Conv(Box::new(conv)), [x])))
    })
    .in_its_place()
}

/// Adds a constant for each channel, or one for all, to the bias of a convolution.
fn summand() -> Fusion<'static> {
    let conv = optimized(|op| matches!(op, Op::Conv(_)), [any("x")]).named("conv");
    let pattern = onnx("Add", [conv.into(), constant("summand")]);
    Fusion::new(pattern, "conv", |found, network| {
        let Some((mut conv, x, mut summands)) = with_constant(found, "summand", network) else {
            return Ok(None);
        };
        if let Some(bias) = &conv.bias {
            let sums = summands.iter_mut().zip(bias);
            sums.for_each(|(summand, bias)| *summand += bias);
        }
        conv.bias = Some(summands);
        Ok(Some(Fused::new(Op::Conv(Box::new(conv)), [x])))
    })
    .in_its_place()
}

/// A convolution that nothing follows yet, its input, and the constant of that name as a value for each output channel.
fn with_constant(
    found: &Match<'_>,
    name: &str,
    network: &Network,
) -> Option<(FusedConv, ValueId, Vec<f32>)> {
    let Op::Conv(conv) = &found.node("conv")?.op else {
        return None;
    };
    let channels = conv.shape[0];
    let constant = network.constants.get(&found.value(name)?)?;
    let values = constant.elements::<f32>().ok()?;
    let values = match *constant.shape() {
        [1, 1, 1, size] if size == channels => values.to_vec(),
        _ if values.len() == 1 && constant.rank() <= 4 => vec![values[0]; channels],
        _ => return None,
    };
    let is_open = conv.epilogue == Epilogue::NONE && !conv.has_residual;
    let x = found.value("x").filter(|_| is_open)?;
    Some(((**conv).clone(), x, values))
}

/// Limits the range of the output.
fn clamped(op_type: &'static str) -> Fusion<'static> {
    let pattern = onnx(op_type, [fusible()]);
    let pattern = pattern.with_more_inputs().named("clamp");
    Fusion::new(pattern, "fused", |found, network| {
        let clamp = found.node("clamp").and_then(|node| clamp(node, network));
        Ok(with_epilogue(found, |epilogue| {
            (epilogue == Epilogue::NONE).then_some(Epilogue {
                clamp: clamp?,
                quantization: None,
            })
        }))
    })
    .in_its_place()
}

/// Rounds the output to values that a quantized datatype represents.
fn fake_quantized() -> Fusion<'static> {
    let pattern = optimized(|op| matches!(op, Op::FakeQuantize(_)), [fusible()]);
    let pattern = pattern.named("fake quantize");
    Fusion::new(pattern, "fused", |found, _| {
        let Some(Op::FakeQuantize(parameters)) = found.node("fake quantize").map(|node| &node.op)
        else {
            return Ok(None);
        };
        Ok(with_epilogue(found, |epilogue| {
            (epilogue.quantization.is_none()).then_some(Epilogue {
                quantization: Some(*parameters),
                ..epilogue
            })
        }))
    })
    .in_its_place()
}

/// A convolution or a product, bound to the name `fused`.
fn fusible() -> Pattern {
    let op = optimized(|op| matches!(op, Op::Conv(_) | Op::MatMul(_)), [any("x")]);
    op.with_more_inputs().named("fused").into()
}

/// The convolution or product of a match with another epilogue; `None` if there is none.
fn with_epilogue(
    found: &Match<'_>,
    change: impl FnOnce(Epilogue) -> Option<Epilogue>,
) -> Option<Fused> {
    let node = found.node("fused")?;
    let op = match &node.op {
        Op::Conv(conv) => Op::Conv(Box::new(FusedConv {
            epilogue: change(conv.epilogue)?,
            ..(**conv).clone()
        })),
        Op::MatMul(matmul) => Op::MatMul(Box::new(FusedMatMul {
            epilogue: change(matmul.epilogue)?,
            ..(**matmul).clone()
        })),
        _ => return None,
    };
    let inputs: Vec<ValueId> = node.inputs.iter().copied().flatten().collect();
    Some(Fused::new(op, inputs))
}

/// The range of a Relu or Clip whose bounds are constant.
fn clamp(node: &Node, network: &Network) -> Option<Clamp> {
    if node.is("Relu") {
        return Some(Clamp {
            min: 0.0,
            max: f32::INFINITY,
        });
    }
    let onnx = node.op.onnx()?;
    let bound = |position: usize, name: &str, default: f32| -> Option<f32> {
        if onnx.version < 11 {
            return Some(onnx.attributes().float(name, default));
        }
        match node.input(position) {
            None => Some(default),
            Some(id) => {
                let bound = network.constants.get(&id)?.elements().ok()?;
                bound.first().copied()
            }
        }
    };
    let clamp = Clamp {
        min: bound(1, "min", f32::NEG_INFINITY)?,
        max: bound(2, "max", f32::INFINITY)?,
    };
    (clamp.min <= clamp.max).then_some(clamp)
}
