//! Conversion between the layouts NCHW and NHWC.

use super::Spatial;
use crate::buffer_pool::scratch;
use crate::error::{Error, Result};
use crate::operator::{Inputs, Operator};
use crate::tensor::Tensor;

/// Converts the layout of images or signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransposeChannels {
    /// From the file's layout to channels-last.
    Last(Spatial),
    /// From channels-last to the file's layout.
    First(Spatial),
    /// From channels-last to a tensor whose last axis are the channels, in the file: `[batch, width, channels]` for
    /// signals. Nothing moves.
    Bare(Spatial),
    /// The reverse of `Bare`.
    Framed(Spatial),
}

impl TransposeChannels {
    /// The target's shape, and the rows and columns of each image that are transposed, if there are any.
    ///
    /// # Errors
    /// `Input` for a tensor with other axes.
    fn plan(self, shape: &[usize]) -> Result<(Vec<usize>, [usize; 2])> {
        use Spatial::{One, Two};
        Ok(match (self, shape) {
            (Self::Last(One), &[n, c, w]) => (vec![n, 1, w, c], [c, w]),
            (Self::Last(Two), &[n, c, h, w]) => (vec![n, h, w, c], [c, h.saturating_mul(w)]),
            (Self::First(One), &[n, 1, w, c]) => (vec![n, c, w], [w, c]),
            (Self::First(Two), &[n, h, w, c]) => (vec![n, c, h, w], [h.saturating_mul(w), c]),
            (Self::Bare(One), &[n, 1, w, c]) => (vec![n, w, c], [1, 1]),
            (Self::Framed(One), &[n, w, c]) => (vec![n, 1, w, c], [1, 1]),
            (Self::Bare(Two) | Self::Framed(Two), &[n, h, w, c]) => (vec![n, h, w, c], [1, 1]),
            (Self::Last(axes) | Self::First(axes) | Self::Bare(axes) | Self::Framed(axes), _) => {
                return Err(Error::input(format!(
                    "expected a tensor with {} axes, got the shape {shape:?}",
                    axes.rank()
                )));
            }
        })
    }
}

impl Operator for TransposeChannels {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (target, [rows, columns]) = self.plan(inputs.required(0)?.shape())?;
        if rows == 1 || columns == 1 {
            return Ok(vec![inputs.take(0)?.reshaped(target)?]);
        }
        let input = inputs.elements::<f32>(0)?;
        let mut output = scratch(input.len())?;
        // `chunks_exact` panics for images without pixels.
        let an_image = rows.saturating_mul(columns).max(1);
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
