//! An encoded sound becomes the input of a model, as the section `[audio]` of the model card says: decode, mix to one
//! channel, resample, then compute the features.

use half::f16;
use infer_audio::{AudioError, Fbank, FeatureError, LogMel, Normalization, Sound};
use infer_model_card::{AudioFeatures, AudioSpec};
use infer_tensor::Datatype;

/// The type of [`to_tensor`].
pub type ToTensor =
    fn(&[u8], &AudioSpec, Datatype, &infer_audio::Limits) -> Result<Prepared, SoundError>;

/// A sound as the input of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// The shape, without the batch.
    pub shape: Vec<usize>,
    /// The little-endian bytes of the tensor.
    pub bytes: Vec<u8>,
    /// The duration of the sound in seconds.
    pub seconds: f64,
}

/// Why a sound cannot become the input of a model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SoundError {
    /// It cannot be decoded or resampled.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// The features cannot be computed, since it is too short.
    #[error("{0}")]
    Features(#[from] FeatureError),
}

/// Decode and prepare one sound.
///
/// The elements are FP32 or FP16. The limits apply to the sound as it is decoded.
///
/// # Errors
/// The bytes are not a sound of a supported format, are damaged, or exceed a limit; or the sound is shorter than a frame.
pub fn to_tensor(
    bytes: &[u8],
    spec: &AudioSpec,
    datatype: Datatype,
    limits: &infer_audio::Limits,
) -> Result<Prepared, SoundError> {
    let sound = infer_audio::decode(bytes, limits)?;
    let seconds = sound.samples.len() as f64 / f64::from(sound.rate_hz);
    let Sound { samples, .. } = infer_audio::resample(sound, spec.rate_hz)?;
    let (shape, values) = match spec.features {
        AudioFeatures::Waveform => {
            let values = infer_audio::waveform(samples, spec.normalize);
            (vec![values.len()], values)
        }
        AudioFeatures::LogMel => flat(infer_audio::log_mel(
            &samples,
            &LogMel {
                feature_size: spec.mels() as usize,
                sampling_rate: spec.rate_hz,
                hop_length: spec.hop_length as usize,
                chunk_length: spec.chunk_seconds,
                n_fft: spec.n_fft as usize,
            },
        )?),
        AudioFeatures::Fbank => flat(infer_audio::fbank(
            &samples,
            &Fbank {
                sampling_rate: spec.rate_hz,
                num_mel_bins: spec.mels() as usize,
                max_length: spec.max_length.map(|frames| frames as usize),
                normalization: spec.std.map(|std| Normalization {
                    mean: spec.mean,
                    std,
                }),
                ..Fbank::default()
            },
        )?),
    };
    let bytes = match datatype {
        Datatype::Fp16 => values
            .iter()
            .flat_map(|value| f16::from_f32(*value).to_le_bytes())
            .collect(),
        _ => values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
    };
    Ok(Prepared {
        shape,
        bytes,
        seconds,
    })
}

/// The shape and the elements of features, row by row.
fn flat(features: ndarray::Array2<f32>) -> (Vec<usize>, Vec<f32>) {
    (features.shape().to_vec(), features.into_iter().collect())
}
