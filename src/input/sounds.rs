//! Encoded sounds become the input of a model: one sound, or a batch of equally long ones.

use infer_audio::AudioError;
use infer_model_card::{AudioSpec, ModelCard, TensorSpec};
use infer_tensor::Datatype;
use serde_json::value::RawValue;

use super::accepts::Accepts;
use super::encoded::EncodedSound;
use super::images;
use super::multipart::Form;
use super::sound::{Prepared, SoundError, ToTensor};
use crate::http::error::{ApiError, quoted};
use crate::http::limits::{self, Limits, MAX_AUDIO_SECONDS, MAX_BATCH};
use crate::tensor::{Tensor, check_shape};

/// The samples of all channels in one second that are decoded: two channels at 48 kHz, which almost every sound has.
const SAMPLES_PER_SECOND: u64 = 96_000;

/// The sounds of a request with their places in it, for messages.
#[must_use]
pub fn placed(sounds: Vec<Vec<u8>>) -> Vec<EncodedSound> {
    let count = sounds.len();
    let sounds = sounds.into_iter().enumerate();
    sounds
        .map(|(index, bytes)| EncodedSound {
            place: match count {
                1 => String::new(),
                _ => format!("sound {index}: "),
            },
            bytes,
        })
        .collect()
}

/// Read a sound in base64, or a list of them; `what` is the name of the member, for messages.
///
/// # Errors
/// 400 for every other value.
pub fn from_json(what: &str, json: &RawValue) -> Result<Vec<EncodedSound>, ApiError> {
    images::files_from_json(what, "sound", json).map(placed)
}

/// The sounds of a form; messages name the field of a sound.
#[must_use]
pub fn of_form(form: &Form) -> Vec<EncodedSound> {
    let count = form.images.len();
    let sounds = form.images.iter().enumerate();
    sounds
        .map(|(index, (name, bytes))| EncodedSound {
            place: match count {
                1 => format!("field {}: ", quoted(name)),
                _ => format!("sound {index}, field {}: ", quoted(name)),
            },
            bytes: bytes.to_vec(),
        })
        .collect()
}

/// Prepares the sounds of a request one after the other, within the limits of all of them together.
#[derive(Debug)]
pub struct Preparation<'a> {
    spec: &'a AudioSpec,
    input: &'a TensorSpec,
    card: &'a ModelCard,
    to_tensor: ToTensor,
    max_seconds: u64,
    /// The duration of the sounds so far.
    seconds: f64,
}

impl<'a> Preparation<'a> {
    /// Begin with a request of that many sounds.
    ///
    /// # Errors
    /// 415 if the model takes no sounds; 400 if there is none; 413 if there are too many.
    pub fn new(count: usize, accepts: Accepts<'a>, limits: &Limits) -> Result<Self, ApiError> {
        let taken = accepts.card.audio_input().zip(accepts.sound);
        let ((spec, input), to_tensor) = taken.ok_or_else(|| {
            ApiError::unsupported_media_type(format!("model `{}` takes no sounds", accepts.model))
        })?;
        if count == 0 {
            return Err(ApiError::invalid(
                "there is no sound, expected at least one",
            ));
        }
        limits::check(count, "sounds", limits.max_batch, MAX_BATCH)?;
        Ok(Self {
            spec,
            input,
            card: accepts.card,
            to_tensor,
            max_seconds: limits.max_audio_seconds,
            seconds: 0.0,
        })
    }

    /// The sample rate of the model in Hz.
    #[must_use]
    pub fn rate_hz(&self) -> u32 {
        self.spec.rate_hz
    }

    /// Decode and prepare the next sound.
    ///
    /// # Errors
    /// 415 for a format that is not decoded; 400 for a sound that cannot be decoded or is too short; 413 if the sounds so far
    /// are too long.
    pub fn next(&mut self, sound: &EncodedSound) -> Result<Prepared, ApiError> {
        self.next_as(sound, self.input.datatype)
    }

    /// The samples of the next sound, for a model that takes them without normalization.
    ///
    /// # Errors
    /// Those of [`Preparation::next`].
    pub fn samples(&mut self, sound: &EncodedSound) -> Result<Vec<f32>, ApiError> {
        let prepared = self.next_as(sound, Datatype::Fp32)?;
        let (samples, _) = prepared.bytes.as_chunks::<4>();
        Ok(samples
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect())
    }

    fn next_as(&mut self, sound: &EncodedSound, datatype: Datatype) -> Result<Prepared, ApiError> {
        let max_samples = self.max_seconds.saturating_mul(SAMPLES_PER_SECOND);
        let left = infer_audio::Limits {
            max_seconds: self.max_seconds as f64 - self.seconds,
            max_samples: usize::try_from(max_samples).unwrap_or(usize::MAX),
        };
        let prepared = (self.to_tensor)(&sound.bytes, self.spec, datatype, &left)
            .map_err(|error| self.refused(&error, &sound.place))?;
        self.seconds += prepared.seconds;
        Ok(prepared)
    }

