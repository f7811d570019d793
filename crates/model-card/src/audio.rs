//! `[audio]`: an encoded sound becomes a model's input.

use infer_tensor::Datatype;
use serde::Deserialize;

use crate::{CardError, ModelCard, TensorSpec};

/// How an encoded sound becomes an input. The sound is mixed to one channel and resampled first.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct AudioSpec {
    /// The input that takes the sound; required if the model has several inputs.
    #[serde(default)]
    pub input: Option<String>,
    /// The sample rate of the model in Hz.
    #[serde(default = "default_rate_hz")]
    pub rate_hz: u32,
    /// What is computed of the samples.
    #[serde(default)]
    pub features: AudioFeatures,
    /// Whether the samples of a waveform get a mean of 0 and a variance of 1, as `do_normalize` of
    /// `Wav2Vec2FeatureExtractor` says.
    #[serde(default)]
    pub normalize: bool,
    /// An input that takes 1 for each sample of a waveform; optional in the graph.
    #[serde(default)]
    pub attention_mask: Option<String>,
    /// The number of mel filters: 80 of `log-mel` and 128 of `fbank` unless it is set.
    #[serde(default)]
    pub mels: Option<u32>,
    /// The length of a frame of `log-mel` in samples.
    #[serde(default = "default_n_fft")]
    pub n_fft: u32,
    /// The distance of two frames of `log-mel` in samples.
    #[serde(default = "default_hop_length")]
    pub hop_length: u32,
    /// The duration in seconds to which a sound is padded or cut for `log-mel`.
    #[serde(default = "default_chunk_seconds")]
    pub chunk_seconds: u32,
    /// The number of frames to which `fbank` is padded or cut; all of them unless it is set.
    #[serde(default)]
    pub max_length: Option<u32>,
    /// The mean of `fbank` over a data set. Features become `(x - mean) / (std * 2)` if `std` is set.
    #[serde(default)]
    pub mean: f32,
    /// The standard deviation of `fbank` over a data set.
    #[serde(default)]
    pub std: Option<f32>,
}

/// What is computed of a sound's samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AudioFeatures {
    /// The samples themselves, of shape `[batch, samples]`, as `Wav2Vec2FeatureExtractor` prepares them.
    #[default]
    Waveform,
    /// The logarithmic mel spectrogram of `WhisperFeatureExtractor`, of shape `[batch, mels, frames]`.
    LogMel,
    /// Kaldi's filter banks of `ASTFeatureExtractor`, of shape `[batch, frames, mels]`.
    Fbank,
}

fn default_rate_hz() -> u32 {
    16_000
}

fn default_n_fft() -> u32 {
    400
}

fn default_hop_length() -> u32 {
    160
}

fn default_chunk_seconds() -> u32 {
    30
}

impl Default for AudioSpec {
    /// The section of a card with an empty `[audio]`.
    fn default() -> Self {
        Self {
            input: None,
            rate_hz: default_rate_hz(),
            features: AudioFeatures::default(),
            normalize: false,
            attention_mask: None,
            mels: None,
            n_fft: default_n_fft(),
            hop_length: default_hop_length(),
            chunk_seconds: default_chunk_seconds(),
            max_length: None,
            mean: 0.0,
            std: None,
        }
    }
}

impl AudioSpec {
    /// The number of mel filters.
    #[must_use]
    pub fn mels(&self) -> u32 {
        self.mels.unwrap_or(match self.features {
            AudioFeatures::Fbank => 128,
            AudioFeatures::Waveform | AudioFeatures::LogMel => 80,
        })
    }

    /// The frames of a sound with that many samples; 0 for a waveform. An estimate for features that depend on the length.
    fn frames(&self, samples: u32) -> u32 {
        match self.features {
            AudioFeatures::Waveform => 0,
            AudioFeatures::LogMel => {
                self.chunk_seconds.saturating_mul(self.rate_hz) / self.hop_length.max(1)
            }
            AudioFeatures::Fbank => self
                .max_length
                .unwrap_or(samples.saturating_sub(400) / 160 + 1),
        }
    }

    /// The shape of a batch of one sound with that many samples, for a trial.
    #[must_use]
    pub fn shape(&self, samples: u32) -> Vec<u32> {
        let frames = self.frames(samples);
        match self.features {
            AudioFeatures::Waveform => vec![1, samples],
            AudioFeatures::LogMel => vec![1, self.mels(), frames],
            AudioFeatures::Fbank => vec![1, frames, self.mels()],
        }
    }

