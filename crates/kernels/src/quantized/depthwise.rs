//! int8 depthwise convolution.

use std::sync::Arc;

use super::{Output, RelaxedDot, Requantization, Scaled};
use crate::indirection::Indirection;
#[cfg(target_arch = "wasm32")]
use crate::layout::unrolled;
use crate::layout::{CHANNEL_GROUP as GROUP, PAIR, QUAD};
use crate::packed_int8::{is_narrow, number, word};
use crate::quantization::QuantParams;
use crate::spec::{ConvSpec, Images};

/// A depthwise convolution of quantized images with quantized weights.
#[derive(Clone, Debug)]
pub struct QuantizedDepthwise {
    spec: ConvSpec,
    input: QuantParams,
    /// int16 weights, whose products are exact on every host.
    pairs: Words,
    /// int8 weights, if the sum of two products always fits into int16.
    quads: Option<Words>,
    /// The scale of each channel's sums.
    scales: Arc<[f32]>,
}

/// Packed weights: for each group of eight channels their biases, then for every two or four taps a word per channel
/// with its weights.
#[derive(Clone, Debug)]
struct Words {
    words: Arc<[i32]>,
    /// Taps per word: two int16 weights, or four int8 weights.
    per_word: usize,
}

/// The inputs of adjacent output pixels.
#[derive(Clone, Copy)]
struct Inputs<'a> {
    /// For each tap, a pointer to a pixel's channels. The number of taps is padded to whole words.
    taps: &'a [*const u8],
    /// Distance from these pointers to the input of the first output pixel, in bytes.
    offset: usize,
    /// Distance between the inputs of adjacent output pixels, in bytes.
    step: usize,
}

impl QuantizedDepthwise {
    /// Pack weights `[channels, 1, kernel height, kernel width]` (ONNX's order), scales and biases as
    /// [`QuantizedConv::new`](super::QuantizedConv::new) does. Returns `None` in the same cases, and if the channels
    /// are not a multiple of eight.
    ///
    /// # Panics
    /// If a slice has another length, or input and output differ in channels.
    #[must_use]
    pub fn new(
        spec: ConvSpec,
        input: QuantParams,
        weights: &[i8],
        scales: &[f32],
        bias: Option<&[f32]>,
    ) -> Option<Self> {
        let (channels, taps) = (spec.channels_in, spec.window.taps());
        assert_eq!(spec.channels_out, channels, "channels");
        assert_eq!(weights.len(), channels * taps, "weights");
        if !channels.is_multiple_of(GROUP) {
            return None;
        }
        let Scaled { scales, biases } = Scaled::new(input, weights, scales, bias, channels)?;
        let weight = |channel: usize, tap: usize| match tap < taps {
            true => weights[channel * taps + tap],
            false => 0,
        };
        let pack = |per_word: usize| {
            let mut words = Vec::with_capacity(channels * (1 + taps.div_ceil(per_word)));
            for group in (0..channels).step_by(GROUP) {
                let channels = group..group + GROUP;
                words.extend(channels.clone().map(|channel| {
                    let sum: i32 = (0..taps).map(|tap| i32::from(weight(channel, tap))).sum();
                    biases[channel] - input.zero_point() * sum
                }));
                for tap in (0..taps).step_by(per_word) {
                    words.extend(
                        channels
                            .clone()
                            .map(|channel| word(per_word, |next| weight(channel, tap + next))),
                    );
                }
            }
            Words {
                words: words.into(),
                per_word,
            }
        };
        let are_narrow = (0..channels).all(|channel| {
            (0..taps).step_by(2).all(|tap| {
                is_narrow([weight(channel, tap), weight(channel, tap + 1)].map(i32::from))
            })
        });
        Some(Self {
            spec,
            input,
            pairs: pack(PAIR),
            quads: are_narrow.then(|| pack(QUAD)),
            scales: scales.into(),
        })
    }

    /// The parameters of the convolution.
    #[must_use]
    pub fn spec(&self) -> &ConvSpec {
        &self.spec
    }

