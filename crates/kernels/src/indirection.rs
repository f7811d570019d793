//! Indirection buffers: a pointer for each tap of a window.

use std::ops::Range;

use crate::spec::{Images, Window};

/// Fills indirection buffers: the pointer of each tap points to all channels of the pixel under it, or to padding.
pub(crate) struct Indirection<T> {
    window: Window,
    images: Images,
    /// Lines of an image that are in memory at the same time.
    lines: usize,
    /// The rows and columns of the output whose windows contain no padding.
    inner: [Range<usize>; 2],
    /// A pixel of the padding.
    padding: Vec<T>,
}

impl<T: Copy> Indirection<T> {
    /// Create the buffers for windows over `images` whose output has the shape `result`; padding is `zero`. `lines`
    /// lines of an image are in memory at the same time, as a ring buffer.
    pub(crate) fn new(
        window: Window,
        images: Images,
        result: Images,
        lines: usize,
        zero: T,
    ) -> Self {
        let sizes = [(images.height, result.height), (images.width, result.width)];
        let inner = std::array::from_fn(|axis| {
            let (input, output) = sizes[axis];
            let is_inside = |at: &usize| {
                [0, window.kernel[axis] - 1]
                    .into_iter()
                    .all(|tap| window.input(axis, *at, tap, input).is_some())
            };
            let first = (0..output).find(is_inside).unwrap_or(output);
            let end = (first..output).find(|at| !is_inside(at)).unwrap_or(output);
            first..end
        });
        Self {
            window,
            images,
            lines,
            inner,
            padding: vec![zero; images.channels],
        }
    }

    /// Point each tap to the input of an output pixel. Returns the end of the columns that can use these pointers: from
    /// each column to the next, all of them move by the window's stride.
    pub(crate) fn point(&self, image: &[T], y: usize, x: usize, taps: &mut [*const T]) -> usize {
        let Images {
            width,
            height,
            channels,
            ..
        } = self.images;
        let across = self.window.kernel[1];
        for (tap_y, taps) in taps.chunks_exact_mut(across).enumerate() {
            let line = self.window.input(0, y, tap_y, height);
            let line = match self.lines < height {
                true => line.map(|line| line % self.lines),
                false => line,
            };
            for (tap_x, tap) in taps.iter_mut().enumerate() {
                *tap = match (line, self.window.input(1, x, tap_x, width)) {
                    (Some(line), Some(column)) => {
                        image[(line * width + column) * channels..][..channels].as_ptr()
                    }
                    _ => self.padding.as_ptr(),
                };
            }
        }
        // Without padding, all pointers move evenly.
        match self.inner[0].contains(&y) && self.inner[1].contains(&x) {
            true => self.inner[1].end,
            false => x + 1,
        }
    }
}
