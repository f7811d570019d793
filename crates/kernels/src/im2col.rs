//! What is under windows side by side, copied once for all of them.

use std::ops::Range;

use crate::gemm::ROWS;
use crate::spec::{Images, Place, Window};

/// Values that are copied at a time, about: they stay in a core's first cache until they are multiplied.
const FEW: usize = 4096;

/// What is under the windows of some pixels of an output's line, column by column, in each the window's lines from above
/// to below: so all that is under a window stands together, and windows that overlap share their columns.
///
/// To multiply where images stand, stepping from line to line, is slower than to copy.
pub(crate) struct Im2col<T> {
    window: Window,
    images: Images,
    result: Images,
    /// Of each pixel of the images.
    channels: Range<usize>,
    /// What padding is.
    zero: T,
    /// Pixels of the output that are copied for at a time.
    pixels: usize,
    /// Values that are copied at a time: a slot.
    slot: usize,
    slots: usize,
    /// Values that are read of each window.
    row: usize,
    values: Vec<T>,
    /// The first pixel that the last slot was copied for.
    first: Option<Place>,
    /// Where the last slot begins.
    last: usize,
}

impl<T: Copy> Im2col<T> {
    /// For windows over some channels of images that become `result`, with `zero` in the padding. `row` values can be read
    /// of each window, which may be more than are under it.
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
        // What does not overlap evenly is copied for each pixel by itself, and so are long rows: they would not stay in
        // that cache, and to copy them is little beside multiplying them.
        let pixels = match window.dilations[1] == 1 && window.strides[1] < across {
            true => FEW / (window.strides[1] * column).max(1),
            false => 1,
        };
        let pixels = match pixels < 2 * ROWS {
            true => 1,
            false => pixels.min(result.width.max(1)),
        };
        let slot = ((pixels - 1) * window.strides[1] + across) * column;
        // As many as four pixels may need, which may be of several lines.
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

    /// What is under the windows of `count` pixels from `place` on, four at the most, as pointers to a row of values each;
    /// the others are as the last. `place` becomes the one after them, from which the next call has to go on, or
    /// begin again.
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

    /// Where what is under the window stands at a pixel; it stays for the next three.
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

    /// Copy what is under the windows of some pixels from `place` on.
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
        // Columns of the padded image.
        let (left, gap) = (place.x * stride, window.dilations[1]);
        let columns = (pixels - 1) * stride + across;
        // The first that is in the image, and the first that is beyond it.
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

/// Copy `k` values each; `from_step` and `to_step` values on are the next.
#[inline(always)]
fn spread<S, T>(
    k: usize,
    from: &[S],
    from_step: usize,
    to: &mut [T],
    to_step: usize,
    copy: &impl Fn(&[S], &mut [T]),
) {
    // A number that is known when this is compiled needs no loop.
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

/// Copy `N` values each that stand side by side.
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
