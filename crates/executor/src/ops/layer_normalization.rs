//! Normalization over the last axes, as transformers use it.

use infer_kernels::functions;

use super::entry::{OperatorEntry, boxed, microsoft, onnx};
use super::normalization::moments;
use crate::error::{Error, Result};
use crate::operator::{Build, Inputs, Operator};
use crate::real::{Real, into_reals, reals, rounded};
use crate::tensor::{Tensor, element_count, with_room};
use crate::{in_real, index};
use infer_tensor::Datatype;

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("LayerNormalization", |build| layer(build, Kind::Layer)),
    onnx("RMSNormalization", |build| {
        layer(build, Kind::RootMeanSquare)
    }),
    // ONNX Runtime's name of RMSNormalization, from before ONNX had it. Exporters use both domains.
    onnx("SimplifiedLayerNormalization", |build| {
        layer(build, Kind::RootMeanSquare)
    }),
    microsoft("SimplifiedLayerNormalization", |build| {
        layer(build, Kind::RootMeanSquare)
    }),
    microsoft("SkipLayerNormalization", |build| {
        skip_layer(build, Kind::Layer)
    }),
    microsoft("SkipSimplifiedLayerNormalization", |build| {
        skip_layer(build, Kind::RootMeanSquare)
    }),
];

fn layer(build: &Build<'_>, kind: Kind) -> Result<Box<dyn Operator>> {
    boxed(read(build, kind, 1e-5))
}

/// ONNX Runtime's fusion of an addition and the normalization after it.
fn skip_layer(build: &Build<'_>, kind: Kind) -> Result<Box<dyn Operator>> {
    boxed(LayerNormalization {
        has_skip: true,
        ..read(build, kind, 1e-12)
    })
}

