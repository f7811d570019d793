//! What is under a window, tap by tap, as pointers.

use std::ops::Range;

use crate::spec::{Images, Window};

/// What is under a convolution's window, all channels of a pixel for each tap.
pub(crate) struct Indirection<T> {
    window: Window,
    images: Images,
    /// How many lines of an image are there at a time.
    lines: usize,
    /// The output's lines and columns under whose windows there is no padding.
    inner: [Range<usize>; 2],
    /// A pixel of the padding.
    padding: Vec<T>,
}

impl<T: Copy> Indirection<T> {
    /// Of images that become `result`, with `zero` in the padding. So many lines of an image are there at a time, each in the
    /// place of the one that is as many lines above it.
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

    /// Let each tap point to what is under a pixel of an image's output, and say up to which column what is under the
    /// next ones is as many pixels further on as the window's stride is, for all taps.
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
        // As far as nothing is padding, what is under the pixels moves on evenly.
        match self.inner[0].contains(&y) && self.inner[1].contains(&x) {
            true => self.inner[1].end,
            false => x + 1,
        }
    }
}
