//! ConvTranspose over any number of spatial axes, in plain loops.

use super::convolution::{add_bias, bias};
use super::entry::{LayoutRule, OperatorEntry, boxed, microsoft, onnx};
use super::window::{AutoPad, Frame, Run, Window, spatial};
use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::in_real;
use crate::operator::{Input, Inputs, Operator};
use crate::real::{Real, Ring, common_datatype, reals, rounded};
use crate::tensor::{Tensor, element_count, filled};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("ConvTranspose", |build| {
        boxed(ConvTranspose(Transposition::read(build.attributes())?))
    })
    .layout(LayoutRule::Convolution),
    microsoft("ConvTransposeWithDynamicPads", |build| {
        boxed(DynamicPads(Transposition::read(build.attributes())?))
    }),
];

/// The attributes of a transposed convolution.
#[derive(Clone)]
pub struct Transposition {
    window: Window,
    groups: usize,
    output_padding: Option<Vec<usize>>,
    output_shape: Option<Vec<usize>>,
}

impl Transposition {
    /// Reads a node's attributes.
    ///
    /// # Errors
    /// `Graph` for attributes that ONNX's specification does not allow.
    pub fn read(attributes: Attributes<'_>) -> Result<Self> {
        Ok(Self {
            window: Window::read(attributes)?,
            groups: attributes.count("group")?.unwrap_or(1),
            output_padding: attributes.sizes("output_padding")?,
            output_shape: attributes.sizes("output_shape")?,
        })
    }

    /// The number of groups of channels.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Places one window per input value over the output.
    ///
    /// # Errors
    /// `Input` if the attributes have another rank, or no value is left of the output.
    pub fn frame(&self, input: &[usize], kernel: &[usize]) -> Result<Frame> {
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
}

/// ConvTranspose: adds each input value times the weights to the window at its position.
struct ConvTranspose(Transposition);

impl ConvTranspose {
    fn compute<R: Real>(&self, inputs: &Inputs<'_>) -> Result<(Vec<usize>, Vec<R>)> {
        let (x, w) = (inputs.required(0)?, inputs.required(1)?);
        let (batch, channels, values) = spatial(x.shape())?;
        let (from, to, kernel) = spatial(w.shape())?;
        if from != channels || !channels.is_multiple_of(self.0.groups) {
            return Err(Error::input(format!(
                "weights of shape {:?} in {} groups do not match an input of shape {:?}",
                w.shape(),
                self.0.groups,
                x.shape()
            )));
        }
        let frame = self.0.frame(values, kernel)?;
        let outputs = to.checked_mul(self.0.groups).ok_or_else(|| {
            Error::input(format!(
                "the number of channels overflows: {to} in each of {} groups",
                self.0.groups
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
        let (step, inputs) = (frame.step(), channels / self.0.groups);
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

/// ConvTransposeWithDynamicPads of `com.microsoft`: ConvTranspose with the padding as input 2, INT64 `[2 * axes]`, before the
/// bias.
struct DynamicPads(Transposition);

impl Operator for DynamicPads {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let mut transposition = self.0.clone();
        if let Some(pads) = inputs.get(2) {
            transposition.window.set_pads(pads.elements::<i64>()?)?;
        }
        let mut own = vec![
            Some(Input::Owned(inputs.take(0)?)),
            Some(Input::Owned(inputs.take(1)?)),
        ];
        if inputs.get(3).is_some() {
            own.push(Some(Input::Owned(inputs.take(3)?)));
        }
        ConvTranspose(transposition).run(Inputs::new(own))
    }
}

/// Adds each window's value times a weight to the value under its tap.
pub(super) fn scatter<T: Ring>(
    plane: &mut [T],
    windows: &[T],
    runs: &[Run],
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
