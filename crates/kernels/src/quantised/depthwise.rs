//! Each output channel from its own input channel.

use std::sync::Arc;

use super::{End, Output, Steps};
use crate::form::{Form, Images};
use crate::levels::Levels;
use crate::taps::Taps;

/// Channels that are done together.
const GROUP: usize = 8;

/// A depthwise convolution of quantised images with quantised weights, packed: for each eight channels their biases, and then for
/// each two taps a word a channel of both weights, in sixteen bits each.
#[derive(Clone, Debug)]
pub struct QuantisedDepthwise {
    form: Form,
    input: Levels,
    words: Arc<[i32]>,
    /// What the sums of each channel are steps of.
    scales: Arc<[f32]>,
}

impl QuantisedDepthwise {
    /// Pack weights `[channels, 1, kernel height, kernel width]` (ONNX's order), scales and biases as
    /// [`QuantisedConv::new`](super::QuantisedConv::new) does. None where sums may not fit into 32 bits, where a byte
    /// cannot count the levels, and where the channels are no multiple of eight.
    ///
    /// # Panics
    /// When the slices are not as long as that, or it does not give as many channels as it takes.
    #[must_use]
    pub fn new(
        form: Form,
        input: Levels,
        weights: &[i8],
        scales: &[f32],
        bias: Option<&[f32]>,
    ) -> Option<Self> {
        let (channels, taps) = (form.channels_in, form.window.taps());
        assert_eq!(form.channels_out, channels, "channels");
        assert_eq!(weights.len(), channels * taps, "weights");
        if !channels.is_multiple_of(GROUP) {
            return None;
        }
        let Steps { scales, biases } = Steps::new(input, weights, scales, bias, channels)?;
        let weight = |channel: usize, tap: usize| match tap < taps {
            true => i32::from(weights[channel * taps + tap]),
            false => 0,
        };
        let mut words = Vec::with_capacity(channels * (1 + taps.div_ceil(2)));
        for group in (0..channels).step_by(GROUP) {
            let channels = group..group + GROUP;
            words.extend(channels.clone().map(|channel| {
                let sum: i32 = (0..taps).map(|tap| weight(channel, tap)).sum();
                biases[channel] - input.zero() * sum
            }));
            for tap in (0..taps).step_by(2) {
                words.extend(channels.clone().map(|channel| {
                    (weight(channel, tap) & 0xffff) | (weight(channel, tap + 1) << 16)
                }));
            }
        }
        Some(Self {
            form,
            input,
            words: words.into(),
            scales: scales.into(),
        })
    }

