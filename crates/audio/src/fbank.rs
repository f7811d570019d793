//! Kaldi's filter banks, as the Audio Spectrogram Transformer takes them.

use ndarray::{Array2, s};

use crate::mel::{MelFilters, Scale};
use crate::spectrum::{FeatureError, Spectrum, hann};

const FRAME_LEN: usize = 400;
const HOP_LEN: usize = 160;
const FFT_LEN: usize = 512;
const PREEMPHASIS: f64 = 0.97;
const MIN_HZ: f64 = 20.0;
/// The smallest energy: the distance of 1 to the next f32.
const FLOOR: f64 = 1.192_092_955_078_125e-7;

/// The window of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Window {
    /// The symmetric Hann window of `ASTFeatureExtractor`.
    #[default]
    Hann,
    /// The Hann window to the power of 0.85, of `Speech2TextFeatureExtractor` and `SeamlessM4TFeatureExtractor`.
    Povey,
}

/// A mean and a standard deviation over a data set: features become `(x - mean) / (std * 2)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    /// The mean.
    pub mean: f32,
    /// The standard deviation.
    pub std: f32,
}

/// The settings of `ASTFeatureExtractor`, with the same names and defaults, and two for its relatives.
///
/// Whatever the sample rate, a frame has 400 samples, and the next one begins 160 samples later, as in transformers.
#[derive(Clone, Debug, PartialEq)]
pub struct Fbank {
    /// The sample rate in Hz.
    pub sampling_rate: u32,
    /// The number of mel filters.
    pub num_mel_bins: usize,
    /// The number of frames to which the features are padded with zeros or cut. `None` keeps them all.
    pub max_length: Option<usize>,
    /// The normalization after padding. `None` is `do_normalize=False`.
    pub normalization: Option<Normalization>,
    /// The window of a frame.
    pub window: Window,
    /// What samples are multiplied by first: 1, or 32768 for `Speech2TextFeatureExtractor`.
    pub scale: f32,
}

impl Default for Fbank {
    fn default() -> Self {
        Self {
            sampling_rate: 16_000,
            num_mel_bins: 128,
            max_length: Some(1024),
            normalization: Some(Normalization {
                mean: -4.267_739_3,
                std: 4.568_997_4,
            }),
            window: Window::Hann,
            scale: 1.0,
        }
    }
}

impl Fbank {
    fn check(&self) -> Result<(), FeatureError> {
        if self.sampling_rate < 100 {
            return Err(FeatureError::setting(
                "sampling_rate",
                self.sampling_rate,
                "at least 100",
            ));
        }
        if !(1..=1024).contains(&self.num_mel_bins) {
            return Err(FeatureError::setting(
                "num_mel_bins",
                self.num_mel_bins,
                "1 to 1024",
            ));
        }
        if let Some(max_length) = self.max_length
            && !(1..=1 << 18).contains(&max_length)
        {
            return Err(FeatureError::setting("max_length", max_length, "1 to 2^18"));
        }
        if let Some(Normalization { std, mean }) = self.normalization {
            if !(std.is_finite() && std > 0.0) {
                return Err(FeatureError::setting("std", std, "more than 0"));
            }
            if !mean.is_finite() {
                return Err(FeatureError::setting("mean", mean, "a finite number"));
            }
        }
        Ok(())
    }
}

/// Input values of shape `[frames, mels]`, as `ASTFeatureExtractor` of transformers computes them from one sound with the
/// sample rate `sampling_rate`, on its NumPy path.
///
/// Each frame loses its mean, gets a preemphasis of 0.97 and a window, and is padded to 512 samples. Its power spectrum
/// passes mel filters on Kaldi's scale from 20 Hz to half the sample rate, and the natural logarithm of at least 2^-23 is
/// taken.
///
/// # Errors
///
/// [`FeatureError`] if a setting is out of range, or the sound is shorter than a frame, 400 samples.
pub fn fbank(samples: &[f32], settings: &Fbank) -> Result<Array2<f32>, FeatureError> {
    settings.check()?;
    let Fbank {
        sampling_rate,
        num_mel_bins: mels,
        scale,
        ..
    } = *settings;
    let hops = samples
        .len()
        .checked_sub(FRAME_LEN)
        .ok_or(FeatureError::TooShort {
            len: samples.len(),
            min: FRAME_LEN,
        })?;
    let frames = hops / HOP_LEN + 1;
    let (rows, frames) = settings
        .max_length
        .map_or((frames, frames), |rows| (rows, frames.min(rows)));

    let window: Vec<f64> = hann(FRAME_LEN, FRAME_LEN - 1)
        .map(|value| match settings.window {
            Window::Hann => value,
            Window::Povey => value.powf(0.85),
        })
        .collect();
    let max_hz = f64::from(sampling_rate / 2);
    let filters = MelFilters::new(
        Scale::Kaldi,
        FFT_LEN / 2 + 1,
        mels,
        sampling_rate,
        MIN_HZ,
        max_hz,
    );
    let mut spectrum = Spectrum::new(FFT_LEN);
    let mut features = Array2::zeros((rows, mels));
    for (frame, row) in features
        .slice_mut(s![..frames, ..])
        .rows_mut()
        .into_iter()
        .enumerate()
    {
        let power = spectrum.power(|buffer| {
            let buffer = &mut buffer[..FRAME_LEN];
            for (to, &from) in buffer.iter_mut().zip(&samples[frame * HOP_LEN..]) {
                *to = f64::from(from * scale);
            }
            let mean = buffer.iter().sum::<f64>() / FRAME_LEN as f64;
            buffer.iter_mut().for_each(|value| *value -= mean);
            for index in (1..FRAME_LEN).rev() {
                buffer[index] -= PREEMPHASIS * buffer[index - 1];
            }
            buffer[0] *= 1.0 - PREEMPHASIS;
            buffer
                .iter_mut()
                .zip(&window)
                .for_each(|(value, factor)| *value *= factor);
        });
        row.into_iter()
            .zip(filters.apply(power))
            .for_each(|(to, energy)| *to = energy.max(FLOOR).ln() as f32);
    }
    if let Some(Normalization { mean, std }) = settings.normalization {
        features.mapv_inplace(|value| (value - mean) / (std * 2.0));
    }
    Ok(features)
}
