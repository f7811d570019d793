//! Normalization over batches, channels and groups, whose axes ONNX fixes.

use super::entry::{LayoutRule, OperatorEntry, boxed, onnx};
use super::window::spatial;
use crate::error::{Error, Result};
use crate::operator::{Build, Inputs, Operator};
use crate::real::{Real, common_datatype, into_reals, reals, rounded};
use crate::tensor::{Tensor, element_count, filled};
use crate::{in_real, index};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("BatchNormalization", batch_normalization).layout(LayoutRule::Normalization),
    onnx("GroupNormalization", group_normalization),
    onnx("InstanceNormalization", instance_normalization),
    onnx("LpNormalization", lp_normalization),
    onnx("MeanVarianceNormalization", mean_variance_normalization),
];

fn instance_normalization(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(InstanceNormalization {
        epsilon: epsilon(build),
    })
}

fn epsilon(build: &Build<'_>) -> f64 {
    build.attributes().float("epsilon", 1e-5).into()
}

fn group_normalization(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(GroupNormalization {
        epsilon: epsilon(build),
        groups: build.attributes().required_int("num_groups")?,
        // Before version 21 scale and bias are per group.
        is_by_channel: build.opset >= 21,
    })
}

fn lp_normalization(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let p = attributes.int("p", 2);
    if !(1..=2).contains(&p) {
        return Err(Error::graph(format!(
            "the attribute `p` is {p}, expected 1 or 2"
        )));
    }
    boxed(LpNormalization {
        axis: attributes.int("axis", -1),
        p,
    })
}

fn mean_variance_normalization(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let axes = build
        .attributes()
        .ints("axes")
        .unwrap_or(&[0, 2, 3])
        .to_vec();
    boxed(MeanVarianceNormalization { axes })
}

/// The mean and the population variance of values.
pub fn moments<R: Real>(values: &[R]) -> (R, R) {
    let count = R::of(values.len() as f64);
    let mean = values.iter().fold(R::default(), |sum, &v| sum + v) / count;
    let squares = values
        .iter()
        .fold(R::default(), |sum, &v| sum + (v - mean) * (v - mean));
    (mean, squares / count)
}

fn batch_normalization(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let is_training = match build.opset {
        14.. => attributes.flag("training_mode", false),
        // Before version 14 the number of outputs told training from inference, and its computation is not specified.
        7..14 => (1..5).any(|output| build.has_output(output)),
        _ => !attributes.flag("is_test", false),
    };
    if is_training && build.opset < 14 {
        return Err(Error::unsupported(
            "training mode is not supported before version 14, expected one output",
        ));
    }
    if build.opset < 9 && !attributes.flag("spatial", true) {
        return Err(Error::unsupported(
            "the attribute `spatial` is 0, which is not supported, expected 1",
        ));
    }
    Ok(Box::new(BatchNormalization {
        epsilon: epsilon(build),
        momentum: attributes.float("momentum", 0.9).into(),
        is_training,
    }))
}

/// Reads an input with one value per channel.
fn by_channel<R: Real>(inputs: &Inputs<'_>, at: usize, channels: usize) -> Result<Vec<R>> {
    let input = inputs.required(at)?;
    if input.shape() != [channels] {
        return Err(Error::input(format!(
            "input {at} has the shape {:?}, expected [{channels}]",
            input.shape()
        )));
    }
    Ok(reals::<R>(input)?.into_owned())
}

/// BatchNormalization, with the given mean and variance. In training mode it uses those of the batch, and also outputs the
/// running mean and variance.
struct BatchNormalization {
    epsilon: f64,
    momentum: f64,
    is_training: bool,
}