    /// What it takes and gives.
    #[must_use]
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// The levels that images are, which come as bytes.
    #[must_use]
    pub fn input(&self) -> Levels {
        self.input
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
    pub fn run(&self, images: Images, input: &[u8], mut output: Output<'_>) {
        let result = self.form.fit(images, input.len(), output.len());
        if result.is_empty() {
            return;
        }
        let Form {
            window,
            channels_in: channels,
            ..
        } = self.form;
        let end = End::new(&self.form, &self.scales);
        let taps = Taps::new(window, images, result, self.input.zero() as u8);
        // The taps are taken in pairs; what is with the last of an odd number is multiplied with nothing.
        let count = window.taps();
        let mut pointers = vec![input.as_ptr(); count.next_multiple_of(2)];
        let mut sums = vec![0; channels];
        let image_in = images.len() / images.count;
        for (image, values) in input.chunks_exact(image_in).enumerate() {
            for y in 0..result.height {
                let line = (image * result.height + y) * result.width;
                let mut x = 0;
                while x < result.width {
                    let end_of_run = taps.point(values, y, x, &mut pointers[..count]);
                    for pixel in 0..end_of_run - x {
                        let step = pixel * window.strides[1] * channels;
                        // SAFETY: each of the taps is a pointer to a pixel's channels, and so it is some steps
                        // further on up to the run's end; the one that makes their number even, as the first.
                        unsafe { self.sums(&pointers, step, &mut sums) };
                        let to = (line + x + pixel) * channels;
                        end.apply(0, &sums, &mut output, to, channels);
                    }
                    x = end_of_run;
                }
            }
        }
    }

    /// The sums of a pixel.
    ///
    /// # Safety
    /// Each of `taps` must be valid for reads of as many bytes as there are channels, `step` bytes further on.
    unsafe fn sums(&self, taps: &[*const u8], step: usize, sums: &mut [i32]) {
        let (taps, _) = taps.as_chunks();
        let a_group = (1 + taps.len()) * GROUP;
        let (twos, one) = sums.as_chunks_mut::<{ 2 * GROUP }>();
        let done = twos.len() * 2;
        let words = self.words.chunks_exact(2 * a_group);
        for (group, (words, sums)) in words.zip(twos).enumerate() {
            // SAFETY: the caller vouches for all channels.
            unsafe { groups::<2>(taps, step + group * 2 * GROUP, words, sums) };
        }
        if !one.is_empty() {
            let words = &self.words[done * a_group..];
            // SAFETY: the caller vouches for all channels, of which there are eight more.
            unsafe { groups::<1>(taps, step + done * GROUP, words, one) };
        }
    }
}

/// The sums of one or two groups of channels: `words` are for each the biases, and then those of each pair of taps.
///
/// # Safety
/// Each of `taps` must be valid for reads of as many bytes as there are channels, `offset` further on.
#[inline(always)]
unsafe fn groups<const N: usize>(
    taps: &[[*const u8; 2]],
    offset: usize,
    words: &[i32],
    sums: &mut [i32],
) {
    let a_group = (1 + taps.len()) * GROUP;
    assert!(
        words.len() >= N * a_group && sums.len() >= N * GROUP,
        "channels"
    );
    #[cfg(target_arch = "wasm32")]
    {
        use std::arch::wasm32::*;

        use crate::lanes::LANES;

        type Two = [v128; 2];
        // SAFETY: there are so many words and sums; for the taps the caller vouches; a `v128` is at any address.
        unsafe {
            let load = |at: usize| -> Two {
                let words = words.as_ptr().add(at);
                [v128_load(words.cast()), v128_load(words.add(LANES).cast())]
            };
            let add = |sums: Two, both: v128, weights: Two| -> Two {
                let (low, high) = (u16x8_extend_low_u8x16(both), u16x8_extend_high_u8x16(both));
                [
                    i32x4_add(sums[0], i32x4_dot_i16x8(low, weights[0])),
                    i32x4_add(sums[1], i32x4_dot_i16x8(high, weights[1])),
                ]
            };
            let mut all: [Two; N] = std::array::from_fn(|group| load(group * a_group));
            for (pair, taps) in taps.iter().enumerate() {
                let [a, b] = taps.map(|tap| {
                    let from = tap.add(offset);
                    match N {
                        1 => v128_load64_zero(from.cast()),
                        _ => v128_load(from.cast()),
                    }
                });
                let at = (1 + pair) * GROUP;
                let both =
                    i8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(a, b);
                all[0] = add(all[0], both, load(at));
                if N > 1 {
                    let both = i8x16_shuffle::<
                        8,
                        24,
                        9,
                        25,
                        10,
                        26,
                        11,
                        27,
                        12,
                        28,
                        13,
                        29,
                        14,
                        30,
                        15,
                        31,
                    >(a, b);
                    all[1] = add(all[1], both, load(a_group + at));
                }
            }
            for (group, [low, high]) in all.into_iter().enumerate() {
                let sums = sums.as_mut_ptr().add(group * GROUP);
                v128_store(sums.cast(), low);
                v128_store(sums.add(LANES).cast(), high);
            }
        }
    }
    #[cfg(not(target_arch = "wasm32"))]
    for group in 0..N {
        let (biases, weights) = words[group * a_group..][..a_group].split_at(GROUP);
        let sums = &mut sums[group * GROUP..][..GROUP];
        sums.copy_from_slice(biases);
        for (taps, weights) in taps.iter().zip(weights.chunks_exact(GROUP)) {
            for (channel, (sum, weights)) in sums.iter_mut().zip(weights).enumerate() {
                let at = offset + group * GROUP + channel;
                // SAFETY: the caller vouches for eight bytes a group.
                let [a, b] = taps.map(|tap| i32::from(unsafe { *tap.add(at) }));
                *sum += a * i32::from(*weights as i16) + b * (weights >> 16);
            }
        }
    }
}
