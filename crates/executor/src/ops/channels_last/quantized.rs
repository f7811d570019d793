//! Int8 convolution, channels last.

use infer_kernels::quantization::QuantParams;
use infer_kernels::quantized::{Output, QuantizedConv, QuantizedDepthwise};
use infer_kernels::spec::{ConvSpec, Images};

use super::conv::fit;
use super::pads::Pads;
use super::{images, shape};
use crate::buffer_pool::scratch;
use crate::error::Result;
use crate::operator::{Inputs, Operator};
use crate::tensor::{Data, Tensor, element_count};

/// The kernel that computes a convolution.
pub enum Kernel {
    /// Computes each output channel from all input channels.
    General(QuantizedConv),
    /// Depthwise: computes each output channel from its own input channel.
    Depthwise(QuantizedDepthwise),
}

impl Kernel {
    fn spec(&self) -> &ConvSpec {
        match self {
            Self::General(kernel) => kernel.spec(),
            Self::Depthwise(kernel) => kernel.spec(),
        }
    }

    /// The same weights with another specification.
    fn with_spec(&self, spec: ConvSpec) -> Self {
        match self {
            Self::General(kernel) => Self::General(kernel.with_spec(spec)),
            Self::Depthwise(kernel) => Self::Depthwise(kernel.with_spec(spec)),
        }
    }

    fn input(&self) -> QuantParams {
        match self {
            Self::General(kernel) => kernel.input(),
            Self::Depthwise(kernel) => kernel.input(),
        }
    }

    fn run(&self, images: Images, input: &[u8], output: Output<'_>) {
        match self {
            Self::General(kernel) => kernel.run(images, input, output),
            Self::Depthwise(kernel) => kernel.run(images, input, output),
        }
    }
}

/// An int8 convolution, channels last. Its input holds quantized values: dequantized in FP32, or as UINT8 if the node before
/// it outputs that.
pub struct QuantizedConvolution {
    /// The kernel, with packed weights.
    pub kernel: Kernel,
    /// How the padding is determined.
    pub pads: Pads,
    /// Whether the output is UINT8 (each value's distance from the lowest in units of the scale) instead of FP32.
    pub outputs_u8: bool,
}

impl QuantizedConvolution {
    /// The quantization of its input.
    pub fn input(&self) -> QuantParams {
        self.kernel.input()
    }

    /// Whether the output can be UINT8.
    pub fn may_output_u8(&self) -> bool {
        let quantization = self.kernel.spec().quantization;
        quantization.is_some_and(|parameters| parameters.fits_u8())
    }
}

impl Operator for QuantizedConvolution {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let images = images(input)?;
        let spec = self.kernel.spec();
        let (fitting, result) = fit(spec, self.pads, images)?;
        let other = (fitting != *spec).then(|| self.kernel.with_spec(fitting));
        let kernel = other.as_ref().unwrap_or(&self.kernel);
        let mut converted = None;
        let bytes = match input.data() {
            Data::U8(bytes) => bytes,
            _ => {
                let values = input.elements::<f32>()?;
                let mut bytes = scratch(values.len())?;
                kernel.input().quantize(values, &mut bytes);
                &*converted.insert(bytes)
            }
        };
        let result = shape(result);
        let count = element_count(&result)?;
        let output = match self.outputs_u8 {
            true => {
                let mut output = scratch(count)?;
                kernel.run(images, bytes, Output::U8(&mut output));
                Tensor::of(&result, output)?
            }
            false => {
                let mut output = scratch(count)?;
                kernel.run(images, bytes, Output::F32(&mut output));
                Tensor::of(&result, output)?
            }
        };
        if let Some(bytes) = converted {
            crate::buffer_pool::give(Tensor::of(input.shape(), bytes)?);
        }
        Ok(vec![output])
    }
}
