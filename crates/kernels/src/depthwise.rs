//! f32 depthwise convolution, channels last. Each channel has its own window.

use std::ops::Range;
use std::sync::Arc;

use crate::gemm::Clamp;
use crate::indirection::Indirection;
#[cfg(target_arch = "wasm32")]
use crate::layout::unrolled;
use crate::layout::{CHANNEL_GROUP as GROUP, PIXELS};
use crate::spec::{ConvSpec, Images};

/// A depthwise convolution with packed weights: for each group of eight channels the biases, then the weights of each tap.
#[derive(Clone, Debug)]
pub struct Depthwise {
    spec: ConvSpec,
    groups: Arc<[f32]>,
}

/// Adjacent output pixels, a multiple of four, and some of their channels, a multiple of eight.
#[derive(Clone, Copy)]
struct Pixels<'a> {
    /// For each tap, pointers to the channels of the input under each of the first four pixels.
    taps: &'a [[*const f32; PIXELS]],
    /// Distance between the inputs of four pixels and those of the next four, in values.
    step: usize,
    /// Channels to compute.
    channels: usize,
    /// Distance between output pixels, in values.
    stride: usize,
    /// For each group of channels: eight biases, then eight weights for each tap.
    groups: &'a [f32],
    clamp: Clamp,
}

#[cfg(target_arch = "wasm32")]
unsafe extern "C" {
    kernel! {
        /// In `codegen/depthwise.rs`.
        fn infer_depthwise_4x8 | infer_depthwise_short_4x8(
            fours: usize,
            four_bytes: usize,
            groups: usize,
            taps: usize,
            pointers: *const [*const f32; PIXELS],
            weights: *const f32,
            output: *mut f32,
            pixel_bytes: usize,
            clamp: *const Clamp,
        )
    }
}

