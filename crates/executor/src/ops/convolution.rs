//! Conv and ConvTranspose over any number of spatial axes, in plain loops.

use super::entry::{LayoutRule, OperatorEntry, boxed, onnx};
use super::window::{AutoPad, Frame, Window, spatial};
use crate::error::{Error, Result};
use crate::in_real;
use crate::operator::{Build, Inputs, Operator};
use crate::real::{Real, Ring, common_datatype, reals, rounded};
use crate::tensor::{Tensor, element_count, filled};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("Conv", |build| boxed(Conv(Convolution::read(build)?))).layout(LayoutRule::Convolution),
    onnx("ConvTranspose", conv_transpose),
];

fn conv_transpose(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    boxed(ConvTranspose {
        window: Window::read(attributes)?,
        groups: groups(build)?,
        output_padding: attributes.sizes("output_padding")?,
        output_shape: attributes.sizes("output_shape")?,
    })
}

fn groups(build: &Build<'_>) -> Result<usize> {
    Ok(build.attributes().count("group")?.unwrap_or(1))
}

/// The attributes of a convolution, for all datatypes.
pub struct Convolution {
    window: Window,
    groups: usize,
}

/// A convolution planned for the shapes of its input and weights.
pub struct Plan {
    frame: Frame,
    batch: usize,
    groups: usize,
    /// Input channels per group.
    inputs: usize,
    outputs: usize,
}

impl Convolution {
    /// Reads a node's attributes.
    ///
    /// # Errors
    /// `Graph` for attributes that ONNX's specification does not allow.
    pub fn read(build: &Build<'_>) -> Result<Self> {
        Ok(Self {
            window: Window::read(build.attributes())?,
            groups: groups(build)?,
        })
    }

    /// Plans the convolution for an input and weights of these shapes.
    ///
    /// # Errors
    /// `Input` for shapes that do not match.
    pub fn plan(&self, input: &[usize], weights: &[usize]) -> Result<Plan> {
        let (batch, channels, values) = spatial(input)?;
        let (outputs, inputs, kernel) = spatial(weights)?;
        let groups = self.groups;
        if inputs.checked_mul(groups) != Some(channels) || !outputs.is_multiple_of(groups) {
            return Err(Error::input(format!(
                "weights of shape {weights:?} in {groups} groups do not match an input of shape {input:?}"
            )));
        }
        Ok(Plan {
            frame: self.window.over(values, kernel)?,
            batch,
            groups,
            inputs,
            outputs: outputs / groups,
        })
    }
}

impl Plan {
    /// The output's shape.
    #[must_use]
    pub fn shape(&self) -> Vec<usize> {
        let mut shape = vec![self.batch, self.groups * self.outputs];
        shape.extend(&self.frame.windows);
        shape
    }

    /// Computes the convolution, plus a bias per output channel if there is one.
    ///
    /// # Errors
    /// `Memory` if the output does not fit into memory.
    pub fn run<T: Ring>(&self, input: &[T], weights: &[T], bias: Option<&[T]>) -> Result<Vec<T>> {
        let count = element_count(&self.shape())?;
        let mut output = filled(count, T::default())?;
        if count == 0 {
            return Ok(output);
        }
        let window_count = element_count(&self.frame.windows)?;
        let value_count = element_count(&self.frame.values)?;
        let kernel_count = element_count(&self.frame.kernel)?;
        let channels = self.groups * self.outputs;
        add_bias(&mut output, bias, window_count, channels);
        let step = self.frame.step();
        self.frame.for_each_tap(|tap, runs| {
            for (at, plane) in output.chunks_exact_mut(window_count).enumerate() {
                let (image, channel) = (at / channels, at % channels);
                let first = (image * self.groups + channel / self.outputs) * self.inputs;
                for from in 0..self.inputs {
                    let weight = weights[(channel * self.inputs + from) * kernel_count + tap];
                    let values = &input[(first + from) * value_count..][..value_count];
                    for run in runs {
                        let windows = &mut plane[run.windows()];
                        let values = &values[run.values(step)];
                        if step == 1 {
                            for (sum, &value) in windows.iter_mut().zip(values) {
                                *sum = sum.plus_product(value, weight);
                            }
                        } else {
                            for (sum, &value) in windows.iter_mut().zip(values.iter().step_by(step))
                            {
                                *sum = sum.plus_product(value, weight);
                            }
                        }
                    }
                }
            }
        })?;
        Ok(output)
    }
}

fn add_bias<T: Ring>(output: &mut [T], bias: Option<&[T]>, plane: usize, channels: usize) {
    if let Some(bias) = bias {
        for (at, plane) in output.chunks_exact_mut(plane).enumerate() {
            plane.fill(bias[at % channels]);
        }
    }
}

/// Reads the optional bias, one value per channel.
///
/// # Errors
/// `Input` if it has another shape.
pub fn bias<'a>(inputs: &'a Inputs<'_>, at: usize, channels: usize) -> Result<Option<&'a Tensor>> {
    match inputs.get(at) {
        Some(bias) if bias.shape() != [channels] => Err(Error::input(format!(
            "the bias has the shape {:?}, expected [{channels}]",
            bias.shape()
        ))),
        bias => Ok(bias),
    }
}

/// Conv: the weighted sum of each window's values.
struct Conv(Convolution);

impl Operator for Conv {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let datatype = common_datatype(&inputs, &[1, 2])?;
        let plan = self
            .0
            .plan(inputs.required(0)?.shape(), inputs.required(1)?.shape())?;
        in_real!(datatype, R => {
            let bias = bias(&inputs, 2, plan.groups * plan.outputs)?
                .map(|bias| reals::<R>(bias).map(|bias| bias.into_owned()))
                .transpose()?;
            let output = {
                let input = reals::<R>(inputs.required(0)?)?;
                let weights = reals::<R>(inputs.required(1)?)?;
                plan.run(&input, &weights, bias.as_deref())?
            };
            drop(inputs.take(0)?);
            Ok(vec![rounded(plan.shape(), output, datatype)?])
        })
    }
}

