//! LRN, local response normalization.

use super::entry::{OperatorEntry, boxed, onnx};
use super::window::spatial;
use crate::error::{Error, Result};
use crate::in_real;
use crate::operator::{Build, Inputs, Operator};
use crate::real::{Real, reals, rounded};
use crate::tensor::{Tensor, element_count, filled};

pub(super) const OPERATORS: &[OperatorEntry] = &[onnx("LRN", lrn)];

fn lrn(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    boxed(Lrn {
        size: usize::try_from(attributes.required_int("size")?)
            .ok()
            .filter(|&size| size > 0)
            .ok_or_else(|| {
                Error::graph("the attribute `size` is 0 or negative, expected at least 1")
            })?,
        alpha: attributes.float("alpha", 1e-4).into(),
        beta: attributes.float("beta", 0.75).into(),
        bias: attributes.float("bias", 1.0).into(),
    })
}

/// LRN: divides each value by a power of the sum of squares over neighboring channels.
struct Lrn {
    size: usize,
    alpha: f64,
    beta: f64,
    bias: f64,
}

impl Operator for Lrn {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let (_, channels, values) = spatial(input.shape())?;
        let plane = element_count(values)?;
        let datatype = input.datatype();
        let (before, after) = ((self.size - 1) / 2, self.size / 2);
        in_real!(datatype, R => {
            let values = reals::<R>(input)?;
            let mut output = filled(values.len(), R::default())?;
            let (factor, bias) = (R::of(self.alpha / self.size as f64), R::of(self.bias));
            let beta = R::of(-self.beta);
            if !values.is_empty() {
                let images = values.chunks_exact(plane * channels);
                for (image, output) in images.zip(output.chunks_exact_mut(plane * channels)) {
                    for (channel, sums) in output.chunks_exact_mut(plane).enumerate() {
                        let last = channel.saturating_add(after).min(channels - 1);
                        for near in channel.saturating_sub(before)..=last {
                            let values = &image[near * plane..][..plane];
                            sums.iter_mut().zip(values).for_each(|(sum, &v)| *sum += v * v);
                        }
                        let own = &image[channel * plane..][..plane];
                        let pairs = sums.iter_mut().zip(own);
                        // The usual exponent by square roots, which are far faster than a power.
                        match self.beta == 0.75 {
                            true => pairs.for_each(|(sum, &value)| {
                                let root = (bias + factor * *sum).sqrt();
                                *sum = value / (root * root.sqrt());
                            }),
                            false => pairs.for_each(|(sum, &value)| {
                                *sum = value * (bias + factor * *sum).powf(beta);
                            }),
                        }
                    }
                }
            }
            Ok(vec![rounded(input.shape().to_vec(), output, datatype)?])
        })
    }
}