impl Pixels<'_> {
    /// Compute as many pixels as `output` has room for, which must be a multiple of four and not zero.
    ///
    /// # Safety
    /// Each pointer must be valid for reads of as many values as there are channels, also when moved by `step` values
    /// for each next four pixels.
    unsafe fn compute(&self, output: &mut [f32]) {
        let size = GROUP * (self.taps.len() + 1);
        debug_assert_eq!(self.groups.len(), self.channels / GROUP * size, "weights");
        debug_assert!(!output.is_empty() && output.len().is_multiple_of(PIXELS * self.stride));
        debug_assert!((1..=self.stride).contains(&self.channels));
        #[cfg(target_arch = "wasm32")]
        // SAFETY: for each group and pixel, the kernel writes eight values, and reads eight values of each tap.
        unsafe {
            let kernel = match self.taps.len() <= unrolled::TAPS {
                true => infer_depthwise_short_4x8,
                false => infer_depthwise_4x8,
            };
            kernel(
                output.len() / (PIXELS * self.stride),
                self.step * size_of::<f32>(),
                self.channels / GROUP,
                self.taps.len(),
                self.taps.as_ptr(),
                self.groups.as_ptr(),
                output.as_mut_ptr(),
                self.stride * size_of::<f32>(),
                &raw const self.clamp,
            );
        }
        #[cfg(not(target_arch = "wasm32"))]
        for (pixel, output) in output.chunks_exact_mut(self.stride).enumerate() {
            let (four, pixel) = (pixel / PIXELS, pixel % PIXELS);
            let output = output[..self.channels].chunks_exact_mut(GROUP);
            for (group, (output, weights)) in output.zip(self.groups.chunks_exact(size)).enumerate()
            {
                let (bias, weights) = weights.split_at(GROUP);
                let mut sums = [0.0f32; GROUP];
                sums.copy_from_slice(bias);
                for (tap, weights) in self.taps.iter().zip(weights.chunks_exact(GROUP)) {
                    for (channel, (sum, weight)) in sums.iter_mut().zip(weights).enumerate() {
                        let at = four * self.step + group * GROUP + channel;
                        // SAFETY: the caller guarantees all channels under each pixel.
                        *sum += unsafe { *tap[pixel].add(at) } * weight;
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
    /// Pack weights `[channels, 1, kernel height, kernel width]` (ONNX's order) and biases (zero if `None`).
    ///
    /// # Panics
    /// If a slice has another length, or input and output differ in channels.
    #[must_use]
    pub fn new(spec: ConvSpec, weights: &[f32], bias: Option<&[f32]>) -> Self {
        let (taps, channels) = (spec.window.taps(), spec.channels_in);
        assert_eq!(spec.channels_out, channels, "channels");
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
            spec,
            groups: groups.into(),
        }
    }

    /// The parameters of the convolution.
    #[must_use]
    pub fn spec(&self) -> &ConvSpec {
        &self.spec
    }

    /// The same weights with other parameters.
    ///
    /// # Panics
    /// If anything but padding, clamp and quantization differs.
    #[must_use]
    pub fn with_spec(&self, spec: ConvSpec) -> Self {
        assert!(spec.takes_weights_of(&self.spec), "{spec:?}");
        Self {
            spec,
            ..self.clone()
        }
    }

    /// Compute the convolution.
    ///
    /// # Panics
    /// If [`ConvSpec::output`] is `None`, or a slice does not have the length of its images.
    pub fn run(&self, images: Images, input: &[f32], output: &mut [f32]) {
        let result = self.spec.fit(images, input.len(), output.len());
        if output.is_empty() {
            return;
        }
        let mut run = Run::new(self, images, result, images.height);
        let (image_in, image_out) = (images.len() / images.count, result.len() / images.count);
        let outputs = output.chunks_exact_mut(image_out);
        for (image, output) in input.chunks_exact(image_in).zip(outputs) {
            run.lines(image, 0..result.height, output);
        }
    }
}

/// A run of a depthwise convolution.
pub(crate) struct Run<'a> {
    kernel: &'a Depthwise,
    result: Images,
    taps: Indirection<f32>,
    /// For each tap, a pointer to the input of a pixel.
    under: Vec<*const f32>,
    /// For each tap, pointers to the inputs of four pixels.
    fours: Vec<[*const f32; PIXELS]>,
    /// The output of four pixels of which fewer are needed.
    few: Vec<f32>,
}

impl<'a> Run<'a> {
    /// Create a run over `images` whose output has the shape `result`; `lines` lines of an image are in memory at the
    /// same time, as a ring buffer.
    pub(crate) fn new(kernel: &'a Depthwise, images: Images, result: Images, lines: usize) -> Self {
        let window = kernel.spec.window;
        Self {
            kernel,
            result,
            taps: Indirection::new(window, images, result, lines, 0.0),
            under: vec![std::ptr::null(); window.taps()],
            fours: vec![[std::ptr::null(); PIXELS]; window.taps()],
            few: vec![0.0; PIXELS * images.channels],
        }
    }

    /// Compute some lines of an image's output. The image's lines that they depend on must be in memory.
    pub(crate) fn lines(&mut self, image: &[f32], lines: Range<usize>, output: &mut [f32]) {
        let Images {
            width, channels, ..
        } = self.result;
        let step = self.kernel.spec.window.strides[1] * channels;
        let (begin, end) = (lines.start * width, lines.end * width);
        let mut first = begin;
        while first < end {
            // The last four pixels may overlap the previous ones.
            first = first.min(end.saturating_sub(PIXELS).max(begin));
            let (y, x) = (first / width, first % width);
            let even = self.taps.point(image, y, x, &mut self.under) - x;
            if even >= PIXELS {
                for (four, &under) in self.fours.iter_mut().zip(&self.under) {
                    *four = std::array::from_fn(|pixel| under.wrapping_add(pixel * step));
                }
            } else {
                for pixel in 0..PIXELS {
                    let at = (first + pixel).min(end - 1);
                    self.taps
                        .point(image, at / width, at % width, &mut self.under);
                    for (four, &under) in self.fours.iter_mut().zip(&self.under) {
                        four[pixel] = under;
                    }
                }
            }
            let count = (even / PIXELS).max(1) * PIXELS;
            let output = &mut output[(first - begin) * channels..];
            // With fewer than four pixels left, compute four and drop the rest.
            match output.get_mut(..count * channels) {
                Some(output) => self.kernel.compute(&self.fours, output),
                None => {
                    self.kernel.compute(&self.fours, &mut self.few);
                    output.copy_from_slice(&self.few[..output.len()]);
                }
            }
            first += count;
        }
    }
}

impl Depthwise {
    /// Compute pixels, four at a time. `taps` are pointers to all channels. More than four pixels must have no padding
    /// in their windows.
    fn compute(&self, taps: &[[*const f32; PIXELS]], output: &mut [f32]) {
        let channels = self.spec.channels_in;
        let whole = channels / GROUP * GROUP;
        let size = taps.len() + 1;
        let step = PIXELS * self.spec.window.strides[1] * channels;
        if whole > 0 {
            let pixels = Pixels {
                taps,
                step,
                channels: whole,
                stride: channels,
                groups: &self.groups[..whole * size],
                clamp: self.spec.clamp,
            };
            // SAFETY: `taps` point to all channels, of which these are the first. If there are more than four pixels,
            // each tap is inside the image for all of them.
            unsafe { pixels.compute(output) };
        }
        let weights = &self.groups[whole * size..];
        let pixels = output.chunks_exact_mut(channels).enumerate();
        for (pixel, output) in pixels.filter(|_| whole < channels) {
            let (four, pixel) = (pixel / PIXELS, pixel % PIXELS);
            for (channel, output) in output[whole..].iter_mut().enumerate() {
                let mut sum = weights[channel];
                for (tap, pointers) in taps.iter().enumerate() {
                    // SAFETY: as above, and `whole + channel` is less than the number of channels.
                    let value = unsafe { *pointers[pixel].add(four * step + whole + channel) };
                    sum += value * weights[(tap + 1) * GROUP + channel];
                }
                *output = self.spec.clamp.apply(sum);
            }
        }
        if let Some(params) = self.spec.quantization {
            params.fake_quantize(output);
        }
    }
}
