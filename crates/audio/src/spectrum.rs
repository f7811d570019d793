//! Power spectra of overlapping frames, as `spectrogram` of `audio_utils.py` in transformers computes them.

use std::f64::consts::TAU;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// Why features cannot be computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FeatureError {
    /// A setting of the feature extractor that is out of range.
    #[error("`{name}` is {value}, expected {expected}")]
    Setting {
        /// The setting, as transformers calls it.
        name: &'static str,
        /// Its value.
        value: String,
        /// The range.
        expected: &'static str,
    },

    /// A sound without a single whole frame.
    #[error("the sound has {len} samples, expected at least {min}")]
    TooShort {
        /// The number of samples.
        len: usize,
        /// The length of a frame in samples.
        min: usize,
    },
}

impl FeatureError {
    pub(crate) fn setting(
        name: &'static str,
        value: impl ToString,
        expected: &'static str,
    ) -> Self {
        Self::Setting {
            name,
            value: value.to_string(),
            expected,
        }
    }
}

/// The power spectrum of one frame after another.
pub(crate) struct Spectrum {
    fft: Arc<dyn RealToComplex<f64>>,
    input: Vec<f64>,
    output: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    power: Vec<f64>,
}

impl Spectrum {
    pub(crate) fn new(fft_len: usize) -> Self {
        let fft = RealFftPlanner::new().plan_fft_forward(fft_len);
        let (input, output, scratch) = (
            fft.make_input_vec(),
            fft.make_output_vec(),
            fft.make_scratch_vec(),
        );
        let power = vec![0.0; output.len()];
        Self {
            fft,
            input,
            output,
            scratch,
            power,
        }
    }

    /// The power in each bin of a frame, which `write` writes into a buffer of zeros.
    pub(crate) fn power(&mut self, write: impl FnOnce(&mut [f64])) -> &[f64] {
        self.input.fill(0.0);
        write(&mut self.input);
        self.fft
            .process_with_scratch(&mut self.input, &mut self.output, &mut self.scratch)
            .expect("the buffers are the transform's own");
        for (power, bin) in self.power.iter_mut().zip(&self.output) {
            // NumPy keeps the spectrum as complex64 and squares its absolute values as f64.
            let [re, im] = [bin.re, bin.im].map(|part| f64::from(part as f32));
            *power = re * re + im * im;
        }
        &self.power
    }
}

/// A Hann window with this many steps from one zero to the next: `numpy.hanning(steps + 1)`, without its last value if
/// `len` is `steps`.
pub(crate) fn hann(len: usize, steps: usize) -> impl Iterator<Item = f64> {
    (0..len).map(move |index| 0.5 - 0.5 * (TAU * index as f64 / steps as f64).cos())
}
