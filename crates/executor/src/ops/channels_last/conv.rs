//! FP32 convolution, channels last.

use infer_kernels::conv::Conv2d;
use infer_kernels::depthwise::Depthwise;
use infer_kernels::gemm::Clamp;
use infer_kernels::quantization::QuantParams;
use infer_kernels::spec::{ConvSpec, Images};
use infer_kernels::winograd::Winograd;

use super::pads::Pads;
use super::{images, shape};
use crate::buffer_pool::scratch;
use crate::error::{Error, Result};
use crate::index::{Walk, broadcast, broadcast_strides};
use crate::operator::{Inputs, Operator};
use crate::tensor::{Tensor, element_count};

/// The kernel that computes a convolution.
pub enum Kernel {
    /// Computes each output channel from all input channels of its group.
    General(Conv2d),
    /// The same by Winograd's algorithm, with fewer multiplications.
    Winograd(Winograd),
    /// Depthwise: computes each output channel from its own input channel.
    Depthwise(Depthwise),
}

impl Kernel {
    /// The convolution's specification.
    pub(crate) fn spec(&self) -> &ConvSpec {
        match self {
            Self::General(kernel) => kernel.spec(),
            Self::Winograd(kernel) => kernel.spec(),
            Self::Depthwise(kernel) => kernel.spec(),
        }
    }

    /// The same weights with another specification.
    pub(crate) fn with_spec(&self, spec: ConvSpec) -> Self {
        match self {
            Self::General(kernel) => Self::General(kernel.with_spec(spec)),
            Self::Winograd(kernel) => Self::Winograd(kernel.with_spec(spec)),
            Self::Depthwise(kernel) => Self::Depthwise(kernel.with_spec(spec)),
        }
    }

    /// Computes the convolution. A depthwise one has no residual: the optimization passes add none.
    fn run(&self, images: Images, input: &[f32], residual: Option<&[f32]>, output: &mut [f32]) {
        match self {
            Self::General(kernel) => kernel.run(images, input, residual, output),
            Self::Winograd(kernel) => kernel.run(images, input, residual, output),
            Self::Depthwise(kernel) => {
                debug_assert!(
                    residual.is_none(),
                    "a depthwise convolution with a residual"
                );
                kernel.run(images, input, output);
            }
        }
    }
}

/// A convolution, channels last. If it has a residual, that is the second input, added before the activation.
pub struct Convolution {
    /// The kernel, with packed weights.
    pub kernel: Kernel,
    /// How the padding is determined.
    pub pads: Pads,
    /// Whether the second input is a residual.
    pub has_residual: bool,
}

/// Adapts the padding to images of that size. Returns the specification with it, and the sizes of the output.
///
/// # Errors
/// `Input` if the images have another number of channels, or are smaller than the window.
pub(super) fn fit(spec: &ConvSpec, pads: Pads, input: Images) -> Result<(ConvSpec, Images)> {
    if input.channels != spec.channels_in {
        return Err(Error::input(format!(
            "expected {} channels, got {}",
            spec.channels_in, input.channels
        )));
    }
    let window = pads.fit(spec.window, input)?;
    let spec = ConvSpec { window, ..*spec };
    match spec.output(input) {
        Some(output) => Ok((spec, output)),
        None => Err(Error::input("the window does not fit into the image")),
    }
}

impl Operator for Convolution {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let values = input.elements::<f32>()?;
        let images = images(input)?;
        let spec = self.kernel.spec();
        let (fitting, result) = fit(spec, self.pads, images)?;
        let other = (fitting != *spec).then(|| self.kernel.with_spec(fitting));
        let kernel = other.as_ref().unwrap_or(&self.kernel);
        let result = shape(result);
        let mut output = scratch(element_count(&result)?)?;
        let residual = match self.has_residual {
            true => Some(inputs.required(1)?),
            false => None,
        };
        match residual {
            Some(residual) if residual.shape() != result => {
                let sums = ConvSpec {
                    clamp: Clamp::NONE,
                    quantization: None,
                    ..fitting
                };
                kernel
                    .with_spec(sums)
                    .run(images, values, None, &mut output);
                let ConvSpec {
                    clamp,
                    quantization,
                    ..
                } = fitting;
                return Ok(vec![add(&result, &output, residual, clamp, quantization)?]);
            }
            residual => {
                let residual = residual.map(Tensor::elements).transpose()?;
                kernel.run(images, values, residual, &mut output);
            }
        }
        Ok(vec![Tensor::of(&result, output)?])
    }
}

/// Adds a residual that is broadcast to the output, or the output to it.
fn add(
    shape: &[usize],
    output: &[f32],
    residual: &Tensor,
    clamp: Clamp,
    quantization: Option<QuantParams>,
) -> Result<Tensor> {
    let added = residual.elements::<f32>()?;
    let target = broadcast(&[shape, residual.shape()])?;
    let strides = [
        broadcast_strides(shape, &target),
        broadcast_strides(residual.shape(), &target),
    ];
    element_count(&target)?;
    let walk = Walk::new(&target, [&strides[0], &strides[1]]);
    let sums = walk.map(|[a, b]| clamp.apply(output[a] + added[b]));
    let mut sums: Vec<f32> = sums.collect();
    if let Some(quantization) = quantization {
        quantization.fake_quantize(&mut sums);
    }
    Tensor::of(&target, sums)
}
