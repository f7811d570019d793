//! Conversion between the layouts NCHW and NHWC.

use super::sizes;
use crate::buffer_pool::scratch;
use crate::error::Result;
use crate::operator::{Inputs, Operator};
use crate::tensor::Tensor;

/// Converts the layout of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransposeChannels {
    /// NCHW to NHWC.
    Last,
    /// NHWC to NCHW.
    First,
}

impl Operator for TransposeChannels {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let [count, b, c, d] = sizes(inputs.required(0)?)?;
        let (target, rows, columns) = match self {
            Self::Last => (vec![count, c, d, b], b, c * d),
            Self::First => (vec![count, d, b, c], b * c, d),
        };
        if rows == 1 || columns == 1 {
            return Ok(vec![inputs.take(0)?.reshaped(target)?]);
        }
        let input = inputs.elements::<f32>(0)?;
        let mut output = scratch(input.len())?;
        // `chunks_exact` panics for images without pixels.
        let an_image = (rows * columns).max(1);
        for (input, output) in input
            .chunks_exact(an_image)
            .zip(output.chunks_exact_mut(an_image))
        {
            transpose(input, output, rows, columns);
        }
        Ok(vec![Tensor::of(&target, output)?])
    }
}

/// The rows and columns of a block that is transposed at a time, so that whole cache lines are used.
const BLOCK: usize = 16;

/// Transposes a matrix with that many rows.
pub(super) fn transpose<T: Copy>(input: &[T], output: &mut [T], rows: usize, columns: usize) {
    // RGB images.
    if rows == 3 {
        let (red, rest) = input.split_at(columns);
        let (green, blue) = rest.split_at(columns);
        let colors = red.iter().zip(green).zip(blue);
        for (((red, green), blue), pixel) in colors.zip(output.as_chunks_mut().0) {
            *pixel = [*red, *green, *blue];
        }
        return;
    }
    for row in (0..rows).step_by(BLOCK) {
        for column in (0..columns).step_by(BLOCK) {
            for column in column..columns.min(column + BLOCK) {
                for row in row..rows.min(row + BLOCK) {
                    output[column * rows + row] = input[row * columns + column];
                }
            }
        }
    }
}
