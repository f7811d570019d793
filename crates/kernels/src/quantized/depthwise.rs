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
    /// int16 weights, which are exact everywhere.
    pairs: Words,
    /// int8 weights, if the sum of two products always fits into int16.
    quads: Option<Words>,
    /// The scale of each channel's sums.
    scales: Arc<[f32]>,
}

/// Packed weights: for each eight channels their biases, and then for some taps a word a channel with their weights.
#[derive(Clone, Debug)]
struct Words {
    words: Arc<[i32]>,
    /// Taps in a word: two of int16 weights, or four of int8 weights.
    a_word: usize,
}

/// The inputs of adjacent output pixels.
#[derive(Clone, Copy)]
struct Under<'a> {
    /// Of each tap, a pointer to a pixel's channels; as many as there are in some words.
    taps: &'a [*const u8],
    /// Bytes from there to the channels under the first of the pixels.
    offset: usize,
    /// Bytes from the channels under a pixel to those under the next.
    step: usize,
}

impl QuantizedDepthwise {
    /// Pack weights `[channels, 1, kernel height, kernel width]` (ONNX's order), scales and biases as
    /// [`QuantizedConv::new`](super::QuantizedConv::new) does. None where sums may not fit into 32 bits, where a byte
    /// cannot count the levels, and where the channels are no multiple of eight.
    ///
    /// # Panics
    /// When the slices are not as long as that, or it does not give as many channels as it takes.
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
        let pack = |a_word: usize| {
            let mut words = Vec::with_capacity(channels * (1 + taps.div_ceil(a_word)));
            for group in (0..channels).step_by(GROUP) {
                let channels = group..group + GROUP;
                words.extend(channels.clone().map(|channel| {
                    let sum: i32 = (0..taps).map(|tap| i32::from(weight(channel, tap))).sum();
                    biases[channel] - input.zero_point() * sum
                }));
                for tap in (0..taps).step_by(a_word) {
                    words.extend(
                        channels
                            .clone()
                            .map(|channel| word(a_word, |next| weight(channel, tap + next))),
                    );
                }
            }
            Words {
                words: words.into(),
                a_word,
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
    /// When more than padding, clamp and quantization differ.
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
    /// When [`ConvSpec::output`] is `None`, or a slice does not have the length of its images.
    pub fn run(&self, images: Images, input: &[u8], output: Output<'_>) {
        self.run_with(RelaxedDot::detect(), images, input, output);
    }

    /// Compute the convolution as on a host whose dot instruction behaves like this.
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
        let end = Requantization::new(&self.spec, &self.scales);
        let zero = self.input.zero_point() as u8;
        let taps = Indirection::new(window, images, result, images.height, zero);
        let words = match &self.quads {
            Some(quads) if products != RelaxedDot::Other => quads,
            _ => &self.pairs,
        };
        // Some taps are taken at a time; what is with the last ones is multiplied with nothing.
        let count = window.taps();
        let mut pointers = vec![input.as_ptr(); count.next_multiple_of(words.a_word)];
        let mut sums = vec![0; channels * end.pixels];
        let image_in = images.len() / images.count;
        for (image, values) in input.chunks_exact(image_in).enumerate() {
            for y in 0..result.height {
                let line = (image * result.height + y) * result.width;
                let mut x = 0;
                while x < result.width {
                    let end_of_run = taps.point(values, y, x, &mut pointers[..count]);
                    let step = window.strides[1] * channels;
                    for first in (x..end_of_run).step_by(end.pixels) {
                        let some = end.pixels.min(end_of_run - first);
                        let sums = &mut sums[..some * channels];
                        // SAFETY: each of the taps is a pointer to a pixel's channels, and so it is some steps
                        // further on up to the run's end; those that fill the last word, as the first.
                        unsafe {
                            let under = Under {
                                taps: &pointers,
                                offset: (first - x) * step,
                                step,
                            };
                            words.sums(under, channels, sums);
                        }
                        let to = (line + first) * channels;
                        end.apply(0, sums, &mut output, to, sums.len());
                    }
                    x = end_of_run;
                }
            }
        }
    }
}

impl Words {
    /// The sums of some pixels.
    ///
    /// # Safety
    /// What is under each pixel must be valid for reads of as many bytes as there are channels, for each tap.
    unsafe fn sums(&self, under: Under<'_>, channels: usize, sums: &mut [i32]) {
        let a_group = (1 + under.taps.len() / self.a_word) * GROUP;
        assert_eq!(self.words.len(), channels / GROUP * a_group, "words");
        // Two groups at a time where there is a kernel for them, and then one.
        let has_kernel = cfg!(target_arch = "wasm32")
            && (self.a_word == PAIR || cfg!(target_feature = "relaxed-simd"));
        let twos = match has_kernel && !under.taps.is_empty() {
            true => channels / (2 * GROUP),
            false => 0,
        };
        let (words, last) = self.words.split_at(2 * twos * a_group);
        if last.is_empty() && twos > 0 {
            // SAFETY: there are words and sums for two groups each time; for the taps the caller vouches.
            return unsafe { self.two_by_two(twos, under, words, sums) };
        }
        for (pixel, sums) in sums.chunks_exact_mut(channels).enumerate() {
            let under = Under {
                offset: under.offset + pixel * under.step,
                ..under
            };
            let (done, rest) = sums.split_at_mut(2 * twos * GROUP);
            if twos > 0 {
                // SAFETY: as above, of one pixel.
                unsafe { self.two_by_two(twos, under, words, done) };
            }
            let all = last.chunks_exact(a_group).zip(rest.chunks_exact_mut(GROUP));
            for (group, (words, sums)) in all.enumerate() {
                let from = under.offset + (2 * twos + group) * GROUP;
                let (biases, weights) = words.split_at(GROUP);
                sums.copy_from_slice(biases);
                let taps = under.taps.chunks_exact(self.a_word);
                for (taps, words) in taps.zip(weights.chunks_exact(GROUP)) {
                    for (channel, (sum, &word)) in sums.iter_mut().zip(words).enumerate() {
                        for (next, tap) in taps.iter().enumerate() {
                            // SAFETY: the caller vouches for as many bytes as there are channels.
                            let value = i32::from(unsafe { *tap.add(from + channel) });
                            *sum += value * i32::from(number(word, self.a_word, next));
                        }
                    }
                }
            }
        }
    }