impl BatchNormalization {
    fn compute<R: Real>(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        let datatype = input.datatype();
        let shape = input.shape().to_vec();
        let (batch, channels) = match shape[..] {
            [batch, channels, ..] => (batch, channels),
            // ONNX counts an input without a channel axis as one channel.
            [batch] => (batch, 1),
            [] => {
                return Err(Error::input("expected a batch, got a scalar"));
            }
        };
        let scale = by_channel::<R>(&inputs, 1, channels)?;
        let bias = by_channel::<R>(&inputs, 2, channels)?;
        let mut mean = by_channel::<R>(&inputs, 3, channels)?;
        let mut variance = by_channel::<R>(&inputs, 4, channels)?;
        let plane = element_count(shape.get(2..).unwrap_or_default())?;
        let mut values = into_reals::<R>(input)?;
        let mut running = Vec::new();
        if self.is_training {
            let old = (mean.clone(), variance.clone());
            for channel in 0..channels {
                let mut own = crate::tensor::with_room(batch * plane)?;
                if plane > 0 {
                    let planes = values.chunks_exact(plane).skip(channel).step_by(channels);
                    planes.for_each(|plane| own.extend_from_slice(plane));
                }
                (mean[channel], variance[channel]) = moments(&own);
            }
            let momentum = R::of(self.momentum);
            let mix = |old: &[R], new: &[R]| -> Vec<R> {
                let mixed = old.iter().zip(new);
                mixed
                    .map(|(&old, &new)| old * momentum + new * (R::one() - momentum))
                    .collect()
            };
            for (position, (old, new)) in [(&old.0, &mean), (&old.1, &variance)].iter().enumerate()
            {
                let datatype = inputs.required(3 + position)?.datatype();
                running.push(rounded(vec![channels], mix(old, new), datatype)?);
            }
        }
        if plane > 0 {
            for (at, plane) in values.chunks_exact_mut(plane).enumerate() {
                let channel = at % channels;
                let factor = scale[channel] / (variance[channel] + R::of(self.epsilon)).sqrt();
                let (mean, bias) = (mean[channel], bias[channel]);
                plane
                    .iter_mut()
                    .for_each(|v| *v = (*v - mean) * factor + bias);
            }
        }
        let mut outputs = vec![rounded(shape, values, datatype)?];
        outputs.extend(running);
        Ok(outputs)
    }
}

impl Operator for BatchNormalization {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        in_real!(inputs.required(0)?.datatype(), R => self.compute::<R>(inputs))
    }
}

/// InstanceNormalization: normalizes each channel of each image by its own mean and variance.
struct InstanceNormalization {
    epsilon: f64,
}

/// Normalizes each run of `size` values by its own mean and variance, then applies `scale` and `bias` to each run of
/// `plane` values.
fn normalize<R: Real>(
    values: &mut [R],
    (size, plane): (usize, usize),
    epsilon: f64,
    scale_bias: impl Fn(usize) -> (R, R),
) {
    if plane == 0 || size == 0 {
        return;
    }
    let mut at = 0;
    for values in values.chunks_exact_mut(size) {
        let (mean, variance) = moments(values);
        let factor = (variance + R::of(epsilon)).sqrt().recip();
        for plane in values.chunks_exact_mut(plane) {
            let (scale, bias) = scale_bias(at);
            plane
                .iter_mut()
                .for_each(|v| *v = (*v - mean) * factor * scale + bias);
            at += 1;
        }
    }
}

impl Operator for InstanceNormalization {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let datatype = common_datatype(&inputs, &[1, 2])?;
        let input = inputs.take(0)?;
        let shape = input.shape().to_vec();
        let (_, channels, values) = spatial(&shape)?;
        let plane = element_count(values)?;
        in_real!(datatype, R => {
            let scale = by_channel::<R>(&inputs, 1, channels)?;
            let bias = by_channel::<R>(&inputs, 2, channels)?;
            let mut values = into_reals::<R>(input)?;
            normalize(&mut values, (plane, plane), self.epsilon, |at| {
                (scale[at % channels], bias[at % channels])
            });
            Ok(vec![rounded(shape, values, datatype)?])
        })
    }
}

/// GroupNormalization: normalizes each group of channels of each image by its own mean and variance.
struct GroupNormalization {
    epsilon: f64,
    groups: i64,
    is_by_channel: bool,
}

