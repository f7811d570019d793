//! Col2Im, the inverse of im2col.

use super::conv_transpose::scatter;
use super::entry::{OperatorEntry, boxed, onnx};
use super::window::{Frame, Window};
use crate::error::{Error, Result};
use crate::in_real;
use crate::operator::{Build, Inputs, Operator};
use crate::real::{Real, Ring, into_reals, rounded};
use crate::tensor::{Tensor, element_count, filled};

pub(super) const OPERATORS: &[OperatorEntry] = &[onnx("Col2Im", col2im)];

fn col2im(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(Col2Im {
        window: Window::read(build.attributes())?,
    })
}

/// Col2Im: puts the blocks of an image, given as columns, back into place. Overlapping values are summed.
struct Col2Im {
    window: Window,
}

impl Operator for Col2Im {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let sizes = |position: usize| -> Result<Vec<usize>> {
            let given = inputs.required(position)?.to_i64()?;
            given
                .iter()
                .map(|&size| {
                    usize::try_from(size).map_err(|_| {
                        Error::input(format!("input {position} is {given:?}, expected sizes"))
                    })
                })
                .collect()
        };
        let (image, block) = (sizes(1)?, sizes(2)?);
        let columns = inputs.take(0)?;
        let frame = self.window.over(&image, &block)?;
        let taps = element_count(&block)?;
        let window_count = element_count(&frame.windows)?;
        let &[batch, rows, length] = columns.shape() else {
            return Err(Error::input(format!(
                "expected columns with 3 axes, got the shape {:?}",
                columns.shape()
            )));
        };
        if taps == 0 || !rows.is_multiple_of(taps) || length != window_count {
            return Err(Error::input(format!(
                "columns of shape {:?} do not match {window_count} blocks of {block:?}",
                columns.shape()
            )));
        }
        let mut shape = vec![batch, rows / taps];
        shape.extend(&image);
        let datatype = columns.datatype();
        let value_count = element_count(&image)?;
        let count = element_count(&shape)?;
        let step = frame.step();
        // Adding a block is a transposed convolution with weights of 1.
        fn add<T: Ring>(
            (input, output): (&[T], &mut [T]),
            (frame, one): (&Frame, T),
            (value_count, window_count, taps, step): (usize, usize, usize, usize),
        ) -> Result<()> {
            if output.is_empty() {
                return Ok(());
            }
            frame.for_each_tap(|tap, runs| {
                for (at, plane) in output.chunks_exact_mut(value_count).enumerate() {
                    let windows = &input[(at * taps + tap) * window_count..][..window_count];
                    scatter(plane, windows, runs, step, one);
                }
            })
        }
        let layout = (value_count, window_count, taps, step);
        if matches!(datatype, infer_tensor::Datatype::Int32) {
            let input = columns.into_elements::<i32>()?;
            let mut output = filled(count, 0)?;
            add((&input, &mut output), (&frame, 1), layout)?;
            return Ok(vec![Tensor::of(&shape, output)?]);
        }
        in_real!(datatype, R => {
            let input = into_reals::<R>(columns)?;
            let mut output = filled(count, R::default())?;
            add((&input, &mut output), (&frame, R::of(1.0)), layout)?;
            Ok(vec![rounded(shape, output, datatype)?])
        })
    }
}
