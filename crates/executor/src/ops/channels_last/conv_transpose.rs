//! FP32 transposed convolution, channels last: a matrix product gives what each input pixel adds to the output, and these
//! windows are added where they overlap.

use infer_kernels::gemm::{Clamp, Packed, gemm};
use infer_kernels::quantization::QuantParams;

use super::{Spatial, images};
use crate::buffer_pool::{give, scratch};
use crate::error::{Error, Result};
use crate::operator::{Inputs, Operator};
use crate::ops::conv_transpose::Transposition;
use crate::tensor::{Tensor, element_count};

/// Approximate number of values of windows that are computed at a time, so that they stay in the L2 cache until they are
/// added.
const SOME: usize = 64 * 1024;

/// The weights of a transposed convolution.
pub enum Weights {
    /// One group: a row for each input channel; a column for each tap and, inside it, each output channel.
    General(Packed),
    /// Depthwise: for each tap the weights of all channels.
    Depthwise(Vec<f32>),
}

/// A transposed convolution, channels last.
pub struct ConvTranspose {
    /// The window, the padding and the output's size.
    pub transposed: Transposition,
    /// The spatial axes that `transposed` has.
    pub axes: Spatial,
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// Channels of the input and of the output.
    pub channels: [usize; 2],
    /// The weights.
    pub weights: Weights,
    /// One value for each output channel.
    pub bias: Option<Vec<f32>>,
    /// The fused activation.
    pub clamp: Clamp,
    /// The quantization that results are rounded to after the activation.
    pub quantization: Option<QuantParams>,
}

/// The positions of windows over the output: tap `t` of input pixel `p` is output pixel `p * stride + t * dilation -
/// begin`. Pairs are vertical, then horizontal.
struct Placement {
    kernel: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
    begin: [usize; 2],
    /// Height and width of the output.
    size: [usize; 2],
}

impl Placement {
    /// The output's row (axis 0) or column (axis 1) under a tap of an input pixel, if the output has it.
    fn output(&self, axis: usize, pixel: usize, tap: usize) -> Option<usize> {
        (pixel * self.strides[axis] + tap * self.dilations[axis])
            .checked_sub(self.begin[axis])
            .filter(|&at| at < self.size[axis])
    }

    /// Calls `visit` with each run of taps of an input pixel that are adjacent in the output: the first tap, the first
    /// output pixel, and the number of them.
    fn for_each_run(&self, [y, x]: [usize; 2], mut visit: impl FnMut(usize, usize, usize)) {
        let [down, across] = self.kernel;
        for row in 0..down {
            let Some(line) = self.output(0, y, row) else {
                continue;
            };
            let (tap, line) = (row * across, line * self.size[1]);
            if self.dilations[1] != 1 {
                for column in 0..across {
                    if let Some(at) = self.output(1, x, column) {
                        visit(tap + column, line + at, 1);
                    }
                }
                continue;
            }
            let left = x * self.strides[1];
            let skipped = self.begin[1].saturating_sub(left).min(across);
            let start = (left + skipped).saturating_sub(self.begin[1]);
            let count = (across - skipped).min(self.size[1].saturating_sub(start));
            if count > 0 {
                visit(tap + skipped, line + start, count);
            }
        }
    }
}

impl ConvTranspose {
    fn place(&self, height: usize, width: usize) -> Result<Placement> {
        let from = 2 - (self.axes.rank() - 2);
        let frame = self
            .transposed
            .frame(&[height, width][from..], &self.kernel[from..])?;
        let lifted = |sizes: &[usize], least: usize| match *sizes {
            [height, width] => [height, width],
            [width] => [least, width],
            _ => [least; 2],
        };
        Ok(Placement {
            kernel: self.kernel,
            strides: lifted(&frame.strides, 1),
            dilations: lifted(&frame.dilations, 1),
            begin: lifted(&frame.begin, 0),
            size: lifted(&frame.values, 1),
        })
    }

    /// Adds the windows of one image's pixels to its output. `room` is for the windows.
    fn add(
        &self,
        place: &Placement,
        width: usize,
        image: &[f32],
        room: &mut [f32],
        output: &mut [f32],
    ) {
        let [inputs, outputs] = self.channels;
        let mut pixel = [0, 0];
        let mut advance = move || {
            let now = pixel;
            pixel = match pixel[1] + 1 == width {
                true => [pixel[0] + 1, 0],
                false => [pixel[0], pixel[1] + 1],
            };
            now
        };
        match &self.weights {
            Weights::General(packed) => {
                let some = room.len() / packed.n();
                for image in image.chunks(some * inputs) {
                    let count = image.len() / inputs;
                    let windows = &mut room[..count * packed.n()];
                    gemm(count, image, packed, None, Clamp::NONE, windows);
                    for window in windows.chunks_exact(packed.n()) {
                        place.for_each_run(advance(), |tap, at, count| {
                            let window = &window[tap * outputs..][..count * outputs];
                            let sums = &mut output[at * outputs..][..count * outputs];
                            sums.iter_mut()
                                .zip(window)
                                .for_each(|(sum, value)| *sum += value);
                        });
                    }
                }
            }
            Weights::Depthwise(weights) => {
                for values in image.chunks_exact(inputs) {
                    place.for_each_run(advance(), |tap, at, count| {
                        let weights =
                            weights[tap * inputs..][..count * inputs].chunks_exact(inputs);
                        let sums = output[at * inputs..][..count * inputs].chunks_exact_mut(inputs);
                        for (sums, weights) in sums.zip(weights) {
                            let products = values.iter().zip(weights);
                            for (sum, (value, weight)) in sums.iter_mut().zip(products) {
                                *sum += value * weight;
                            }
                        }
                    });
                }
            }
        }
    }
}

impl Operator for ConvTranspose {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let values = input.elements::<f32>()?;
        let images = images(input)?;
        let [channels_in, channels_out] = self.channels;
        if images.channels != channels_in {
            return Err(Error::input(format!(
                "expected {channels_in} channels, got {}",
                images.channels
            )));
        }
        let place = self.place(images.height, images.width)?;
        let [height, width] = place.size;
        let result = [images.count, height, width, channels_out];
        let mut output = scratch(element_count(&result)?)?;
        match &self.bias {
            Some(bias) => {
                let pixels = output.chunks_exact_mut(channels_out);
                pixels.for_each(|pixel| pixel.copy_from_slice(bias));
            }
            None => output.fill(0.0),
        }
        if !values.is_empty() && !output.is_empty() {
            let an_image = values.len() / images.count;
            let columns = match &self.weights {
                Weights::General(packed) => packed.n(),
                Weights::Depthwise(_) => 0,
            };
            // A multiple of four rows, which are computed together.
            let some = (SOME / columns.max(1)).clamp(16, 4096) / 4 * 4;
            let some = some.min(images.height * images.width);
            let mut room = scratch(element_count(&[some, columns])?)?;
            for (image, output) in values
                .chunks_exact(an_image)
                .zip(output.chunks_exact_mut(height * width * channels_out))
            {
                self.add(&place, images.width, image, &mut room, output);
            }
            give(Tensor::of(&[room.len()], room)?);
        }
        if self.clamp != Clamp::NONE {
            let clamp = self.clamp;
            output
                .iter_mut()
                .for_each(|value| *value = clamp.apply(*value));
        }
        if let Some(quantization) = self.quantization {
            quantization.fake_quantize(&mut output);
        }
        Ok(vec![Tensor::of(&result, output)?])
    }
}
