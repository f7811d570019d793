//! Two-dimensional convolution, channels last.

use std::sync::Arc;

use crate::gemm::{COLUMNS, Clamp, Packed, ROWS, Target, gemm_into, panels_a_block};
use crate::levels::Levels;

/// Where a window goes over an image: the same for convolutions and for pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width.
    pub kernel: [usize; 2],
    /// Down and across.
    pub strides: [usize; 2],
    /// Down and across.
    pub dilations: [usize; 2],
    /// Rows above and columns to the left that are zero.
    pub pads_before: [usize; 2],
    /// Rows below and columns to the right that are zero.
    pub pads_after: [usize; 2],
}

impl Window {
    /// The output's height and width for an input's; none where the window is larger than the padded input.
    #[must_use]
    pub fn output(&self, input: [usize; 2]) -> Option<[usize; 2]> {
        let mut sizes = [0; 2];
        for axis in 0..2 {
            let padded = input[axis]
                .checked_add(self.pads_before[axis])?
                .checked_add(self.pads_after[axis])?;
            let window = self.dilations[axis].checked_mul(self.kernel[axis].checked_sub(1)?)? + 1;
            sizes[axis] = padded.checked_sub(window)? / self.strides[axis].max(1) + 1;
        }
        Some(sizes)
    }

    /// Places in the window.
    #[must_use]
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The input's row (axis 0) or column (axis 1) under a place of the window; none in the padding.
    #[must_use]
    pub fn input(&self, axis: usize, output: usize, tap: usize, size: usize) -> Option<usize> {
        (output * self.strides[axis] + tap * self.dilations[axis])
            .checked_sub(self.pads_before[axis])
            .filter(|&at| at < size)
    }

    fn is_pointwise(&self) -> bool {
        *self
            == Self {
                kernel: [1, 1],
                strides: [1, 1],
                dilations: self.dilations,
                pads_before: [0, 0],
                pads_after: [0, 0],
            }
    }
}

/// Images side by side in one slice, channels last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Images {
    /// How many.
    pub count: usize,
    /// Of each.
    pub height: usize,
    /// Of each.
    pub width: usize,
    /// Of each pixel.
    pub channels: usize,
}

impl Images {
    /// Values of all of them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count * self.height * self.width * self.channels
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A convolution with its weights packed.
#[derive(Clone, Debug)]
pub struct Conv2d {
    window: Window,
    groups: Arc<[Packed]>,
    channels_in: usize,
    channels_out: usize,
    clamp: Clamp,
    levels: Option<Levels>,
}

impl Conv2d {
    /// Pack weights `[channels_out, channels_in / groups, kernel height, kernel width]` (ONNX's order), and biases, zero where
    /// there are none.
    ///
    /// # Panics
    /// When the slices are not as long as that, or the groups do not divide the channels.
    #[must_use]
    pub fn new(
        window: Window,
        groups: usize,
        [channels_in, channels_out]: [usize; 2],
        weights: &[f32],
        bias: Option<&[f32]>,
        clamp: Clamp,
    ) -> Self {
        let (k, n, taps) = (channels_in / groups, channels_out / groups, window.taps());
        assert_eq!(
            (k * groups, n * groups),
            (channels_in, channels_out),
            "groups"
        );
        assert_eq!(weights.len(), channels_out * k * taps, "weights");
        assert!(bias.is_none_or(|bias| bias.len() == channels_out), "bias");
        let pack = |group: usize| {
            let weight = |row: usize, column: usize| {
                let (tap, channel) = (row / k, row % k);
                weights[((group * n + column) * k + channel) * taps + tap]
            };
            Packed::new(taps * k, n, weight, |column| {
                bias.map_or(0.0, |bias| bias[group * n + column])
            })
        };
        Self {
            window,
            groups: (0..groups).map(pack).collect(),
            channels_in,
            channels_out,
            clamp,
            levels: None,
        }
    }

    /// Its window.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// The channels that it takes.
    #[must_use]
    pub fn channels_in(&self) -> usize {
        self.channels_in
    }

    /// The same weights under a window with other padding.
    #[must_use]
    pub fn with_window(&self, window: Window) -> Self {
        debug_assert_eq!(window.kernel, self.window.kernel);
        Self {
            window,
            ..self.clone()
        }
    }

    /// The same with other limits, and clamped values rounded to levels.
    #[must_use]
    pub fn with_end(&self, clamp: Clamp, levels: Option<Levels>) -> Self {
        Self {
            clamp,
            levels,
            ..self.clone()
        }
    }

    /// What the convolution makes of images; none where they have other channels or are smaller than the window.
    #[must_use]
    pub fn output(&self, input: Images) -> Option<Images> {
        let [height, width] = self.window.output([input.height, input.width])?;
        (input.channels == self.channels_in).then_some(Images {
            height,
            width,
            channels: self.channels_out,
            ..input
        })
    }

