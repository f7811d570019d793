//! Selects the kernel of each convolution and each product, and packs its weights.

use infer_kernels::conv::Conv2d;
use infer_kernels::depthwise::Depthwise;
use infer_kernels::gemm::Packed;
use infer_kernels::quantized::{QuantizedConv, QuantizedDepthwise};
use infer_kernels::spec::{ConvSpec, Window};
use infer_kernels::winograd::Winograd;

use super::shared::Shared;
use crate::error::{Error, Result};
use crate::ir::{FusedConv, FusedMatMul, Network, Op, ValueId};
use crate::ops::channels_last::conv::{Convolution, Kernel};
use crate::ops::channels_last::conv_transpose;
use crate::ops::channels_last::quantized::{self, QuantizedConvolution};
use crate::ops::conv_transpose::Transposition;
use crate::ops::packed_matmul::{PackedMatMul, QuantizedMatMul};
use crate::tensor::{too_large, with_room};

/// Gives each convolution and each product a kernel.
///
/// # Errors
/// None of its own.
pub(super) fn select_kernels(mut network: Network) -> Result<Network> {
    let mut shared = Shared::of(&network);
    let mut nodes = std::mem::take(&mut network.nodes);
    for node in &mut nodes {
        let kernel = match &node.op {
            Op::Conv(conv) => conv_kernel(conv, &network, &mut shared)?,
            Op::MatMul(matmul) => matmul_kernel(matmul, &network, &mut shared)?,
            _ => continue,
        };
        node.op = kernel;
    }
    network.nodes = nodes;
    Ok(network)
}

fn elements(network: &Network, constant: ValueId) -> Result<&[f32]> {
    let constant = network.constants.get(&constant);
    constant
        .ok_or_else(|| Error::graph("weights are not constant"))?
        .elements()
}

fn conv_kernel(conv: &FusedConv, network: &Network, shared: &mut Shared) -> Result<Op> {
    if let Some(transposed) = &conv.transposed {
        return conv_transpose_kernel(conv, transposed, network);
    }
    let [channels_out, group_channels, ..] = conv.shape;
    let channels = [group_channels * conv.groups, channels_out];
    let spec = ConvSpec {
        clamp: conv.epilogue.clamp,
        quantization: conv.epilogue.quantization,
        ..ConvSpec::new(conv.window, channels)
    };
    if let Some(kernel) = quantized_conv(conv, spec, network) {
        return Ok(Op::QuantizedConvKernel(Box::new(kernel)));
    }
    let weights = elements(network, conv.weights)?;
    let bias = conv.bias.as_deref();
    // Quantized networks are meant to be small, and transformed weights take up to sixteen times the space of int8.
    let may_be_large = conv.epilogue.quantization.is_none();
    let is_winograd =
        !conv.is_depthwise() && may_be_large && Winograd::wins(&conv.window, conv.groups, channels);
    let kernel = shared.conv(conv, spec, is_winograd, || {
        if conv.is_depthwise() {
            Kernel::Depthwise(Depthwise::new(spec, weights, bias))
        } else if is_winograd {
            Kernel::Winograd(Winograd::new(spec, weights, bias))
        } else {
            Kernel::General(Conv2d::new(spec, conv.groups, weights, bias))
        }
    });
    Ok(Op::ConvKernel(Box::new(Convolution {
        kernel,
        pads: conv.pads,
        has_residual: conv.has_residual,
    })))
}

fn conv_transpose_kernel(
    conv: &FusedConv,
    transposed: &Transposition,
    network: &Network,
) -> Result<Op> {
    let [outputs, inputs, height, width] = conv.shape;
    let values = elements(network, conv.weights)?;
    let taps = height * width;
    let weights = match conv.is_depthwise() {
        true => {
            let mut weights = with_room(values.len())?;
            let all = (0..taps).flat_map(|tap| (0..outputs).map(move |at| values[at * taps + tap]));
            weights.extend(all);
            conv_transpose::Weights::Depthwise(weights)
        }
        // For each tap all output channels: the product of a pixel is what it adds to the output.
        false => {
            let value = |input: usize, column: usize| {
                values[(column % outputs * inputs + input) * taps + column / outputs]
            };
            let packed = Packed::new(inputs, taps * outputs, value, |_| 0.0);
            conv_transpose::Weights::General(packed)
        }
    };
    Ok(Op::ConvTransposeKernel(Box::new(
        conv_transpose::ConvTranspose {
            transposed: transposed.clone(),
            axes: conv.axes,
            kernel: [height, width],
            channels: [inputs * conv.groups, outputs],
            weights,
            bias: conv.bias.clone(),
            clamp: conv.epilogue.clamp,
            quantization: conv.epilogue.quantization,
        },
    )))
}

