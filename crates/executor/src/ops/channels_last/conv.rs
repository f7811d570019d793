//! Convolution.

use infer_kernels::conv::{Conv2d, Images};
use infer_kernels::depthwise::Depthwise;
use infer_kernels::gemm::Clamp;
use infer_kernels::levels::Levels;
use infer_kernels::winograd::Winograd;

use super::pads::Pads;
use super::{images, shape};
use crate::error::{Error, Result};
use crate::index::{Walk, broadcast, broadcast_strides};
use crate::operator::{Inputs, Operator};
use crate::pool::scratch;
use crate::tensor::{Tensor, element_count};

/// What computes it.
pub enum Kernel {
    /// Each output channel from all input channels of its group.
    Whole(Conv2d),
    /// The same with fewer multiplications.
    Winograd(Winograd),
    /// Each output channel from its own.
    Depthwise(Depthwise),
}

impl Kernel {
    /// With values clamped at the end, and rounded to levels.
    pub fn with_end(&self, clamp: Clamp, levels: Option<Levels>) -> Self {
        match self {
            Self::Whole(kernel) => Self::Whole(kernel.with_end(clamp, levels)),
            Self::Winograd(kernel) => Self::Winograd(kernel.with_end(clamp, levels)),
            Self::Depthwise(kernel) => Self::Depthwise(kernel.with_end(clamp, levels)),
        }
    }

    /// Compute it; a residual is never added to what each channel makes of its own ([`FusedConv`]).
    ///
    /// [`FusedConv`]: crate::rewrite
    fn run(&self, images: Images, input: &[f32], residual: Option<&[f32]>, output: &mut [f32]) {
        match self {
            Self::Whole(kernel) => kernel.run(images, input, residual, output),
            Self::Winograd(kernel) => kernel.run(images, input, residual, output),
            Self::Depthwise(kernel) => {
                debug_assert!(residual.is_none(), "a residual");
                kernel.run(images, input, output);
            }
        }
    }
}

/// A convolution, channels last; where it has a residual, that is its second input, added before values are clamped.
pub struct Convolution {
    /// With its weights packed.
    pub kernel: Kernel,
    /// How its padding is found.
    pub pads: Pads,
    /// Whether there is a second input.
    pub has_residual: bool,
    /// What the kernel does at the end, once more for where that has to wait.
    pub clamp: Clamp,
    /// What values are rounded to after that.
    pub levels: Option<Levels>,
}

impl Convolution {
    fn fit(&self, input: Images) -> Result<(Images, Option<Kernel>)> {
        let (window, taken) = match &self.kernel {
            Kernel::Whole(kernel) => (kernel.window(), kernel.channels_in()),
            Kernel::Winograd(kernel) => (kernel.window(), kernel.channels_in()),
            Kernel::Depthwise(kernel) => (kernel.window(), kernel.channels()),
        };
        if input.channels != taken {
            return Err(Error::input(format!(
                "expected {taken} channels, came {}",
                input.channels
            )));
        }
        let fitting = self.pads.fit(window, input)?;
        let other = (fitting != window).then(|| match &self.kernel {
            Kernel::Whole(kernel) => Kernel::Whole(kernel.with_window(fitting)),
            Kernel::Winograd(kernel) => Kernel::Winograd(kernel.with_window(fitting)),
            Kernel::Depthwise(kernel) => Kernel::Depthwise(kernel.with_window(fitting)),
        });
        let output = match other.as_ref().unwrap_or(&self.kernel) {
            Kernel::Whole(kernel) => kernel.output(input),
            Kernel::Winograd(kernel) => kernel.output(input),
            Kernel::Depthwise(kernel) => kernel.output(input),
        };
        let output = output.ok_or_else(|| Error::input("the window does not fit"))?;
        Ok((output, other))
    }
}

impl Operator for Convolution {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let values = input.elements::<f32>()?;
        let images = images(input)?;
        let (result, fitting) = self.fit(images)?;
        let kernel = fitting.as_ref().unwrap_or(&self.kernel);
        let result = shape(result);
        let mut output = scratch(element_count(&result)?)?;
        let residual = match self.has_residual {
            true => Some(inputs.required(1)?),
            false => None,
        };
        match residual {
            Some(residual) if residual.shape() != result => {
                kernel
                    .with_end(Clamp::NONE, None)
                    .run(images, values, None, &mut output);
                return Ok(vec![self.add(&result, &output, residual)?]);
            }
            residual => {
                let residual = residual.map(Tensor::elements).transpose()?;
                kernel.run(images, values, residual, &mut output);
            }
        }
        Ok(vec![Tensor::of(&result, output)?])
    }
}

impl Convolution {
    /// The sum where one of the two has to be repeated for it.
    fn add(&self, shape: &[usize], output: &[f32], residual: &Tensor) -> Result<Tensor> {
        let added = residual.elements::<f32>()?;
        let target = broadcast(&[shape, residual.shape()])?;
        let strides = [
            broadcast_strides(shape, &target),
            broadcast_strides(residual.shape(), &target),
        ];
        element_count(&target)?;
        let walk = Walk::new(&target, [&strides[0], &strides[1]]);
        let sums = walk.map(|[a, b]| self.clamp.apply(output[a] + added[b]));
        let mut sums: Vec<f32> = sums.collect();
        if let Some(levels) = self.levels {
            levels.apply(&mut sums);
        }
        Tensor::of(&target, sums)
    }
}
