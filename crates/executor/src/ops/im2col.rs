//! FP32 convolution over any number of axes, with weights that may be computed: im2col and matrix products.
//!
//! The weights are the left side, so that the output has the file's layout. The right side is a copy of some windows,
//! which is packed anew for each product.

use infer_kernels::gemm::{Clamp, Packed, gemm};

use super::window::Frame;
use crate::buffer_pool::{give, scratch};
use crate::error::{Error, ErrorKind, Result};
use crate::index::strides;
use crate::tensor::{Tensor, element_count};

/// Approximate number of values of windows that are copied at a time, so that they stay in the L2 cache.
const SOME: usize = 96 * 1024;
/// A panel of a packed matrix has that many columns.
const COLUMNS: usize = 8;
/// Rows that a product computes together: fewer output channels take as long.
const FEWEST: usize = 4;

/// The sizes of a convolution.
pub(super) struct Sizes {
    /// Images of the batch.
    pub(super) batch: usize,
    /// Groups of channels.
    pub(super) groups: usize,
    /// Input channels of a group.
    pub(super) inputs: usize,
    /// Output channels of a group.
    pub(super) outputs: usize,
}

/// Whether matrix products are faster than plain loops.
pub(super) fn wins(sizes: &Sizes, frame: &Frame) -> bool {
    let taps = frame
        .kernel
        .iter()
        .fold(1usize, |all, &size| all.saturating_mul(size));
    sizes.outputs >= FEWEST && taps.saturating_mul(sizes.inputs) >= FEWEST
}

/// Computes a convolution, plus a bias for each output channel if there is one. The input is `[batch, groups * inputs,
/// values…]`, the weights `[groups * outputs, inputs, kernel…]`, the output `[batch, groups * outputs, windows…]`.
///
/// # Errors
/// `Memory` if the output or the copies do not fit into memory.
pub(super) fn convolve(
    sizes: &Sizes,
    frame: &Frame,
    input: &[f32],
    weights: &[f32],
    bias: Option<&[f32]>,
) -> Result<Vec<f32>> {
    let windows = element_count(&frame.windows)?;
    let values = element_count(&frame.values)?;
    let channels = sizes.groups * sizes.outputs;
    let count = element_count(&[sizes.batch, channels, windows])?;
    let mut output = scratch(count)?;
    let k = element_count(&frame.kernel)? * sizes.inputs;
    if count == 0 || k == 0 {
        output.fill(0.0);
        return Ok(output);
    }
    let some = (SOME / k)
        .max(COLUMNS)
        .next_multiple_of(COLUMNS)
        .min(windows);
    let mut matrix = scratch(element_count(&[k, some])?)?;
    let mut product = scratch(element_count(&[sizes.outputs, some])?)?;
    let mut packed = Packed::default();
    let planes = sizes.inputs * values;
    for (at, output) in output.chunks_exact_mut(sizes.outputs * windows).enumerate() {
        let group = at % sizes.groups;
        // There are no values in empty images, whose padding has windows all the same.
        let input = &input[at * planes..][..planes];
        let weights = &weights[group * sizes.outputs * k..][..sizes.outputs * k];
        for first in (0..windows).step_by(some) {
            let width = some.min(windows - first);
            let matrix = &mut matrix[..k * width];
            copy_windows(frame, input, values, first, width, matrix);
            packed
                .repack(k, width, matrix)
                .map_err(|_| Error::new(ErrorKind::Memory, "the windows do not fit into memory"))?;
            let product = &mut product[..sizes.outputs * width];
            gemm(sizes.outputs, weights, &packed, None, Clamp::NONE, product);
            let lines = output
                .chunks_exact_mut(windows)
                .zip(product.chunks_exact(width));
            for (channel, (line, product)) in lines.enumerate() {
                let bias = bias.map_or(0.0, |bias| bias[group * sizes.outputs + channel]);
                let line = line[first..][..width].iter_mut();
                line.zip(product)
                    .for_each(|(value, product)| *value = product + bias);
            }
        }
    }
    give(Tensor::of(&[matrix.len()], matrix)?);
    give(Tensor::of(&[product.len()], product)?);
    Ok(output)
}

/// Copies `width` windows from the window `first` on into a matrix: a row for each channel and, inside it, each tap; a
/// column for each window.
fn copy_windows(
    frame: &Frame,
    input: &[f32],
    values: usize,
    first: usize,
    width: usize,
    matrix: &mut [f32],
) {
    matrix.fill(0.0);
    if values == 0 {
        return;
    }
    let last = frame.kernel.len() - 1;
    let window_strides = strides(&frame.windows);
    let value_strides = strides(&frame.values);
    let taps: usize = frame.kernel.iter().product();
    let across = frame.windows[last];
    let (stride, gap, begin) = (
        frame.strides[last],
        frame.dilations[last],
        frame.begin[last],
    );
    let mut done = 0;
    while done < width {
        // A part of a line of windows.
        let window = first + done;
        let x = window % across;
        let count = (across - x).min(width - done);
        for line_tap in 0..taps / frame.kernel[last] {
            let Some(line) = line_of(frame, window, line_tap, &window_strides, &value_strides)
            else {
                continue;
            };
            for column in 0..frame.kernel[last] {
                let reach = column * gap;
                // The first window whose tap is over a value, and the first behind them.
                let from = begin
                    .saturating_sub(reach)
                    .div_ceil(stride)
                    .clamp(x, x + count);
                let to = (frame.values[last] + begin)
                    .saturating_sub(reach)
                    .div_ceil(stride);
                let to = to.clamp(from, x + count);
                if from == to {
                    continue;
                }
                let value = line + from * stride + reach - begin;
                let tap = line_tap * frame.kernel[last] + column;
                let rows = matrix.chunks_exact_mut(taps * width);
                for (row, plane) in rows.zip(input.chunks_exact(values)) {
                    let row = &mut row[tap * width + done + from - x..][..to - from];
                    let plane = &plane[value..];
                    match stride {
                        1 => row.copy_from_slice(&plane[..row.len()]),
                        _ => {
                            let plane = plane.iter().step_by(stride);
                            row.iter_mut().zip(plane).for_each(|(to, from)| *to = *from);
                        }
                    }
                }
            }
        }
        done += count;
    }
}

/// The offset of the line of values under a tap of a window on all axes but the last; `None` in the padding.
fn line_of(
    frame: &Frame,
    window: usize,
    tap: usize,
    window_strides: &[usize],
    value_strides: &[usize],
) -> Option<usize> {
    let (mut line, mut tap) = (0, tap);
    for axis in (0..frame.kernel.len() - 1).rev() {
        let at = window / window_strides[axis] % frame.windows[axis];
        let reach = tap % frame.kernel[axis] * frame.dilations[axis];
        tap /= frame.kernel[axis];
        let value = (at * frame.strides[axis] + reach).checked_sub(frame.begin[axis])?;
        if value >= frame.values[axis] {
            return None;
        }
        line += value * value_strides[axis];
    }
    Some(line)
}