impl Operator for GroupNormalization {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let datatype = common_datatype(&inputs, &[1, 2])?;
        let input = inputs.take(0)?;
        let shape = input.shape().to_vec();
        let (_, channels, values) = spatial(&shape)?;
        let plane = element_count(values)?;
        let groups = usize::try_from(self.groups)
            .ok()
            .filter(|&groups| groups > 0 && channels.is_multiple_of(groups))
            .ok_or_else(|| {
                Error::input(format!(
                    "{channels} channels cannot be split into {} groups",
                    self.groups
                ))
            })?;
        let in_group = channels / groups;
        let factors = if self.is_by_channel { channels } else { groups };
        in_real!(datatype, R => {
            let scale = by_channel::<R>(&inputs, 1, factors)?;
            let bias = by_channel::<R>(&inputs, 2, factors)?;
            let mut values = into_reals::<R>(input)?;
            normalize(&mut values, (plane * in_group, plane), self.epsilon, |at| {
                let channel = at % channels;
                let at = if self.is_by_channel { channel } else { channel / in_group };
                (scale[at], bias[at])
            });
            Ok(vec![rounded(shape, values, datatype)?])
        })
    }
}

/// LpNormalization: divides each vector along an axis by its norm; a zero vector stays.
struct LpNormalization {
    axis: i64,
    p: i64,
}

impl Operator for LpNormalization {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        let datatype = input.datatype();
        let shape = input.shape().to_vec();
        let axis = index::axis(self.axis, shape.len())?;
        let inner = element_count(&shape[axis + 1..])?;
        let block = element_count(&shape[axis..])?;
        in_real!(datatype, R => {
            let mut values = into_reals::<R>(input)?;
            let mut norms = filled(inner, R::default())?;
            if !values.is_empty() {
                for block in values.chunks_exact_mut(block) {
                    norms.fill(R::default());
                    for row in block.chunks_exact(inner) {
                        for (norm, &value) in norms.iter_mut().zip(row) {
                            *norm += if self.p == 1 { value.abs() } else { value * value };
                        }
                    }
                    if self.p == 2 {
                        norms.iter_mut().for_each(|norm| *norm = norm.sqrt());
                    }
                    for row in block.chunks_exact_mut(inner) {
                        for (value, &norm) in row.iter_mut().zip(&norms) {
                            *value = if norm == R::default() { norm } else { *value / norm };
                        }
                    }
                }
            }
            Ok(vec![rounded(shape, values, datatype)?])
        })
    }
}

/// MeanVarianceNormalization: normalizes over the given axes. ONNX adds an epsilon of 1e-9 to the standard deviation.
struct MeanVarianceNormalization {
    axes: Vec<i64>,
}

impl Operator for MeanVarianceNormalization {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        let datatype = input.datatype();
        let shape = input.shape().to_vec();
        let axes = index::axes(&self.axes, shape.len())?;
        let mut kept = shape.clone();
        // The sizes of an empty tensor may have a product that overflows.
        let mut count = 1usize;
        for &axis in &axes {
            count = count.saturating_mul(shape[axis]);
            kept[axis] = 1;
        }
        let strides = index::broadcast_strides(&kept, &shape);
        in_real!(datatype, R => {
            let mut values = into_reals::<R>(input)?;
            let groups = element_count(&kept)?;
            let (mut means, mut squares) = (filled(groups, R::default())?, filled(groups, R::default())?);
            if values.is_empty() {
                return Ok(vec![rounded(shape, values, datatype)?]);
            }
            for (value, [at]) in values.iter().zip(index::Walk::new(&shape, [&strides])) {
                means[at] += *value;
            }
            means.iter_mut().for_each(|mean| *mean /= R::of(count as f64));
            for (value, [at]) in values.iter_mut().zip(index::Walk::new(&shape, [&strides])) {
                *value -= means[at];
                squares[at] += *value * *value;
            }
            let deviations = squares.iter_mut();
            deviations.for_each(|sum| {
                *sum = (*sum / R::of(count as f64)).sqrt() + R::of(1e-9);
            });
            for (value, [at]) in values.iter_mut().zip(index::Walk::new(&shape, [&strides])) {
                *value /= squares[at];
            }
            Ok(vec![rounded(shape, values, datatype)?])
        })
    }
}
