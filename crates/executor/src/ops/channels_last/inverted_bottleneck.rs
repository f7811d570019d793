//! The fused inverted bottleneck: a pointwise convolution and the depthwise convolution of its output, in one pass.

use infer_kernels::inverted_bottleneck::InvertedBottleneck as Kernel;

use super::conv::fit;
use super::pads::Pads;
use super::{images, shape};
use crate::buffer_pool::{give, scratch};
use crate::error::Result;
use crate::operator::{Inputs, Operator};
use crate::tensor::{Tensor, element_count};

/// A fused inverted bottleneck, channels last.
pub struct InvertedBottleneck {
    /// The kernel, with packed weights of both convolutions.
    pub kernel: Kernel,
    /// How the padding of the depthwise convolution is determined.
    pub pads: Pads,
}

impl Operator for InvertedBottleneck {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let values = input.elements::<f32>()?;
        let images = images(input)?;
        let (_, between) = fit(self.kernel.pointwise(), Pads::Given, images)?;
        let spec = self.kernel.depthwise();
        let (fitting, result) = fit(spec, self.pads, between)?;
        let other = (fitting != *spec).then(|| self.kernel.with_depthwise(fitting));
        let kernel = other.as_ref().unwrap_or(&self.kernel);
        let result = shape(result);
        let mut output = scratch(element_count(&result)?)?;
        let mut room = scratch(kernel.scratch_len(images))?;
        kernel.run(images, values, &mut room, &mut output);
        give(Tensor::of(&[room.len()], room)?);
        Ok(vec![Tensor::of(&result, output)?])
    }
}