fn read(build: &Build<'_>, kind: Kind, default_epsilon: f32) -> LayerNormalization {
    let attributes = build.attributes();
    LayerNormalization {
        axis: attributes.int("axis", -1),
        epsilon: attributes.float("epsilon", default_epsilon).into(),
        // DOUBLE is 11; FLOAT (1, the default), FLOAT16 (10) and BFLOAT16 (16) are all computed in FP32.
        is_wide: attributes.int("stash_type", 1) == 11,
        kind,
        has_skip: false,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Layer,
    RootMeanSquare,
}

/// LayerNormalization and RMSNormalization; with `has_skip`, ONNX Runtime's versions that first add two tensors.
struct LayerNormalization {
    axis: i64,
    epsilon: f64,
    is_wide: bool,
    kind: Kind,
    has_skip: bool,
}

/// Broadcasts a scale or bias to the last axes of `shape`.
fn expanded<R: Real>(tensor: &Tensor, shape: &[usize]) -> Result<Vec<R>> {
    if index::broadcast(&[tensor.shape(), shape])? != shape {
        return Err(Error::input(format!(
            "a scale or bias of shape {:?} cannot be broadcast to {shape:?}",
            tensor.shape()
        )));
    }
    let values = reals::<R>(tensor)?;
    if tensor.shape() == shape {
        return Ok(values.into_owned());
    }
    let strides = index::broadcast_strides(tensor.shape(), shape);
    let mut result = with_room(element_count(shape)?)?;
    result.extend(index::Walk::new(shape, [&strides]).map(|[at]| values[at]));
    Ok(result)
}

impl LayerNormalization {
    fn compute<R: Real>(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        let datatype = input.datatype();
        let shape = input.shape().to_vec();
        let axis = index::axis(self.axis, shape.len())?;
        let mut values = into_reals::<R>(input)?;
        let mut summed = None;
        let (scale_at, bias_at) = if self.has_skip { (2, 3) } else { (1, 2) };
        if self.has_skip {
            // SkipSimplifiedLayerNormalization has no bias of its own; the next input is added to the sum.
            let is_layer = self.kind == Kind::Layer;
            let added = [Some(1), Some(if is_layer { 4 } else { 3 })];
            for position in added.into_iter().flatten() {
                let Some(other) = inputs.get(position) else {
                    continue;
                };
                let other = expanded::<R>(other, &shape)?;
                values
                    .iter_mut()
                    .zip(&other)
                    .for_each(|(value, &other)| *value += other);
            }
            let mut copy = with_room(values.len())?;
            copy.extend_from_slice(&values);
            summed = Some(rounded(shape.clone(), copy, datatype)?);
        }
        let size = element_count(&shape[axis..])?;
        // A scale that differs between rows is expanded to all rows.
        let own = |tensor: &Tensor| tensor.rank() > shape.len() - axis;
        let vector = |position: usize| -> Result<Option<Vec<R>>> {
            match inputs.get(position) {
                Some(tensor) if own(tensor) => Ok(Some(expanded(tensor, &shape)?)),
                Some(tensor) => Ok(Some(expanded(tensor, &shape[axis..])?)),
                None => Ok(None),
            }
        };
        let scale = vector(scale_at)?
            .ok_or_else(|| Error::graph(format!("input {scale_at} is missing")))?;
        let bias = match self.kind {
            Kind::Layer => vector(bias_at)?,
            Kind::RootMeanSquare => None,
        };
        let rows = values.len().checked_div(size).unwrap_or(0);
        let (mut means, mut factors) = (with_room(rows)?, with_room(rows)?);
        if size > 0 {
            for (at, row) in values.chunks_exact_mut(size).enumerate() {
                let part = |all: &[R]| at * size % all.len();
                let scale = &scale[part(&scale)..][..size];
                let bias = bias.as_ref().map(|bias| &bias[part(bias)..][..size]);
                if self.kind == Kind::Layer
                    && let (Some(scale), Some(row)) = (R::fp32(scale), R::fp32_mut(row))
                {
                    let bias = bias.and_then(R::fp32);
                    let epsilon = self.epsilon as f32;
                    let (mean, factor) = functions::layer_norm(row, epsilon, scale, bias);
                    means.push(R::of(mean.into()));
                    factors.push(R::of(factor.into()));
                    continue;
                }
                let (mean, variance) = match self.kind {
                    Kind::Layer => moments(row),
                    Kind::RootMeanSquare => {
                        let sum = row.iter().fold(R::default(), |sum, &v| sum + v * v);
                        (R::default(), sum / R::of(size as f64))
                    }
                };
                let factor = (variance + R::of(self.epsilon)).sqrt().recip();
                means.push(mean);
                factors.push(factor);
                for (value, &scale) in row.iter_mut().zip(scale) {
                    *value = (*value - mean) * factor * scale;
                }
                if let Some(bias) = bias {
                    row.iter_mut()
                        .zip(bias)
                        .for_each(|(value, &bias)| *value += bias);
                }
            }
        }
        let mut reduced = shape.clone();
        reduced[axis..].fill(1);
        let stash = if self.is_wide {
            Datatype::Fp64
        } else {
            Datatype::Fp32
        };
        let mut outputs = vec![rounded(shape, values, datatype)?];
        if rows > 0 {
            if self.kind == Kind::Layer {
                outputs.push(rounded(reduced.clone(), means, stash)?);
            }
            if self.kind == Kind::Layer || self.has_skip {
                outputs.push(rounded(reduced.clone(), factors, stash)?);
            }
        }
        if let Some(summed) = summed {
            // The outputs in between, mean and standard deviation, are for training.
            while outputs.len() < 3 {
                outputs.push(outputs[outputs.len() - 1].clone());
            }
            outputs.push(summed);
        }
        Ok(outputs)
    }
}

impl Operator for LayerNormalization {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        if self.is_wide {
            return self.compute::<f64>(inputs);
        }
        in_real!(inputs.required(0)?.datatype(), R => self.compute::<R>(inputs))
    }
}
