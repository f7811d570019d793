//! Shapes and parameters of convolutions and pooling.

use crate::gemm::Clamp;
use crate::quantization::QuantParams;

/// The sliding window of a convolution or of pooling. Pairs are vertical, then horizontal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width of the window, in taps.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub strides: [usize; 2],
    /// Vertical and horizontal dilation.
    pub dilations: [usize; 2],
    /// Rows of padding above the image, and columns to its left.
    pub pads_before: [usize; 2],
    /// Rows of padding below the image, and columns to its right.
    pub pads_after: [usize; 2],
}

impl Window {
    /// A 1x1 window with a stride of one.
    pub const POINT: Self = Self {
        kernel: [1; 2],
        strides: [1; 2],
        dilations: [1; 2],
        pads_before: [0; 2],
        pads_after: [0; 2],
    };

    /// The output's height and width for the input's; `None` if the window is larger than the padded input, or the input is
    /// empty.
    #[must_use]
    pub fn output(&self, input: [usize; 2]) -> Option<[usize; 2]> {
        let mut sizes = [0; 2];
        for axis in 0..2 {
            if input[axis] == 0 {
                return None;
            }
            let padded = input[axis]
                .checked_add(self.pads_before[axis])?
                .checked_add(self.pads_after[axis])?;
            let window = self.dilations[axis].checked_mul(self.kernel[axis].checked_sub(1)?)? + 1;
            sizes[axis] = padded.checked_sub(window)? / self.strides[axis].max(1) + 1;
        }
        Some(sizes)
    }

    /// The number of taps: height times width.
    #[must_use]
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The input's row (axis 0) or column (axis 1) under a tap at an output position; `None` in the padding.
    #[must_use]
    pub fn input(&self, axis: usize, output: usize, tap: usize, size: usize) -> Option<usize> {
        (output * self.strides[axis] + tap * self.dilations[axis])
            .checked_sub(self.pads_before[axis])
            .filter(|&at| at < size)
    }

    /// Convert the index of a tap from column-major to row-major order.
    pub(crate) fn tap(&self, at: usize) -> usize {
        let [down, across] = self.kernel;
        at % down * across + at / down
    }

    /// Whether this is a 1x1 window with a stride of one and no padding.
    #[must_use]
    pub fn is_pointwise(&self) -> bool {
        *self
            == Self {
                dilations: self.dilations,
                ..Self::POINT
            }
    }
}

/// The shape of a batch of images in one slice, channels last (NHWC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Images {
    /// Batch size.
    pub count: usize,
    /// Height of each image, in pixels.
    pub height: usize,
    /// Width of each image, in pixels.
    pub width: usize,
    /// Channels of each pixel.
    pub channels: usize,
}

impl Images {
    /// The number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count * self.height * self.width * self.channels
    }

    /// Whether the batch has no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The parameters of a convolution, for every algorithm that computes one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvSpec {
    /// The sliding window.
    pub window: Window,
    /// Channels of the input.
    pub channels_in: usize,
    /// Channels of the output.
    pub channels_out: usize,
    /// The range that sums are clamped to.
    pub clamp: Clamp,
    /// Quantization of the clamped output, if any.
    pub quantization: Option<QuantParams>,
}

impl ConvSpec {
    /// A convolution whose output is neither clamped nor quantized.
    #[must_use]
    pub fn new(window: Window, [channels_in, channels_out]: [usize; 2]) -> Self {
        Self {
            window,
            channels_in,
            channels_out,
            clamp: Clamp::NONE,
            quantization: None,
        }
    }

    /// The output's shape; `None` if the images have another number of channels or are smaller than the window.
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

    /// The output's shape, after a check of the slices' lengths.
    ///
    /// # Panics
    /// If there is no output, or a slice does not have the length of its images.
    pub(crate) fn fit(&self, images: Images, input_len: usize, output_len: usize) -> Images {
        let result = self
            .output(images)
            .expect("the convolution takes these images");
        assert_eq!(input_len, images.len(), "input");
        assert_eq!(output_len, result.len(), "output");
        result
    }

    /// Whether weights packed for `other` fit this convolution: only padding, clamp and quantization may differ.
    #[must_use]
    pub fn takes_weights_of(&self, other: &Self) -> bool {
        let window = Window {
            pads_before: other.window.pads_before,
            pads_after: other.window.pads_after,
            ..self.window
        };
        window == other.window
            && [self.channels_in, self.channels_out] == [other.channels_in, other.channels_out]
    }
}

/// The position of an output pixel.
#[derive(Clone, Copy, Default)]
pub(crate) struct Place {
    pub(crate) image: usize,
    pub(crate) y: usize,
    pub(crate) x: usize,
}

impl Place {
    /// Move to the next pixel. Counting is faster than dividing an index.
    #[inline(always)]
    pub(crate) fn advance(&mut self, result: &Images) {
        self.x += 1;
        if self.x == result.width {
            (self.x, self.y) = (0, self.y + 1);
        }
        if self.y == result.height {
            (self.y, self.image) = (0, self.image + 1);
        }
    }
}

/// Copy a slice that may be short. In WebAssembly, `memory.copy` calls a function of the host, and a loop may check the
/// epoch in each iteration.
#[inline(always)]
pub(crate) fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    const FEW: usize = 32;
    assert_eq!(from.len(), to.len(), "values");
    if from.len() >= FEW {
        return to.copy_from_slice(from);
    }
    let (from, to) = copy_first::<T, 16>(from, to);
    let (from, to) = copy_first::<T, 8>(from, to);
    let (from, to) = copy_first::<T, 4>(from, to);
    let (from, to) = copy_first::<T, 2>(from, to);
    copy_first::<T, 1>(from, to);
}

/// Copy `N` values if both slices have as many, and return the rest.
#[inline(always)]
fn copy_first<'a, T: Copy, const N: usize>(
    from: &'a [T],
    to: &'a mut [T],
) -> (&'a [T], &'a mut [T]) {
    match (from.split_first_chunk::<N>(), to.len() >= N) {
        (Some((first, rest)), true) => {
            let (target, to) = to.split_at_mut(N);
            target.copy_from_slice(first);
            (rest, to)
        }
        _ => (from, to),
    }
}
