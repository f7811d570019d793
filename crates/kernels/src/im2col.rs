//! im2col: copies of the windows of adjacent output pixels.

use std::ops::Range;

use crate::gemm::ROWS;
use crate::spec::{Images, Place, Window};

/// Approximate number of values that are copied at a time, so that they stay in the L1 cache until they are multiplied.
const FEW: usize = 4096;

/// Copies of the windows of some adjacent output pixels, column by column, each column from top to bottom. So a window is
/// contiguous, and overlapping windows share their columns.
///
/// Multiplying in place, with a stride from line to line, is slower than copying.
pub(crate) struct Im2col<T> {
    window: Window,
    images: Images,
    result: Images,
    /// The channels of each pixel that are copied.
    channels: Range<usize>,
    /// The value of padding.
    zero: T,
    /// Output pixels whose windows are copied into a slot.
    pixels: usize,
    /// Values in a slot.
    slot: usize,
    slots: usize,
    /// Values of each window that the caller may read.
    row: usize,
    values: Vec<T>,
    /// The first output pixel of the last slot.
    first: Option<Place>,
    /// The start of the last slot in `values`.
    last: usize,
}

impl<T: Copy> Im2col<T> {
    /// Create buffers for windows over some channels of `images`, whose output has the shape `result`; padding is
    /// `zero`. The caller may read `row` values of each window, which may be more than the window has.
    pub(crate) fn new(
        window: Window,
        images: Images,
        result: Images,
        channels: Range<usize>,
        zero: T,
        row: usize,
    ) -> Self {
        let [down, across] = window.kernel;
        let column = down * channels.len();
        // Windows that do not overlap evenly are copied one by one. So are large windows: several would not stay in the
        // cache, and copying them takes little time compared with multiplying them.
        let pixels = match window.dilations[1] == 1 && window.strides[1] < across {
            true => FEW / (window.strides[1] * column).max(1),
            false => 1,
        };
        let pixels = match pixels < 2 * ROWS {
            true => 1,
            false => pixels.min(result.width.max(1)),
        };
        let slot = ((pixels - 1) * window.strides[1] + across) * column;
        // Enough for four pixels, which may be on several lines.
        let rest = result.width.wrapping_sub(1) % pixels + 1;
        let slots = if rest + 1 < ROWS { ROWS } else { 2 };
        Self {
            window,
            images,
            result,
            channels,
            zero,
            pixels,
            slot,
            slots,
            row,
            values: vec![zero; slots * slot + row],
            first: None,
            last: 0,
        }
    }

    /// Pointers to the windows of `count` output pixels (four at most) from `place` on; further pointers repeat the last.
    /// `place` moves past these pixels. The next call must continue there or restart at the beginning.
    #[inline(always)]
    pub(crate) fn rows<S>(
        &mut self,
        input: &[S],
        place: &mut Place,
        count: usize,
        copy: impl Fn(&[S], &mut [T]),
    ) -> [*const T; ROWS] {
        let mut rows = [0; ROWS];
        for row in &mut rows[..count] {
            *row = self.at(input, *place, &copy);
            place.advance(&self.result);
        }
        let last = count - 1;
        std::array::from_fn(|at| self.values[rows[at.min(last)]..][..self.row].as_ptr())
    }

    /// The index of a pixel's window in `values`. It remains valid for the next three pixels.
    #[inline(always)]
    fn at<S>(&mut self, input: &[S], place: Place, copy: impl Fn(&[S], &mut [T])) -> usize {
        let pixel = match &self.first {
            Some(first) if (first.image, first.y) == (place.image, place.y) => {
                place.x.wrapping_sub(first.x)
            }
            _ => usize::MAX,
        };
        let pixel = match pixel < self.pixels {
            true => pixel,
            false => {
                self.fill(input, place, copy);
                0
            }
        };
        let step = self.window.strides[1] * self.window.kernel[0] * self.channels.len();
        self.last + pixel * step
    }

    /// Copy the windows of some pixels from `place` on.
    #[inline(never)]
    fn fill<S>(&mut self, input: &[S], place: Place, copy: impl Fn(&[S], &mut [T])) {
        self.last = match self.last + self.slot {
            next if self.first.is_some() && next < self.slots * self.slot => next,
            _ => 0,
        };
        self.first = Some(place);
        let Images {
            height,
            width,
            channels,
            ..
        } = self.images;
        let window = &self.window;
        let [down, across] = window.kernel;
        let (stride, pad) = (window.strides[1], window.pads_before[1]);
        let pixels = self.pixels.min(self.result.width - place.x);
        // The first column and the number of columns, in the padded image.
        let (left, gap) = (place.x * stride, window.dilations[1]);
        let columns = (pixels - 1) * stride + across;
        // The first column in the image, and the first beyond it.
        let start = pad.saturating_sub(left).div_ceil(gap).min(columns);
        let end = (pad + width).saturating_sub(left).div_ceil(gap);
        let end = end.clamp(start, columns);
        let k = self.channels.len();
        let column = down * k;
        for tap in 0..down {
            let to = &mut self.values[self.last + tap * k..][..columns * column];
            let line = window.input(0, place.y, tap, height);
            let inside = match line {
                Some(_) => start..end,
                None => 0..0,
            };
            for outside in (0..inside.start).chain(inside.end..columns) {
                to[outside * column..][..k].fill(self.zero);
            }
            if let Some(line) = line
                && !inside.is_empty()
            {
                let line = (place.image * height + line) * width;
                let first = (line + left + start * gap - pad) * channels;
                let from = &input[first + self.channels.start..];
                let to = &mut to[start * column..end * column];
                spread(k, from, gap * channels, to, column, &copy);
            }
        }
    }
}

/// Strided copy of runs of `k` values; `from_step` and `to_step` are the distances between runs.
#[inline(always)]
fn spread<S, T>(
    k: usize,
    from: &[S],
    from_step: usize,
    to: &mut [T],
    to_step: usize,
    copy: &impl Fn(&[S], &mut [T]),
) {
    // Runs of a constant length are copied without a loop.
    match k {
        1 if from_step == 1 => exactly::<S, T, 1>(from, to, to_step, copy),
        3 if from_step == 3 => exactly::<S, T, 3>(from, to, to_step, copy),
        4 if from_step == 4 => exactly::<S, T, 4>(from, to, to_step, copy),
        _ => {
            for (from, to) in from.chunks(from_step).zip(to.chunks_exact_mut(to_step)) {
                copy(&from[..k], &mut to[..k]);
            }
        }
    }
}

/// Copy contiguous runs of `N` values.
#[inline(always)]
fn exactly<S, T, const N: usize>(
    from: &[S],
    to: &mut [T],
    to_step: usize,
    copy: &impl Fn(&[S], &mut [T]),
) {
    assert!(N <= to_step);
    let (from, _) = from.as_chunks::<N>();
    for (from, to) in from.iter().zip(to.chunks_exact_mut(to_step)) {
        copy(from, &mut to[..N]);
    }
}
