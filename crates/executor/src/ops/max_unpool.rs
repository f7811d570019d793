//! MaxUnpool, the inverse of MaxPool.

use super::entry::{OperatorEntry, boxed, onnx};
use super::pooling::window;
use super::window::{Window, spatial};
use crate::error::{Error, Result};
use crate::in_real;
use crate::operator::{Build, Inputs, Operator};
use crate::real::{reals, rounded};
use crate::tensor::{Tensor, element_count, filled};

pub(super) const OPERATORS: &[OperatorEntry] = &[onnx("MaxUnpool", max_unpool)];

fn max_unpool(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(MaxUnpool {
        window: window(build)?,
    })
}

/// MaxUnpool: puts values back at MaxPool's indices, zeros elsewhere.
struct MaxUnpool {
    window: Window,
}

impl MaxUnpool {
    fn shape(&self, input: &[usize], asked: Option<&Tensor>) -> Result<Vec<usize>> {
        let (_, _, values) = spatial(input)?;
        let frame = self
            .window
            .frame(self.window.kernel.as_deref().unwrap_or_default())?;
        if frame.kernel.len() != values.len() {
            return Err(Error::input(format!(
                "a window of {:?} does not match {} spatial axes",
                frame.kernel,
                values.len()
            )));
        }
        let mut shape = input.to_vec();
        for (axis, size) in shape[2..].iter_mut().enumerate() {
            *size = size
                .saturating_sub(1)
                .checked_mul(frame.strides[axis])
                .and_then(|size| size.checked_add(frame.kernel[axis]))
                .and_then(|size| size.checked_sub(frame.begin[axis] + frame.end[axis]))
                .ok_or_else(|| {
                    Error::input(format!("an input of shape {input:?} has no output"))
                })?;
        }
        let Some(asked) = asked else { return Ok(shape) };
        let asked = asked.to_i64()?;
        let sizes: Option<Vec<usize>> = asked
            .iter()
            .map(|&size| usize::try_from(size).ok())
            .collect();
        sizes
            .filter(|sizes| {
                sizes.len() == shape.len()
                    && sizes[..2] == shape[..2]
                    && sizes
                        .iter()
                        .zip(&shape)
                        .all(|(asked, least)| asked >= least)
            })
            .ok_or_else(|| {
                Error::input(format!(
                    "the output shape is {asked:?}, expected at least {shape:?}"
                ))
            })
    }
}

impl Operator for MaxUnpool {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let indices = inputs.elements::<i64>(1)?;
        // Indices refer to the output shape that the attributes give, which may be smaller than the requested one.
        let own = self.shape(input.shape(), None)?;
        let shape = self.shape(input.shape(), inputs.get(2))?;
        if inputs.required(1)?.shape() != input.shape() {
            return Err(Error::input(format!(
                "the indices have the shape {:?}, expected {:?}",
                inputs.required(1)?.shape(),
                input.shape()
            )));
        }
        let own_count = element_count(&own)?;
        let count = element_count(&shape)?;
        let datatype = input.datatype();
        in_real!(datatype, R => {
            let values = reals::<R>(input)?;
            let mut output = filled(count, R::default())?;
            for (&value, &index) in values.iter().zip(indices) {
                let found = usize::try_from(index).ok().filter(|&index| index < own_count);
                let mut index = found.ok_or_else(|| {
                    Error::input(format!("the index {index} is outside {own_count} values"))
                })?;
                let (mut at, mut stride) = (0, 1);
                for (own, asked) in own.iter().zip(&shape).rev() {
                    at += index % own * stride;
                    index /= own;
                    stride *= asked;
                }
                output[at] = value;
            }
            Ok(vec![rounded(shape, output, datatype)?])
        })
    }
}