    fn refused(&self, error: &SoundError, place: &str) -> ApiError {
        use AudioError::{
            TooLong, TooManySamples, UnknownFormat, UnsupportedFeature, UnsupportedFormat,
        };
        match error {
            SoundError::Audio(TooLong { .. }) if self.seconds > 0.0 => limits::exceeded(
                format_args!(
                    "{place}the sounds of the request last more than {} s together",
                    self.max_seconds
                ),
                MAX_AUDIO_SECONDS,
            ),
            SoundError::Audio(TooLong { .. } | TooManySamples { .. }) => {
                limits::exceeded(format_args!("{place}{error}"), MAX_AUDIO_SECONDS)
            }
            SoundError::Audio(
                UnknownFormat | UnsupportedFormat { .. } | UnsupportedFeature { .. },
            ) => ApiError::unsupported_media_type(format!("{place}{error}")),
            _ => ApiError::invalid(format!("{place}{error}")),
        }
    }

    /// The inputs of the graph for equally long sounds: the tensor, and the mask if the model takes one.
    ///
    /// # Errors
    /// 400 if their number or their length does not fit the input.
    pub fn inputs(
        &self,
        count: usize,
        shape: &[usize],
        bytes: Vec<u8>,
    ) -> Result<Vec<(String, Tensor)>, ApiError> {
        let sizes = std::iter::once(count).chain(shape.iter().copied());
        let sizes: Vec<u64> = sizes.map(|size| size as u64).collect();
        let shape = check_shape(self.input, &sizes).map_err(|error| {
            let sounds = if count == 1 {
                "sound does"
            } else {
                "sounds do"
            };
            ApiError::invalid(format!(
                "{count} {sounds} not fit input `{}`: {error}",
                self.input.name
            ))
        })?;
        let mask = self.mask(&shape);
        let tensor = Tensor {
            datatype: self.input.datatype,
            shape,
            data: bytes,
        };
        let mut inputs = vec![(self.input.name.clone(), tensor)];
        inputs.extend(mask);
        Ok(inputs)
    }

    /// The mask of the samples, 1 for each: no sound is padded to another's length.
    fn mask(&self, shape: &[u32]) -> Option<(String, Tensor)> {
        let name = self.spec.attention_mask.as_ref()?;
        let input = self.card.inputs.iter().find(|input| input.name == *name)?;
        let count = shape.iter().map(|size| *size as usize).product();
        let data = match input.datatype {
            Datatype::Int32 => 1_i32.to_le_bytes().repeat(count),
            _ => 1_i64.to_le_bytes().repeat(count),
        };
        let tensor = Tensor {
            datatype: input.datatype,
            shape: shape.to_vec(),
            data,
        };
        Some((name.clone(), tensor))
    }

    /// The bytes of the longest sound within the limit, which also bound a batch of features: a short sound may become
    /// features of the same size as a long one.
    fn max_bytes(&self) -> u64 {
        self.max_seconds
            .saturating_mul(self.spec.rate_hz.into())
            .saturating_mul(4)
    }
}

/// Decode and prepare sounds, and stack them into a tensor.
///
/// # Errors
/// Those of [`Preparation`]; 400 if the sounds differ in length; 413 if all together are over a limit.
pub fn prepare(
    sounds: &[EncodedSound],
    accepts: Accepts,
    limits: &Limits,
) -> Result<Vec<(String, Tensor)>, ApiError> {
    let mut preparation = Preparation::new(sounds.len(), accepts, limits)?;
    let mut shape: Vec<usize> = Vec::new();
    let mut data: Vec<u8> = Vec::new();
    for (index, sound) in sounds.iter().enumerate() {
        let prepared = preparation.next(sound)?;
        if index == 0 {
            shape = prepared.shape;
            data = prepared.bytes;
            let all = (data.len() as u64).saturating_mul(sounds.len() as u64);
            if sounds.len() > 1 && all > preparation.max_bytes() {
                return Err(limits::exceeded(
                    format_args!(
                        "{} sounds need {all} bytes as input `{}`, {} each, expected at most {}",
                        sounds.len(),
                        preparation.input.name,
                        data.len(),
                        preparation.max_bytes()
                    ),
                    MAX_AUDIO_SECONDS,
                ));
            }
            continue;
        }
        if prepared.shape != shape {
            return Err(ApiError::invalid(format!(
                "{}the sound becomes an input of shape {:?} and the first sound one of {shape:?}; send sounds of different \
                 lengths one by one",
                sound.place, prepared.shape
            )));
        }
        data.extend(prepared.bytes);
    }
    preparation.inputs(sounds.len(), &shape, data)
}

/// Prepare sounds as the tensor of an input that a request names beside others.
///
/// # Errors
/// Those of [`prepare`].
pub fn only_tensor(
    sounds: &[EncodedSound],
    accepts: Accepts,
    limits: &Limits,
) -> Result<Tensor, ApiError> {
    let first = prepare(sounds, accepts, limits)?.into_iter().next();
    first
        .map(|(_, tensor)| tensor)
        .ok_or_else(|| ApiError::internal("sounds were prepared to no tensor"))
}