    /// The sums of some pixels, two groups of channels at a time.
    ///
    /// # Safety
    /// `words` must be those of `twos` times two groups, not none, `sums` those of some pixels, not none, and what is under each of
    /// these valid for reads of as many bytes, for each tap.
    #[cfg_attr(
        not(target_arch = "wasm32"),
        expect(unused_variables, reason = "a kernel")
    )]
    unsafe fn two_by_two(&self, twos: usize, under: Under<'_>, words: &[i32], sums: &mut [i32]) {
        #[cfg(target_arch = "wasm32")]
        {
            let rounds = under.taps.len() / self.a_word;
            let kernel = match (
                self.a_word,
                under.taps.len() <= unrolled::TAPS.next_multiple_of(self.a_word),
            ) {
                #[cfg(target_feature = "relaxed-simd")]
                (QUAD, true) => infer_quads_short_16,
                #[cfg(target_feature = "relaxed-simd")]
                (QUAD, false) => infer_quads_16,
                (_, true) => infer_pairs_short_16,
                (_, false) => infer_pairs_16,
            };
            let group_bytes = (1 + rounds) * GROUP * size_of::<i32>();
            // SAFETY: as the caller says.
            unsafe {
                kernel(
                    sums.len() / (2 * twos * GROUP),
                    under.step,
                    twos,
                    group_bytes,
                    rounds,
                    under.taps.as_ptr(),
                    under.offset,
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
        /// In `codegen/taps.rs`: words of two taps.
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
        /// In `codegen/taps.rs`: words of four taps.
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
