//! Conv over any number of spatial axes: matrix products in FP32, plain loops for other datatypes and few channels.

use super::entry::{LayoutRule, OperatorEntry, boxed, onnx};
use super::im2col;
use super::window::{Frame, Window, spatial};
use infer_tensor::Datatype;

use crate::error::{Error, Result};
use crate::in_real;
use crate::operator::{Build, Inputs, Operator};
use crate::real::{Ring, common_datatype, reals, rounded};
use crate::tensor::{Tensor, element_count, filled};

pub(super) const OPERATORS: &[OperatorEntry] =
    &[
        onnx("Conv", |build| boxed(Conv(Convolution::read(build)?)))
            .layout(LayoutRule::Convolution),
    ];

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

pub(super) fn add_bias<T: Ring>(
    output: &mut [T],
    bias: Option<&[T]>,
    plane: usize,
    channels: usize,
) {
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
    bias_of(inputs.get(at), channels)
}

/// As [`bias`], of an input that is already at hand.
///
/// # Errors
/// As [`bias`].
pub fn bias_of(bias: Option<&Tensor>, channels: usize) -> Result<Option<&Tensor>> {
    match bias {
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
        let sizes = im2col::Sizes {
            batch: plan.batch,
            groups: plan.groups,
            inputs: plan.inputs,
            outputs: plan.outputs,
        };
        if datatype == Datatype::Fp32 && im2col::wins(&sizes, &plan.frame) {
            let bias = bias(&inputs, 2, plan.groups * plan.outputs)?;
            let bias = bias.map(Tensor::elements::<f32>).transpose()?;
            let (input, weights) = (inputs.elements::<f32>(0)?, inputs.elements::<f32>(1)?);
            let output = im2col::convolve(&sizes, &plan.frame, input, weights, bias)?;
            return Ok(vec![Tensor::of(&plan.shape(), output)?]);
        }
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
