//! The logarithmic mel spectrogram of Whisper.

use ndarray::Array2;

use crate::mel::{MelFilters, Scale};
use crate::spectrum::{FeatureError, Spectrum, hann};

/// The highest frequency of the filters in Hz, which `WhisperFeatureExtractor` does not derive from the sample rate.
const MAX_HZ: f64 = 8000.0;

/// The settings of `WhisperFeatureExtractor`, with the same names and defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogMel {
    /// The number of mel filters: 80, or 128 since Whisper large v3.
    pub feature_size: usize,
    /// The sample rate in Hz.
    pub sampling_rate: u32,
    /// The distance of two frames in samples.
    pub hop_length: usize,
    /// The duration of the input in seconds, to which a sound is padded or cut.
    pub chunk_length: u32,
    /// The length of a frame in samples.
    pub n_fft: usize,
}

impl Default for LogMel {
    fn default() -> Self {
        Self {
            feature_size: 80,
            sampling_rate: 16_000,
            hop_length: 160,
            chunk_length: 30,
            n_fft: 400,
        }
    }
}

impl LogMel {
    /// The length of the input in samples.
    pub fn n_samples(&self) -> usize {
        (u64::from(self.chunk_length) * u64::from(self.sampling_rate))
            .try_into()
            .unwrap_or(usize::MAX)
    }

    fn check(&self) -> Result<(), FeatureError> {
        let Self {
            feature_size,
            hop_length,
            n_fft,
            ..
        } = *self;
        let max = self.n_samples();
        if !(1..=1024).contains(&feature_size) {
            return Err(FeatureError::setting(
                "feature_size",
                feature_size,
                "1 to 1024",
            ));
        }
        if !(1..=max).contains(&hop_length) {
            return Err(FeatureError::setting(
                "hop_length",
                hop_length,
                "at least 1 and at most the chunk's samples",
            ));
        }
        if !(2..=65_536).contains(&n_fft) {
            return Err(FeatureError::setting("n_fft", n_fft, "2 to 65536"));
        }
        // The chunk is padded by half a frame of its mirror image.
        if max <= n_fft || max > 1 << 28 {
            return Err(FeatureError::setting(
                "chunk_length",
                self.chunk_length,
                "more than n_fft and at most 2^28 samples",
            ));
        }
        Ok(())
    }
}

/// Input features of shape `[mels, frames]`, as `WhisperFeatureExtractor` of transformers computes them from one sound with
/// the sample rate `sampling_rate`, without dithering.
///
/// The sound is padded with zeros or cut to `chunk_length` seconds. Frames of `n_fft` samples under a periodic Hann window
/// are centered at the multiples of `hop_length`, where the ends are reflected; the last one is dropped. Their power
/// spectra pass mel filters on Slaney's scale up to 8 kHz. The decimal logarithm of at least 1e-10 is raised to at least 8
/// below the maximum, and becomes `(x + 4) / 4`.
///
/// # Errors
///
/// [`FeatureError::Setting`] if a setting is out of range.
pub fn log_mel(samples: &[f32], settings: &LogMel) -> Result<Array2<f32>, FeatureError> {
    settings.check()?;
    let LogMel {
        feature_size: mels,
        sampling_rate,
        hop_length,
        n_fft,
        ..
    } = *settings;
    let n_samples = settings.n_samples();
    let samples = &samples[..samples.len().min(n_samples)];
    let pad = n_fft / 2;
    // One frame more fits, which is dropped.
    let frames = (n_samples + 2 * pad - n_fft) / hop_length;

    let window: Vec<f64> = hann(n_fft, n_fft).collect();
    let filters = MelFilters::new(
        Scale::Slaney,
        n_fft / 2 + 1,
        mels,
        sampling_rate,
        0.0,
        MAX_HZ,
    );
    let mut spectrum = Spectrum::new(n_fft);
    let mut features = Array2::from_elem((mels, frames), floor());
    // Position of the chunk, mirrored at its ends, of which nothing follows the samples.
    let sample = |position: isize| {
        let index = position.unsigned_abs();
        let index = if index < n_samples {
            index
        } else {
            2 * (n_samples - 1) - index
        };
        samples.get(index).copied().unwrap_or(0.0)
    };
    for frame in 0..frames {
        let start = (frame * hop_length) as isize - pad as isize;
        let positions = || start..start + n_fft as isize;
        // A sound is mostly shorter than the chunk: what is silent to the end has the floor's value already.
        if start >= samples.len() as isize && positions().all(|position| sample(position) == 0.0) {
            continue;
        }
        let power = spectrum.power(|buffer| {
            for ((to, position), factor) in buffer.iter_mut().zip(positions()).zip(&window) {
                *to = f64::from(sample(position)) * factor;
            }
        });
        let column = features.column_mut(frame);
        column
            .into_iter()
            .zip(filters.apply(power))
            .for_each(|(to, energy)| *to = energy.max(1e-10).log10() as f32);
    }
    let lowest = features.fold(f32::NEG_INFINITY, |max, &value| max.max(value)) - 8.0;
    features.mapv_inplace(|value| (value.max(lowest) + 4.0) / 4.0);
    Ok(features)
}

/// The logarithm of the smallest energy.
fn floor() -> f32 {
    1e-10f64.log10() as f32
}
