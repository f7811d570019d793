//! Each output channel from its own input channel.

use std::sync::Arc;

use super::{End, Output, Steps};
use crate::depthwise::{Depthwise, Lines};
use crate::form::{Form, Images};
use crate::gemm::Clamp;
use crate::lanes::LANES;
use crate::levels::Levels;

/// Bytes of lines that are there as whole numbers in FP32 at a time: what stays in a core's second cache.
const BAND_BYTES: usize = 256 * 1024;

/// A depthwise convolution of quantised images with quantised weights.
///
/// Its products are those of FP32, lines of whole numbers at a time: their sums are exact, and nothing is saved with bytes where
/// each is used for one product alone.
#[derive(Clone, Debug)]
pub struct QuantisedDepthwise {
    form: Form,
    input: Levels,
    sums: Depthwise,
    /// What the sums of each channel are steps of.
    scales: Arc<[f32]>,
}

impl QuantisedDepthwise {
    /// Pack weights `[channels, 1, kernel height, kernel width]` (ONNX's order), scales and biases as
    /// [`QuantisedConv::new`](super::QuantisedConv::new) does. None where sums may not be exact, where a byte
    /// cannot count the levels, and where the channels are no multiple of four.
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
        // A larger sum has not all of its bits in FP32.
        const MAX_TAPS: usize = (1 << 24) / (255 * 128);
        let channels = form.channels_in;
        assert_eq!(form.channels_out, channels, "channels");
        assert_eq!(weights.len(), channels * form.window.taps(), "weights");
        if !channels.is_multiple_of(LANES) || form.window.taps() > MAX_TAPS {
            return None;
        }
        let Steps { scales, biases } = Steps::new(input, weights, scales, bias, channels)?;
        let weights: Vec<f32> = weights.iter().map(|&weight| weight.into()).collect();
        let biases: Vec<f32> = biases.iter().map(|&bias| bias as f32).collect();
        let plain = Form {
            clamp: Clamp::NONE,
            levels: None,
            ..form
        };
        Some(Self {
            form,
            input,
            sums: Depthwise::new(plain, &weights, Some(&biases)),
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
        let plain = Form {
            clamp: Clamp::NONE,
            levels: None,
            ..form
        };
        Self {
            form,
            sums: self.sums.with_form(plain),
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
        let channels = self.form.channels_in;
        let (a_line, out_line) = (images.width * channels, result.width * channels);
        let end = End::new(&self.form, &self.scales);
        let band = (BAND_BYTES / (out_line * size_of::<f32>())).max(1);
        let mut work = self.sums.work(images, result);
        let mut lines: Vec<f32> = Vec::new();
        let mut sums = vec![0.0; out_line];
        for image in 0..images.count {
            let input = &input[image * images.height * a_line..][..images.height * a_line];
            for top in (0..result.height).step_by(band) {
                let bottom = result.height.min(top + band);
                let under = self.form.window.lines(top..bottom, images.height);
                let bytes = &input[under.start * a_line..under.end * a_line];
                lines.resize(bytes.len(), 0.0);
                self.input.steps(bytes, &mut lines);
                let lines = Lines {
                    values: &lines,
                    first: under.start,
                };
                for y in top..bottom {
                    work.line(lines, y, &mut sums);
                    let start = (image * result.height + y) * out_line;
                    for (x, sums) in sums.chunks_exact(channels).enumerate() {
                        end.apply(0, sums, &mut output, start + x * channels, channels);
                    }
                }
            }
        }
    }
}
