//! Convolution.

use infer_kernels::conv::{Conv2d, Images};
use infer_kernels::depthwise::Depthwise;
use infer_kernels::gemm::Clamp;

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
    /// Each output channel from its own.
    Depthwise(Depthwise),
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
}

impl Convolution {
    fn fit(&self, input: Images) -> Result<(Images, Option<Kernel>)> {
        let (window, taken) = match &self.kernel {
            Kernel::Whole(kernel) => (kernel.window(), kernel.channels_in()),
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
            Kernel::Depthwise(kernel) => Kernel::Depthwise(kernel.with_window(fitting)),
        });
        let output = match other.as_ref().unwrap_or(&self.kernel) {
            Kernel::Whole(kernel) => kernel.output(input),
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
        match (kernel, residual) {
            (Kernel::Depthwise(kernel), _) => kernel.run(images, values, &mut output),
            (Kernel::Whole(kernel), None) => kernel.run(images, values, None, &mut output),
            (Kernel::Whole(kernel), Some(residual)) if residual.shape() == result => {
                kernel.run(images, values, Some(residual.elements()?), &mut output);
            }
            (Kernel::Whole(kernel), Some(residual)) => {
                kernel
                    .with_clamp(Clamp::NONE)
                    .run(images, values, None, &mut output);
                return Ok(vec![self.add(&result, &output, residual)?]);
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
        Tensor::of(&target, sums.collect())
    }
}
