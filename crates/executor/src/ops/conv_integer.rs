//! ConvInteger: a convolution of INT8 or UINT8 values, in INT32.

use super::convolution::Convolution;
use super::entry::{OperatorEntry, boxed, onnx};
use super::packed_integer::{PackedInteger, Rows};
use super::quantized::{convolved, zeros};
use super::window::{Frame, Window, spatial};
use crate::buffer_pool::{give, scratch};
use crate::error::Result;
use crate::operator::{Build, Inputs, Operator};
use crate::tensor::{Tensor, element_count, filled};

pub(super) const OPERATORS: &[OperatorEntry] = &[onnx("ConvInteger", conv_integer)];

fn conv_integer(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let packed = PackedConv::of(build)?;
    if packed.is_some() {
        build.consumed = [1, 3]
            .into_iter()
            .filter(|&at| build.has_input(at))
            .collect();
    }
    boxed(ConvInteger {
        conv: Convolution::read(build)?,
        packed,
    })
}

/// ConvInteger: a convolution of INT8 or UINT8 values, in INT32. The weights may have a zero point for each output channel.
struct ConvInteger {
    conv: Convolution,
    packed: Option<PackedConv>,
}

impl Operator for ConvInteger {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        if let Some(packed) = &self.packed {
            let shape = self.conv.plan(input.shape(), &packed.shape)?.shape();
            zeros(&inputs, 2, 1)?;
            let rows = Rows::of(input, inputs.get(2))?;
            return Ok(vec![packed.run(input.shape(), &rows, &shape)?]);
        }
        let plan = self.conv.plan(input.shape(), inputs.required(1)?.shape())?;
        let sums = convolved(&plan, &inputs, (0, 1, 2, 3), None)?;
        Ok(vec![Tensor::of(&plan.shape(), sums)?])
    }
}

/// Output pixels whose windows are copied and multiplied at a time.
const PIXELS: usize = 64;

/// A convolution along one or two axes with constant weights in one group: a product of windows and packed weights.
struct PackedConv {
    window: Window,
    /// The weights' shape, `[outputs, channels, kernel]`.
    shape: Vec<usize>,
    /// The weights, with the channels as the last axis of the rows.
    weights: PackedInteger,
}

/// The sizes of a convolution along two axes; the first has one value where the tensor has one axis.
struct Sizes {
    channels: usize,
    values: [usize; 2],
    kernel: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
    begin: [usize; 2],
    windows: [usize; 2],
}

impl Sizes {
    fn new(channels: usize, frame: &Frame) -> Self {
        let two = |sizes: &[usize], missing: usize| match *sizes {
            [first, second] => [first, second],
            _ => [missing, sizes[0]],
        };
        Self {
            channels,
            values: two(&frame.values, 1),
            kernel: two(&frame.kernel, 1),
            strides: two(&frame.strides, 1),
            dilations: two(&frame.dilations, 1),
            begin: two(&frame.begin, 0),
            windows: two(&frame.windows, 1),
        }
    }

    /// Copies a window of an image, whose channels are its last axis; padding is `zero`.
    fn copy(&self, image: &[u8], window: usize, zero: u8, to: &mut [u8]) {
        let [down, across] = [window / self.windows[1], window % self.windows[1]];
        let input = |axis: usize, window: usize, tap: usize| {
            (window * self.strides[axis] + tap * self.dilations[axis])
                .checked_sub(self.begin[axis])
                .filter(|&at| at < self.values[axis])
        };
        let channels = self.channels;
        let width = self.kernel[1] * channels;
        for (tap, line) in to.chunks_exact_mut(width).enumerate() {
            let Some(y) = input(0, down, tap) else {
                line.fill(zero);
                continue;
            };
            let row = y * self.values[1];
            let ends = [input(1, across, 0), input(1, across, self.kernel[1] - 1)];
            if let ([Some(first), Some(_)], 1) = (ends, self.dilations[1]) {
                line.copy_from_slice(&image[(row + first) * channels..][..width]);
                continue;
            }
            for (tap, pixel) in line.chunks_exact_mut(channels).enumerate() {
                match input(1, across, tap) {
                    Some(x) => pixel.copy_from_slice(&image[(row + x) * channels..][..channels]),
                    None => pixel.fill(zero),
                }
            }
        }
    }
}

impl PackedConv {
    /// Packs constant weights; `None` if they are not constant, or the kernels do not take them.
    fn of(build: &Build<'_>) -> Result<Option<Self>> {
        let (weights, zero) = (build.constant(1), build.constant(3));
        let Some(weights) = weights.filter(|_| build.has_input(3) == zero.is_some()) else {
            return Ok(None);
        };
        let &[outputs, channels, ref kernel @ ..] = weights.shape() else {
            return Ok(None);
        };
        let is_grouped = build.attributes().count("group")?.unwrap_or(1) != 1;
        if is_grouped || !(1..=2).contains(&kernel.len()) || weights.is_empty() {
            return Ok(None);
        }
        let taps = weights.len() / (outputs * channels);
        let at = |row: usize, column: usize| {
            (column * channels + row % channels) * taps + row / channels
        };
        let packed = PackedInteger::packed(weights.data(), [taps * channels, outputs], at, zero);
        let window = Window::read(build.attributes())?;
        Ok(packed.map(|packed| Self {
            window,
            shape: weights.shape().to_vec(),
            weights: packed,
        }))
    }

    /// Computes the output of a shape that has been checked.
    fn run(&self, input: &[usize], rows: &Rows<'_>, shape: &[usize]) -> Result<Tensor> {
        let (_, channels, values) = spatial(input)?;
        let sizes = Sizes::new(channels, &self.window.over(values, &self.shape[2..])?);
        let mut output = filled(element_count(shape)?, 0i32)?;
        let [pixels, windows] = [values, &shape[2..]].map(|sizes| sizes.iter().product::<usize>());
        // Windows over padding alone have a sum of 0.
        if output.is_empty() || rows.bytes().is_empty() {
            return Tensor::of(shape, output);
        }
        let (width, outputs) = (self.weights.rows(), self.weights.columns());
        let zero = rows.zero();
        let mut image = scratch(element_count(&[pixels, channels])?)?;
        let mut copies = scratch(element_count(&[PIXELS, width])?)?;
        let mut sums = filled(element_count(&[PIXELS, outputs])?, 0i32)?;
        let images = rows.bytes().chunks_exact(pixels * channels);
        for (bytes, output) in images.zip(output.chunks_exact_mut(outputs * windows)) {
            for (channel, plane) in bytes.chunks_exact(pixels).enumerate() {
                let to = image[channel..].iter_mut().step_by(channels);
                to.zip(plane).for_each(|(to, &byte)| *to = byte);
            }
            for first in (0..windows).step_by(PIXELS) {
                let count = PIXELS.min(windows - first);
                let copies = &mut copies[..count * width];
                for (at, to) in copies.chunks_exact_mut(width).enumerate() {
                    sizes.copy(&image, first + at, zero as u8, to);
                }
                let sums = &mut sums[..count * outputs];
                self.weights.multiply(copies, zero, sums);
                for (channel, plane) in output.chunks_exact_mut(windows).enumerate() {
                    let sums = sums[channel..].iter().step_by(outputs);
                    let to = plane[first..first + count].iter_mut();
                    to.zip(sums).for_each(|(to, &sum)| *to = sum);
                }
            }
        }
        for buffer in [image, copies] {
            give(Tensor::vector(buffer));
        }
        Tensor::of(shape, output)
    }
}
