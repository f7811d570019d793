//! Operators with constant weights, and the nodes that were fused into them.

use infer_kernels::gemm::Clamp;
use infer_kernels::quantization::QuantParams;
use infer_kernels::spec::Window;

use super::value::ValueId;
use crate::ops::channels_last::Spatial;
use crate::ops::channels_last::pads::Pads;
use crate::ops::conv_transpose::Transposition;

/// What kernels do with sums before they write them: first clamp, then fake-quantize.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Epilogue {
    /// The range of the output.
    pub(crate) clamp: Clamp,
    /// The quantization parameters that the output is fake-quantized with.
    pub(crate) quantization: Option<QuantParams>,
}

impl Epilogue {
    /// Sums are written as they are.
    pub(crate) const NONE: Self = Self {
        clamp: Clamp::NONE,
        quantization: None,
    };
}

/// An FP32 convolution of images or signals with constant weights, or a transposed one.
#[derive(Clone)]
pub(crate) struct FusedConv {
    /// The weights: a constant of FP32 with the shape `shape`.
    pub(crate) weights: ValueId,
    /// Output channels, input channels of a group, height, width; also for a transposed convolution.
    pub(crate) shape: [usize; 4],
    /// One value for each output channel.
    pub(crate) bias: Option<Vec<f32>>,
    /// Kernel, strides, dilations and explicit padding.
    pub(crate) window: Window,
    /// The spatial axes of input and output in the file.
    pub(crate) axes: Spatial,
    /// The attributes of a transposed convolution, which `window` and `pads` do not describe; `None` for others.
    pub(crate) transposed: Option<Transposition>,
    /// How padding is computed.
    pub(crate) pads: Pads,
    /// Groups of channels; both numbers of channels are multiples of it.
    pub(crate) groups: usize,
    /// The quantization parameters of the input, if it was fake-quantized.
    pub(crate) input_quantization: Option<QuantParams>,
    /// Whether the second input is added to the sums.
    pub(crate) has_residual: bool,
    /// What follows the sum.
    pub(crate) epilogue: Epilogue,
}

impl FusedConv {
    /// Whether each output channel has one input channel of its own.
    pub(crate) fn is_depthwise(&self) -> bool {
        let [channels_out, group_channels, ..] = self.shape;
        self.groups > 1 && group_channels == 1 && channels_out == self.groups
    }

    /// Whether its kernel can add a residual.
    pub(crate) fn takes_residual(&self) -> bool {
        !self.is_depthwise() && self.transposed.is_none()
    }
}

/// A product with a constant FP32 matrix.
#[derive(Clone)]
pub(crate) struct FusedMatMul {
    /// The matrix: a constant of FP32, `[k, n]`, or `[n, k]` if it is transposed.
    pub(crate) matrix: ValueId,
    /// Whether the matrix is transposed.
    pub(crate) is_transposed: bool,
    /// Rows and columns of the matrix as it is multiplied with.
    pub(crate) sizes: [usize; 2],
    /// Factor of the matrix.
    pub(crate) alpha: f32,
    /// One value for each column.
    pub(crate) bias: Option<Vec<f32>>,
    /// The quantization parameters of the input, if it was fake-quantized.
    pub(crate) input_quantization: Option<QuantParams>,
    /// What follows the sum.
    pub(crate) epilogue: Epilogue,
    /// Whether the input must be a matrix (Gemm) and not a batch of them (MatMul).
    pub(crate) is_gemm: bool,
}