/// The int8 kernel of a convolution with quantized weights and a quantized input, if there is one.
fn quantized_conv(
    conv: &FusedConv,
    spec: ConvSpec,
    network: &Network,
) -> Option<QuantizedConvolution> {
    let is_depthwise = conv.is_depthwise() && spec.channels_in == spec.channels_out;
    if conv.has_residual || !(conv.groups == 1 || is_depthwise) {
        return None;
    }
    let weights = network.quantized_constants.get(&conv.weights)?;
    let weights = Some(weights).filter(|weights| weights.axis == 0)?;
    let (values, scales) = (&weights.values, &weights.scales);
    let (input, bias) = (conv.input_quantization?, conv.bias.as_deref());
    let kernel = match is_depthwise {
        true => quantized::Kernel::Depthwise(QuantizedDepthwise::new(
            spec, input, values, scales, bias,
        )?),
        false => quantized::Kernel::General(QuantizedConv::new(spec, input, values, scales, bias)?),
    };
    Some(QuantizedConvolution {
        kernel,
        pads: conv.pads,
        outputs_u8: false,
    })
}

fn matmul_kernel(matmul: &FusedMatMul, network: &Network, shared: &mut Shared) -> Result<Op> {
    if let Some(kernel) = quantized_matmul(matmul, network) {
        return Ok(Op::QuantizedMatMulKernel(Box::new(kernel)));
    }
    let [k, n] = matmul.sizes;
    let values = elements(network, matmul.matrix)?;
    let at = |row: usize, column: usize| match matmul.is_transposed {
        true => column * k + row,
        false => row * n + column,
    };
    let value = |row: usize, column: usize| values[at(row, column)] * matmul.alpha;
    let (matrix, bias) = shared.product(matmul, |bias| {
        let bias = |column: usize| bias.map_or(0.0, |bias| bias[column]);
        Packed::try_new(k, n, value, bias).map_err(|_| too_large(&[k, n]))
    })?;
    Ok(Op::MatMulKernel(Box::new(PackedMatMul {
        matrix,
        bias,
        clamp: matmul.epilogue.clamp,
        quantization: matmul.epilogue.quantization,
        is_gemm: matmul.is_gemm,
    })))
}

/// The int8 kernel of a product with a quantized matrix and a quantized input, if there is one.
fn quantized_matmul(matmul: &FusedMatMul, network: &Network) -> Option<QuantizedMatMul> {
    let [k, n] = matmul.sizes;
    let matrix = network.quantized_constants.get(&matmul.matrix)?;
    let input = matmul.input_quantization?;
    let columns = if matmul.is_transposed { 0 } else { 1 };
    let has_scales_of_columns = matrix.scales.len() == 1 || matrix.axis == columns;
    if matmul.alpha != 1.0 || !has_scales_of_columns {
        return None;
    }
    let values = &matrix.values;
    let transposed: Vec<i8> = match matmul.is_transposed {
        true => values.clone(),
        false => (0..n)
            .flat_map(|column| (0..k).map(move |row| values[row * n + column]))
            .collect(),
    };
    let spec = ConvSpec {
        clamp: matmul.epilogue.clamp,
        quantization: matmul.epilogue.quantization,
        ..ConvSpec::new(Window::POINT, [k, n])
    };
    let bias = matmul.bias.as_deref();
    Some(QuantizedMatMul {
        conv: QuantizedConv::new(spec, input, &transposed, &matrix.scales, bias)?,
        is_gemm: matmul.is_gemm,
    })
}
