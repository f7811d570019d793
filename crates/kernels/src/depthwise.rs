//! Depthwise convolution: each channel with a window of its own, channels last.

use std::sync::Arc;

use crate::form::{Form, Images};
use crate::gemm::Clamp;
#[cfg(target_arch = "wasm32")]
use crate::steps;
use crate::taps::Taps;

/// Channels that the kernel does at a time.
const GROUP: usize = 16;

/// A depthwise convolution with its weights packed: for each sixteen channels their biases, and then the weights of each
/// tap.
#[derive(Clone, Debug)]
pub struct Depthwise {
    form: Form,
    groups: Arc<[f32]>,
}

/// Pixels side by side in the output, of a multiple of sixteen channels.
#[derive(Clone, Copy)]
struct Pixels<'a> {
    /// Of each tap, a pointer to all channels under the first pixel.
    taps: &'a [*const f32],
    /// Values from what is under a pixel to what is under the next.
    step: usize,
    channels: usize,
    /// Sixteen biases and sixteen weights a tap, for each group of channels.
    groups: &'a [f32],
    clamp: Clamp,
}

#[cfg(target_arch = "wasm32")]
unsafe extern "C" {
    kernel! {
        /// In `codegen/depthwise.rs`.
        fn infer_depthwise_16 | infer_depthwise_short_16(
            pixels: usize,
            pixel_bytes: usize,
            groups: usize,
            taps: usize,
            pointers: *const *const f32,
            weights: *const f32,
            output: *mut f32,
            clamp: *const Clamp,
        )
    }
}

impl Pixels<'_> {
    /// Compute as many pixels as `output` has room for, one at least.
    ///
    /// # Safety
    /// Each tap's pointer must be valid for reads of as many values as there are channels, and so must it be `step` values
    /// further on for each next pixel.
    unsafe fn compute(&self, output: &mut [f32]) {
        debug_assert_eq!(
            self.groups.len(),
            self.channels * (self.taps.len() + 1),
            "weights"
        );
        debug_assert!(!output.is_empty() && output.len().is_multiple_of(self.channels));
        #[cfg(target_arch = "wasm32")]
        // SAFETY: the kernel writes sixteen values a group and pixel, and reads as many of each tap.
        unsafe {
            let kernel = match self.taps.len() <= steps::TAPS {
                true => infer_depthwise_short_16,
                false => infer_depthwise_16,
            };
            kernel(
                output.len() / self.channels,
                self.step * size_of::<f32>(),
                self.channels / GROUP,
                self.taps.len(),
                self.taps.as_ptr(),
                self.groups.as_ptr(),
                output.as_mut_ptr(),
                &raw const self.clamp,
            );
        }
        #[cfg(not(target_arch = "wasm32"))]
        for (pixel, output) in output.chunks_exact_mut(self.channels).enumerate() {
            for (group, output) in output.chunks_exact_mut(GROUP).enumerate() {
                let size = GROUP * (self.taps.len() + 1);
                let (bias, weights) = self.groups[group * size..(group + 1) * size].split_at(GROUP);
                let mut sums = [0.0f32; GROUP];
                sums.copy_from_slice(bias);
                for (tap, weights) in self.taps.iter().zip(weights.chunks_exact(GROUP)) {
                    for (channel, (sum, weight)) in sums.iter_mut().zip(weights).enumerate() {
                        let at = pixel * self.step + group * GROUP + channel;
                        // SAFETY: the caller vouches for all channels under each pixel.
                        *sum += unsafe { *tap.add(at) } * weight;
                    }
                }
                for (output, sum) in output.iter_mut().zip(sums) {
                    *output = self.clamp.apply(sum);
                }
            }
        }
    }
}

impl Depthwise {
    /// Pack weights `[channels, 1, kernel height, kernel width]` (ONNX's order), and biases, zero where there are none.
    ///
    /// # Panics
    /// When the slices are not as long as that, or it does not give as many channels as it takes.
    #[must_use]
    pub fn new(form: Form, weights: &[f32], bias: Option<&[f32]>) -> Self {
        let (taps, channels) = (form.window.taps(), form.channels_in);
        assert_eq!(form.channels_out, channels, "channels");
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
            form,
            groups: groups.into(),
        }
    }

    /// What it takes and gives.
    #[must_use]
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// The same weights with another form.
    ///
    /// # Panics
    /// When they do not go with it: more than its padding and its end differ.
    #[must_use]
    pub fn with_form(&self, form: Form) -> Self {
        assert!(form.takes_weights_of(&self.form), "{form:?}");
        Self {
            form,
            ..self.clone()
        }
    }

    /// Compute it.
    ///
    /// # Panics
    /// When [`Form::output`] has none, or a slice is not as long as the images say.
    pub fn run(&self, images: Images, input: &[f32], output: &mut [f32]) {
        let result = self.form.fit(images, input.len(), output.len());
        if output.is_empty() {
            return;
        }
        let Form {
            window,
            channels_in: channels,
            levels,
            ..
        } = self.form;
        let taps = Taps::new(window, images, result, 0.0);
        let mut pointers = vec![std::ptr::null(); window.taps()];
        let image_in = images.len() / images.count;
        let mut lines = output.chunks_exact_mut(result.width * channels);
        for image in input.chunks_exact(image_in) {
            for (y, line) in (0..result.height).zip(&mut lines) {
                let mut x = 0;
                while x < result.width {
                    let end = match taps.point(image, y, x, &mut pointers) {
                        end if channels.is_multiple_of(GROUP) => end,
                        _ => x + 1,
                    };
                    let pixels = &mut line[x * channels..end * channels];
                    self.pixels(&pointers, pixels);
                    if let Some(levels) = levels {
                        levels.apply(pixels);
                    }
                    x = end;
                }
            }
        }
    }

    /// Compute pixels side by side. Each tap's pointer is that of as many values as there are channels; of several pixels,
    /// whose channels are a multiple of sixteen, there is no padding under any.
    fn pixels(&self, taps: &[*const f32], output: &mut [f32]) {
        let whole = self.form.channels_in / GROUP * GROUP;
        let size = taps.len() + 1;
        let (done, rest) = match whole == self.form.channels_in {
            true => (output, [].as_mut_slice()),
            false => output.split_at_mut(whole),
        };
        if whole > 0 {
            let pixels = Pixels {
                taps,
                step: self.form.window.strides[1] * self.form.channels_in,
                channels: whole,
                groups: &self.groups[..whole * size],
                clamp: self.form.clamp,
            };
            // SAFETY: `taps` are pointers to all channels, of which these are the first; where there are several
            // pixels, each tap is in the image for all of them.
            unsafe { pixels.compute(done) };
        }
        let weights = &self.groups[whole * size..];
        for (channel, output) in rest.iter_mut().enumerate() {
            let mut sum = weights[channel];
            for (tap, pointer) in taps.iter().enumerate() {
                // SAFETY: `taps` are pointers to all channels, and there are more than `whole + channel`.
                let value = unsafe { *pointer.add(whole + channel) };
                sum += value * weights[(tap + 1) * GROUP + channel];
            }
            *output = self.form.clamp.apply(sum);
        }
    }
}