    /// The shape of the input, with -1 for any size.
    fn declared_shape(&self) -> Vec<i64> {
        let fixed = match self.features {
            AudioFeatures::Waveform => return vec![-1, -1],
            AudioFeatures::LogMel => true,
            AudioFeatures::Fbank => self.max_length.is_some(),
        };
        let frames = if fixed { i64::from(self.frames(0)) } else { -1 };
        let mels = i64::from(self.mels());
        match self.features {
            AudioFeatures::Fbank => vec![-1, frames, mels],
            AudioFeatures::Waveform | AudioFeatures::LogMel => vec![-1, mels, frames],
        }
    }

    /// Check the numbers, whose ranges are those of `infer-audio`.
    fn check(&self) -> Result<(), CardError> {
        let ranges = [
            ("rate_hz", self.rate_hz, 1000, 192_000),
            ("mels", self.mels(), 1, 1024),
            ("n_fft", self.n_fft, 2, 65_536),
            ("hop_length", self.hop_length, 1, 65_536),
            ("chunk_seconds", self.chunk_seconds, 1, 600),
            ("max_length", self.max_length.unwrap_or(1), 1, 1 << 18),
        ];
        for (key, value, min, max) in ranges {
            if !(min..=max).contains(&value) {
                return Err(CardError::value(
                    place(key),
                    format!("expected {min} to {max}, got {value}"),
                ));
            }
        }
        let samples = self.chunk_seconds.saturating_mul(self.rate_hz);
        if self.features == AudioFeatures::LogMel
            && (samples <= self.n_fft || samples < self.hop_length)
        {
            return Err(CardError::value(
                place("chunk_seconds"),
                format!(
                    "a chunk has {samples} samples, expected more than `n_fft` and `hop_length`"
                ),
            ));
        }
        if !self.mean.is_finite() {
            return Err(CardError::value(
                place("mean"),
                format!("expected a finite number, got {}", self.mean),
            ));
        }
        match self.std {
            Some(std) if !(std.is_finite() && std > 0.0) => Err(CardError::value(
                place("std"),
                format!("expected a number above 0, got {std}"),
            )),
            _ => Ok(()),
        }
    }
}

fn place(key: &str) -> String {
    format!("[audio] `{key}`")
}

impl ModelCard {
    /// The input that takes sounds, with their preparation.
    #[must_use]
    pub fn audio_input(&self) -> Option<(&AudioSpec, &TensorSpec)> {
        let audio = self.audio.as_ref()?;
        let input = match &audio.input {
            Some(name) => self.inputs.iter().find(|spec| spec.name == *name)?,
            None => self.inputs.first()?,
        };
        Some((audio, input))
    }

    pub(crate) fn check_audio(&self, audio: &AudioSpec) -> Result<(), CardError> {
        let fail = |key: &str, problem: String| Err(CardError::value(place(key), problem));
        for (section, is_there) in [
            ("[image]", self.image.is_some()),
            ("[text]", self.text.is_some()),
        ] {
            if is_there {
                return Err(CardError::value(
                    "[audio]",
                    format!("a model with sounds has no other input, but the card has `{section}`"),
                ));
            }
        }
        audio.check()?;
        let Some((_, input)) = self.audio_input() else {
            let name = audio.input.as_deref().unwrap_or_default();
            return fail("input", format!("the model has no input `{name}`"));
        };
        if audio.input.is_none() && self.inputs.len() > 1 {
            return fail(
                "input",
                format!(
                    "required, because the model has {} inputs",
                    self.inputs.len()
                ),
            );
        }
        if !matches!(input.datatype, Datatype::Fp32 | Datatype::Fp16) {
            return fail(
                "input",
                format!(
                    "`{}` is {}, expected FP32 or FP16",
                    input.name, input.datatype
                ),
            );
        }
        let expected = audio.declared_shape();
        let fits = expected.len() == input.shape.len()
            && expected
                .iter()
                .zip(&input.shape)
                .all(|(a, b)| *a == -1 || *b == -1 || a == b);
        if !fits {
            return fail(
                "features",
                format!(
                    "a sound becomes a tensor of shape {expected:?} (-1 is any size), but input `{}` has shape {:?}",
                    input.name, input.shape
                ),
            );
        }
        let Some(name) = &audio.attention_mask else {
            return Ok(());
        };
        if audio.features != AudioFeatures::Waveform {
            return fail(
                "attention_mask",
                "only the waveform has one, with a value for each sample".to_owned(),
            );
        }
        match self.inputs.iter().find(|input| input.name == *name) {
            None => fail("attention_mask", format!("the model has no input `{name}`")),
            Some(mask)
                if mask.shape.len() != 2
                    || !matches!(mask.datatype, Datatype::Int64 | Datatype::Int32) =>
            {
                fail(
                    "attention_mask",
                    format!(
                        "`{name}` is {} of shape {:?}, expected INT64 or INT32 of [batch, samples]",
                        mask.datatype, mask.shape
                    ),
                )
            }
            Some(_) => Ok(()),
        }
    }
}
