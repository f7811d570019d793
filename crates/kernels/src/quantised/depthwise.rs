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
        let whole = sums.len() / (2 * GROUP) * 2;
        let (twos, rest) = sums.split_at_mut(whole * GROUP);
        let (words, last) = self.words.split_at(whole * a_group);
        // SAFETY: the caller vouches for all channels.
        unsafe {
            two_by_two(taps, step, words, twos);
            groups(taps, step + whole * GROUP, last, rest);
        }
    }
}

#[cfg(target_arch = "wasm32")]
unsafe extern "C" {
    /// In `codegen/taps.rs`.
    fn infer_taps_16(
        groups: usize,
        group_bytes: usize,
        pairs: usize,
        pointers: *const [*const u8; 2],
        offset: usize,
        words: *const i32,
        sums: *mut i32,
    );
}

/// The sums of an even number of groups of channels: `words` are for each the biases, and then those of each pair of taps.
///
/// # Safety
/// Each of `taps` must be valid for reads of as many bytes as there are sums, `offset` further on.
unsafe fn two_by_two(taps: &[[*const u8; 2]], offset: usize, words: &[i32], sums: &mut [i32]) {
    #[cfg(target_arch = "wasm32")]
    {
        let a_group = (1 + taps.len()) * GROUP;
        let twos = sums.len() / (2 * GROUP);
        assert_eq!(words.len(), twos * 2 * a_group, "words");
        if twos > 0 && !taps.is_empty() {
            let (group_bytes, pairs) = (a_group * size_of::<i32>(), taps.len());
            let (words, sums) = (words.as_ptr(), sums.as_mut_ptr());
            // SAFETY: the kernel reads all words and writes sixteen sums for two groups each; for the taps the caller
            // vouches.
            unsafe {
                infer_taps_16(twos, group_bytes, pairs, taps.as_ptr(), offset, words, sums);
            }
        }
    }
    #[cfg(not(target_arch = "wasm32"))]
    // SAFETY: as the caller says.
    unsafe {
        groups(taps, offset, words, sums);
    }
}

/// The same of any number of groups, one by one.
///
/// # Safety
/// As [`two_by_two`].
unsafe fn groups(taps: &[[*const u8; 2]], offset: usize, words: &[i32], sums: &mut [i32]) {
    let words = words.chunks_exact((1 + taps.len()) * GROUP);
    for (group, (words, sums)) in words.zip(sums.chunks_exact_mut(GROUP)).enumerate() {
        let (biases, weights) = words.split_at(GROUP);
        sums.copy_from_slice(biases);
        for (taps, weights) in taps.iter().zip(weights.chunks_exact(GROUP)) {
            for (channel, (sum, weights)) in sums.iter_mut().zip(weights).enumerate() {
                let at = offset + group * GROUP + channel;
                // SAFETY: the caller vouches for as many bytes as there are sums.
                let [a, b] = taps.map(|tap| i32::from(unsafe { *tap.add(at) }));
                *sum += a * i32::from(*weights as i16) + b * (weights >> 16);
            }
        }
    }
}