    /// The quantization parameters of the input.
    #[must_use]
    pub fn input(&self) -> QuantParams {
        self.input
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
    pub fn run(&self, images: Images, input: &[u8], output: Output<'_>) {
        self.run_with(RelaxedDot::detect(), images, input, output);
    }

    /// Compute the convolution for a host whose relaxed dot instruction behaves like `products`.
    ///
    /// # Panics
    /// As [`QuantizedDepthwise::run`].
    pub fn run_with(
        &self,
        products: RelaxedDot,
        images: Images,
        input: &[u8],
        mut output: Output<'_>,
    ) {
        let result = self.spec.fit(images, input.len(), output.len());
        if result.is_empty() {
            return;
        }
        let ConvSpec {
            window,
            channels_in: channels,
            ..
        } = self.spec;
        let requantization = Requantization::new(&self.spec, &self.scales);
        let zero = self.input.zero_point() as u8;
        let taps = Indirection::new(window, images, result, images.height, zero);
        let words = match &self.quads {
            Some(quads) if products != RelaxedDot::Other => quads,
            _ => &self.pairs,
        };
        // The last word of taps is filled up with pointers whose weights are zero.
        let count = window.taps();
        let mut pointers = vec![input.as_ptr(); count.next_multiple_of(words.per_word)];
        let mut sums = vec![0; channels * requantization.pixels];
        let image_in = images.len() / images.count;
        for (image, values) in input.chunks_exact(image_in).enumerate() {
            for y in 0..result.height {
                let line = (image * result.height + y) * result.width;
                let mut x = 0;
                while x < result.width {
                    let end_of_run = taps.point(values, y, x, &mut pointers[..count]);
                    let step = window.strides[1] * channels;
                    for first in (x..end_of_run).step_by(requantization.pixels) {
                        let count = requantization.pixels.min(end_of_run - first);
                        let sums = &mut sums[..count * channels];
                        // SAFETY: each tap points to a pixel's channels, and still does after one `step` per pixel up
                        // to the end of the run. The pointers that fill up the last word point to the input's first
                        // pixel, whose line is as long.
                        unsafe {
                            let inputs = Inputs {
                                taps: &pointers,
                                offset: (first - x) * step,
                                step,
                            };
                            words.sums(inputs, channels, sums);
                        }
                        let to = (line + first) * channels;
                        requantization.apply(0, sums, &mut output, to, sums.len());
                    }
                    x = end_of_run;
                }
            }
        }
    }
}

impl Words {
    /// Compute the sums of some pixels.
    ///
    /// # Safety
    /// For each pixel and each tap, the pointer must be valid for reads of as many bytes as there are channels.
    unsafe fn sums(&self, inputs: Inputs<'_>, channels: usize, sums: &mut [i32]) {
        let words_per_group = (1 + inputs.taps.len() / self.per_word) * GROUP;
        assert_eq!(
            self.words.len(),
            channels / GROUP * words_per_group,
            "words"
        );
        // Compute two groups at a time if there is a kernel, and the remaining groups one by one.
        let has_kernel = cfg!(target_arch = "wasm32")
            && (self.per_word == PAIR || cfg!(target_feature = "relaxed-simd"));
        let twos = match has_kernel && !inputs.taps.is_empty() {
            true => channels / (2 * GROUP),
            false => 0,
        };
        let (words, last) = self.words.split_at(2 * twos * words_per_group);
        if last.is_empty() && twos > 0 {
            // SAFETY: words and sums have `twos` times two groups, and the caller guarantees the taps.
            return unsafe { self.two_by_two(twos, inputs, words, sums) };
        }
        for (pixel, sums) in sums.chunks_exact_mut(channels).enumerate() {
            let inputs = Inputs {
                offset: inputs.offset + pixel * inputs.step,
                ..inputs
            };
            let (done, rest) = sums.split_at_mut(2 * twos * GROUP);
            if twos > 0 {
                // SAFETY: as above, for one pixel.
                unsafe { self.two_by_two(twos, inputs, words, done) };
            }
            let all = last
                .chunks_exact(words_per_group)
                .zip(rest.chunks_exact_mut(GROUP));
            for (group, (words, sums)) in all.enumerate() {
                let from = inputs.offset + (2 * twos + group) * GROUP;
                let (biases, weights) = words.split_at(GROUP);
                sums.copy_from_slice(biases);
                let taps = inputs.taps.chunks_exact(self.per_word);
                for (taps, words) in taps.zip(weights.chunks_exact(GROUP)) {
                    for (channel, (sum, &word)) in sums.iter_mut().zip(words).enumerate() {
                        for (next, tap) in taps.iter().enumerate() {
                            // SAFETY: the caller guarantees as many bytes as there are channels.
                            let value = i32::from(unsafe { *tap.add(from + channel) });
                            *sum += value * i32::from(number(word, self.per_word, next));
                        }
                    }
                }
            }
        }
    }

    /// Compute the sums of some pixels, two groups of channels at a time.
    ///
    /// # Safety
    /// `twos` must not be zero. `words` must have `twos` times two groups, and `sums` as many for each of at least one
    /// pixel. For each of these pixels and each tap, the pointer must be valid for reads of as many bytes.
    #[cfg_attr(
        not(target_arch = "wasm32"),
        expect(unused_variables, reason = "a kernel")
    )]
    unsafe fn two_by_two(&self, twos: usize, inputs: Inputs<'_>, words: &[i32], sums: &mut [i32]) {
        #[cfg(target_arch = "wasm32")]
        {
            let rounds = inputs.taps.len() / self.per_word;
            let kernel = match (
                self.per_word,
                inputs.taps.len() <= unrolled::TAPS.next_multiple_of(self.per_word),
            ) {
                #[cfg(target_feature = "relaxed-simd")]
                (QUAD, true) => infer_quads_short_16,
                #[cfg(target_feature = "relaxed-simd")]
                (QUAD, false) => infer_quads_16,
                (_, true) => infer_pairs_short_16,
                (_, false) => infer_pairs_16,
            };
            let group_bytes = (1 + rounds) * GROUP * size_of::<i32>();
            // SAFETY: the caller guarantees it.
            unsafe {
                kernel(
                    sums.len() / (2 * twos * GROUP),
                    inputs.step,
                    twos,
                    group_bytes,
                    rounds,
                    inputs.taps.as_ptr(),
                    inputs.offset,
                    words.as_ptr(),
                    sums.as_mut_ptr(),
                )
            };
        }
    }
}

#[cfg(target_arch = "wasm32")]
unsafe extern "C" {
    kernel! {
        /// In `codegen/taps.rs`: two taps per word.
        fn infer_pairs_16 | infer_pairs_short_16(
            pixels: usize,
            pixel_bytes: usize,
            twos: usize,
            group_bytes: usize,
            rounds: usize,
            pointers: *const *const u8,
            offset: usize,
            words: *const i32,
            sums: *mut i32,
        )
    }

    kernel! {
        /// In `codegen/taps.rs`: four taps per word.
        #[cfg(target_feature = "relaxed-simd")]
        fn infer_quads_16 | infer_quads_short_16(
            pixels: usize,
            pixel_bytes: usize,
            twos: usize,
            group_bytes: usize,
            rounds: usize,
            pointers: *const *const u8,
            offset: usize,
            words: *const i32,
            sums: *mut i32,
        )
    }
}
