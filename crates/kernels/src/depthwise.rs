//! Depthwise convolution: each channel with a window of its own, channels last.

use std::sync::Arc;

use crate::conv::{Images, Window};
use crate::gemm::Clamp;

/// Channels that the kernel does at a time.
const GROUP: usize = 16;

/// A depthwise convolution with its weights packed: for each sixteen channels their biases, and then the weights of each
/// tap.
#[derive(Clone, Debug)]
pub struct Depthwise {
    window: Window,
    channels: usize,
    groups: Arc<[f32]>,
    clamp: Clamp,
}

/// One pixel's channels, a multiple of sixteen.
#[derive(Clone, Copy)]
struct Pixel<'a> {
    /// Of each tap, a pointer to all channels.
    taps: &'a [*const f32],
    /// Sixteen biases and sixteen weights a tap, for each group of channels.
    groups: &'a [f32],
    clamp: Clamp,
}

#[cfg(target_arch = "wasm32")]
unsafe extern "C" {
    /// In `codegen/depthwise.rs`.
    fn infer_depthwise_16(
        groups: usize,
        taps: usize,
        pointers: *const *const f32,
        weights: *const f32,
        output: *mut f32,
        clamp: *const Clamp,
    );
}

impl Pixel<'_> {
    /// # Safety
    /// Each tap's pointer must be valid for reads of as many values as `output` has, which is a multiple of
    /// sixteen and not zero.
    unsafe fn compute(&self, output: &mut [f32]) {
        debug_assert_eq!(self.groups.len(), output.len() * (self.taps.len() + 1));
        #[cfg(target_arch = "wasm32")]
        // SAFETY: the kernel writes sixteen values a group, and reads as many of each tap.
        unsafe {
            infer_depthwise_16(
                output.len() / GROUP,
                self.taps.len(),
                self.taps.as_ptr(),
                self.groups.as_ptr(),
                output.as_mut_ptr(),
                &raw const self.clamp,
            );
        }
        #[cfg(not(target_arch = "wasm32"))]
        for (group, output) in output.chunks_exact_mut(GROUP).enumerate() {
            let size = GROUP * (self.taps.len() + 1);
            let (bias, weights) = self.groups[group * size..(group + 1) * size].split_at(GROUP);
            let mut sums = [0.0f32; GROUP];
            sums.copy_from_slice(bias);
            for (tap, weights) in self.taps.iter().zip(weights.chunks_exact(GROUP)) {
                for (channel, (sum, weight)) in sums.iter_mut().zip(weights).enumerate() {
                    // SAFETY: the caller vouches for as many values of each tap as there are channels.
                    *sum += unsafe { *tap.add(group * GROUP + channel) } * weight;
                }
            }
            for (output, sum) in output.iter_mut().zip(sums) {
                *output = self.clamp.apply(sum);
            }
        }
    }
}

impl Depthwise {
    /// Pack weights `[channels, 1, kernel height, kernel width]` (ONNX's order), and biases, zero where there are none.
    ///
    /// # Panics
    /// When the slices are not as long as that.
    #[must_use]
    pub fn new(
        window: Window,
        channels: usize,
        weights: &[f32],
        bias: Option<&[f32]>,
        clamp: Clamp,
    ) -> Self {
        let taps = window.taps();
        assert_eq!(weights.len(), channels * taps, "weights");
        assert!(bias.is_none_or(|bias| bias.len() == channels), "bias");
        let mut groups = Vec::with_capacity(channels.next_multiple_of(GROUP) * (taps + 1));
        for first in (0..channels).step_by(GROUP) {
            let all = first..first + GROUP;
            let bias = |channel: usize| bias.map_or(0.0, |bias| bias[channel]);
            groups.extend(
                all.clone()
                    .map(|at| if at < channels { bias(at) } else { 0.0 }),
            );
            for tap in 0..taps {
                let weight = |channel: usize| weights[channel * taps + tap];
                groups.extend(
                    all.clone()
                        .map(|at| if at < channels { weight(at) } else { 0.0 }),
                );
            }
        }
        Self {
            window,
            channels,
            groups: groups.into(),
            clamp,
        }
    }

    /// Its window.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// The channels that it takes and gives.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
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

    /// What the convolution makes of images; none where they have other channels or are smaller than the window.
    #[must_use]
    pub fn output(&self, input: Images) -> Option<Images> {
        let [height, width] = self.window.output([input.height, input.width])?;
        (input.channels == self.channels).then_some(Images {
            height,
            width,
            ..input
        })
    }

    /// Compute it.
    ///
    /// # Panics
    /// When [`Depthwise::output`] has none, or a slice is not as long as the images say.
    pub fn run(&self, images: Images, input: &[f32], output: &mut [f32]) {
        let result = self
            .output(images)
            .expect("images that the convolution takes");
        assert_eq!(input.len(), images.len(), "input");
        assert_eq!(output.len(), result.len(), "output");
        if output.is_empty() {
            return;
        }
        let channels = self.channels;
        let zeros = vec![0.0; channels];
        let mut taps = vec![std::ptr::null(); self.window.taps()];
        let mut pixels = output.chunks_exact_mut(channels);
        for image in input.chunks_exact(images.len() / images.count) {
            for y in 0..result.height {
                for x in 0..result.width {
                    self.taps(images, image, &zeros, (y, x), &mut taps);
                    if let Some(pixel) = pixels.next() {
                        self.pixel(&taps, pixel);
                    }
                }
            }
        }
    }

    fn taps(
        &self,
        images: Images,
        image: &[f32],
        zeros: &[f32],
        (y, x): (usize, usize),
        taps: &mut [*const f32],
    ) {
        let across = self.window.kernel[1];
        for (tap_y, taps) in taps.chunks_exact_mut(across).enumerate() {
            let line = self.window.input(0, y, tap_y, images.height);
            for (tap_x, tap) in taps.iter_mut().enumerate() {
                *tap = match (line, self.window.input(1, x, tap_x, images.width)) {
                    (Some(line), Some(column)) => image
                        [(line * images.width + column) * self.channels..][..self.channels]
                        .as_ptr(),
                    _ => zeros.as_ptr(),
                };
            }
        }
    }

    /// Compute a pixel. Each tap's pointer is that of as many values as there are channels.
    fn pixel(&self, taps: &[*const f32], output: &mut [f32]) {
        let whole = self.channels / GROUP * GROUP;
        let size = taps.len() + 1;
        let (done, rest) = output.split_at_mut(whole);
        if whole > 0 {
            let pixel = Pixel {
                taps,
                groups: &self.groups[..whole * size],
                clamp: self.clamp,
            };
            // SAFETY: `taps` are pointers to all channels, of which these are the first.
            unsafe { pixel.compute(done) };
        }
        let weights = &self.groups[whole * size..];
        for (channel, output) in rest.iter_mut().enumerate() {
            let mut sum = weights[channel];
            for (tap, pointer) in taps.iter().enumerate() {
                // SAFETY: `taps` are pointers to all channels, and there are more than `whole + channel`.
                let value = unsafe { *pointer.add(whole + channel) };
                sum += value * weights[(tap + 1) * GROUP + channel];
            }
            *output = self.clamp.apply(sum);
        }
    }
}