/// ConvTranspose: adds each input value times the weights to the window at its position.
struct ConvTranspose {
    window: Window,
    groups: usize,
    output_padding: Option<Vec<usize>>,
    output_shape: Option<Vec<usize>>,
}

impl ConvTranspose {
    /// Places one window per input value over the output.
    fn frame(&self, input: &[usize], kernel: &[usize]) -> Result<Frame> {
        let rank = input.len();
        let per_axis = |name: &str, given: &Option<Vec<usize>>| match given {
            Some(sizes) if sizes.len() != rank => Err(Error::input(format!(
                "the attribute `{name}` has {} numbers, expected {rank}",
                sizes.len()
            ))),
            given => Ok(given.clone()),
        };
        if kernel.len() != rank {
            return Err(Error::input(format!(
                "a window of {kernel:?} does not match {rank} spatial axes"
            )));
        }
        let extra = per_axis("output_padding", &self.output_padding)?.unwrap_or(vec![0; rank]);
        let asked = per_axis("output_shape", &self.output_shape)?;
        let mut frame = self.window.frame(kernel)?;
        frame.windows = input.to_vec();
        let too_large = || Error::input("the output does not fit into memory");
        for axis in 0..rank {
            let full = input[axis]
                .saturating_sub(1)
                .checked_mul(frame.strides[axis])
                .and_then(|full| full.checked_add(extra[axis]))
                .and_then(|full| full.checked_add(frame.reach(axis).ok()?))
                .ok_or_else(too_large)?;
            let is_same = matches!(
                self.window.auto_pad,
                AutoPad::SameUpper | AutoPad::SameLower
            );
            let target = match &asked {
                Some(asked) => Some(asked[axis]),
                None if is_same => Some(
                    input[axis]
                        .checked_mul(frame.strides[axis])
                        .ok_or_else(too_large)?,
                ),
                None => None,
            };
            if let Some(target) = target {
                let total = full.saturating_sub(target);
                let less = total / 2;
                (frame.begin[axis], frame.end[axis]) = match self.window.auto_pad {
                    AutoPad::SameUpper => (less, total - less),
                    _ => (total - less, less),
                };
                frame.values[axis] = target;
                continue;
            }
            let pads = frame.begin[axis] + frame.end[axis];
            frame.values[axis] = full.checked_sub(pads).filter(|&s| s > 0).ok_or_else(|| {
                Error::input(format!(
                    "a padding of {} and {} leaves none of {full} values",
                    frame.begin[axis], frame.end[axis]
                ))
            })?;
        }
        Ok(frame)
    }

    fn compute<R: Real>(&self, inputs: &Inputs<'_>) -> Result<(Vec<usize>, Vec<R>)> {
        let (x, w) = (inputs.required(0)?, inputs.required(1)?);
        let (batch, channels, values) = spatial(x.shape())?;
        let (from, to, kernel) = spatial(w.shape())?;
        if from != channels || !channels.is_multiple_of(self.groups) {
            return Err(Error::input(format!(
                "weights of shape {:?} in {} groups do not match an input of shape {:?}",
                w.shape(),
                self.groups,
                x.shape()
            )));
        }
        let frame = self.frame(values, kernel)?;
        let outputs = to.checked_mul(self.groups).ok_or_else(|| {
            Error::input(format!(
                "the number of channels overflows: {to} in each of {} groups",
                self.groups
            ))
        })?;
        let mut shape = vec![batch, outputs];
        shape.extend(&frame.values);
        let count = element_count(&shape)?;
        let mut output = filled(count, R::default())?;
        if count == 0 {
            return Ok((shape, output));
        }
        let window_count = element_count(values)?;
        let value_count = element_count(&frame.values)?;
        let kernel_count = element_count(kernel)?;
        let bias = bias(inputs, 2, outputs)?.map(reals::<R>).transpose()?;
        add_bias(&mut output, bias.as_deref(), value_count, outputs);
        let (x, w) = (reals::<R>(x)?, reals::<R>(w)?);
        let (step, inputs) = (frame.step(), channels / self.groups);
        frame.for_each_tap(|tap, runs| {
            for (at, plane) in output.chunks_exact_mut(value_count).enumerate() {
                let (image, channel) = (at / outputs, at % outputs);
                for from in 0..inputs {
                    let from = channel / to * inputs + from;
                    let weight = w[(from * to + channel % to) * kernel_count + tap];
                    let input = &x[(image * channels + from) * window_count..][..window_count];
                    scatter(plane, input, runs, step, weight);
                }
            }
        })?;
        Ok((shape, output))
    }
}

/// Adds each window's value times a weight to the value under its tap.
pub(super) fn scatter<T: Ring>(
    plane: &mut [T],
    windows: &[T],
    runs: &[super::window::Run],
    step: usize,
    weight: T,
) {
    for run in runs {
        let values = &mut plane[run.values(step)];
        for (sum, &value) in values.iter_mut().step_by(step).zip(&windows[run.windows()]) {
            *sum = sum.plus_product(value, weight);
        }
    }
}

impl Operator for ConvTranspose {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let datatype = common_datatype(&inputs, &[1, 2])?;
        in_real!(datatype, R => {
            let (shape, output) = self.compute::<R>(&inputs)?;
            Ok(vec![rounded(shape, output, datatype)?])
        })
    }
}