    /// Compute it; `residual` is added before values are clamped.
    ///
    /// # Panics
    /// When [`Conv2d::output`] has none, or a slice is not as long as the images say.
    pub fn run(&self, images: Images, input: &[f32], residual: Option<&[f32]>, output: &mut [f32]) {
        let result = self
            .output(images)
            .expect("images that the convolution takes");
        assert_eq!(input.len(), images.len(), "input");
        assert_eq!(output.len(), result.len(), "output");
        assert!(
            residual.is_none_or(|residual| residual.len() == output.len()),
            "residual"
        );
        if result.is_empty() {
            return;
        }
        if let [packed] = &*self.groups
            && self.window.is_pointwise()
        {
            let pixels = images.count * images.height * images.width;
            let target = Target {
                c: output,
                residual,
                stride: self.channels_out,
                column: 0,
                clamp: self.clamp,
                levels: self.levels,
            };
            return gemm_into(pixels, input, packed, target);
        }
        let zeros = vec![0.0; self.channels_in];
        let (image_in, image_out) = (images.len() / images.count, result.len() / images.count);
        for image in 0..images.count {
            let out = image * image_out..(image + 1) * image_out;
            let one = One {
                window: &self.window,
                input: &input[image * image_in..(image + 1) * image_in],
                zeros: &zeros,
                images,
                result,
            };
            for (group, packed) in self.groups.iter().enumerate() {
                let mut target = Target {
                    c: &mut output[out.clone()],
                    residual: residual.map(|residual| &residual[out.clone()]),
                    stride: self.channels_out,
                    column: group * packed.n(),
                    clamp: self.clamp,
                    levels: self.levels,
                };
                one.run(packed, group, &mut target);
            }
        }
    }
}

/// One image's convolution.
struct One<'a> {
    window: &'a Window,
    input: &'a [f32],
    /// A pixel of the padding.
    zeros: &'a [f32],
    images: Images,
    result: Images,
}

impl One<'_> {
    fn run(&self, packed: &Packed, group: usize, target: &mut Target) {
        let k = packed.k() / self.window.taps();
        let pixels = self.result.height * self.result.width;
        if k == 0 {
            (0..pixels).for_each(|pixel| target.biases(packed, pixel));
            return;
        }
        let panels = packed.n().div_ceil(COLUMNS);
        // What is under the window, of four pixels. To copy it costs a few per cent of the time (once for all
        // panels); a kernel that steps from row to row by itself is slower by more.
        let mut patches = vec![0.0; ROWS * packed.k()];
        let is_one = self.window.taps() == 1;
        let step = panels_a_block(packed.k());
        for block in (0..panels).step_by(step) {
            for pixel in (0..pixels).step_by(ROWS) {
                let mut rows = [std::ptr::null(); ROWS];
                for (at, (row, patch)) in rows
                    .iter_mut()
                    .zip(patches.chunks_exact_mut(packed.k()))
                    .enumerate()
                {
                    let at = (pixel + at).min(pixels - 1);
                    let (y, x) = (at / self.result.width, at % self.result.width);
                    *row = match is_one {
                        true => self.pixel(y, x, group * k, k),
                        false => {
                            self.copy(y, x, group * k, k, patch);
                            patch.as_ptr()
                        }
                    };
                }
                let some = block..panels.min(block + step);
                // SAFETY: each pointer is that of as many values of the input, of the zeros or of the patches.
                unsafe { target.compute(rows, packed, some, pixel, pixels - pixel) };
            }
        }
    }

    /// The values under a window of one tap: `k` channels from `channel` on.
    fn pixel(&self, y: usize, x: usize, channel: usize, k: usize) -> *const f32 {
        let line = self.window.input(0, y, 0, self.images.height);
        let column = self.window.input(1, x, 0, self.images.width);
        match (line, column) {
            (Some(line), Some(column)) => self.values(line, column, channel, k).as_ptr(),
            _ => self.zeros[..k].as_ptr(),
        }
    }

    fn values(&self, line: usize, column: usize, channel: usize, k: usize) -> &[f32] {
        let Images {
            width, channels, ..
        } = self.images;
        &self.input[(line * width + column) * channels + channel..][..k]
    }

    /// Copy what is under a window, `k` channels from `channel` on of each tap, one tap after another.
    fn copy(&self, y: usize, x: usize, channel: usize, k: usize, patch: &mut [f32]) {
        let Images {
            height,
            width,
            channels,
            ..
        } = self.images;
        let across = self.window.kernel[1];
        let first = self.window.input(1, x, 0, width);
        let last = self.window.input(1, x, across - 1, width);
        // A line of the window as one piece of memory.
        let whole = match (first, last) {
            (Some(first), Some(last)) if k == channels && last - first == across - 1 => Some(first),
            _ => None,
        };
        for (tap_y, patch) in patch.chunks_exact_mut(across * k).enumerate() {
            let Some(line) = self.window.input(0, y, tap_y, height) else {
                patch.fill(0.0);
                continue;
            };
            if let Some(first) = whole {
                patch.copy_from_slice(self.values(line, first, 0, across * k));
                continue;
            }
            for (tap_x, patch) in patch.chunks_exact_mut(k).enumerate() {
                match self.window.input(1, x, tap_x, width) {
                    Some(column) => patch.copy_from_slice(self.values(line, column, channel, k)),
                    None => patch.fill(0.0),
                }
            }
        }
    }
}
