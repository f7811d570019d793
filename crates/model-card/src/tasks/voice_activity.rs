//! `[voice_activity]`: a model that reads a sound window by window, with a state, becomes the times of speech.

use infer_tensor::Datatype;
use serde::Deserialize;

use super::{Input, Section, SectionKeys, TaskName, check_unit};
use crate::card::float_output;
use crate::{AudioFeatures, CardError, ModelCard, TensorSpec};

/// How a sound is cut into windows, and how their probabilities become times, as `get_speech_timestamps` of `silero-vad`
/// does it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct VoiceActivitySpec {
    /// The output with the probability of speech in a window; one element.
    pub output: String,
    /// The length of a window in samples.
    pub window: u32,
    /// The samples of the previous window that stand before each window; 0 for none. The first window has zeros there.
    #[serde(default)]
    pub context: u32,
    /// The outputs of a window that are the inputs of the next one. The first window has zeros there.
    #[serde(default)]
    pub states: Vec<State>,
    /// An input that takes the sample rate in Hz.
    #[serde(default)]
    pub rate_input: Option<String>,
    /// The probability from which speech begins, unless the request sets `threshold`.
    #[serde(default = "default_threshold")]
    pub threshold: f32,
    /// The probability below which speech ends: 0.15 less than `threshold` and at least 0.01, unless it is set.
    #[serde(default)]
    pub neg_threshold: Option<f32>,
    /// Shorter speech is left out; in milliseconds.
    #[serde(default = "default_min_speech")]
    pub min_speech_duration_ms: u32,
    /// Shorter silence does not end speech; in milliseconds.
    #[serde(default = "default_min_silence")]
    pub min_silence_duration_ms: u32,
    /// The time by which speech is extended on both sides; in milliseconds.
    #[serde(default = "default_pad")]
    pub speech_pad_ms: u32,
}

/// A state: an output that is the input of the next window.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The input. Its shape is that of its `[[input]]`, with 1 or the example's size for any size.
    pub input: String,
    /// The output.
    pub output: String,
}

fn default_threshold() -> f32 {
    0.5
}

fn default_min_speech() -> u32 {
    250
}

fn default_min_silence() -> u32 {
    100
}

fn default_pad() -> u32 {
    30
}

impl VoiceActivitySpec {
    /// The upper limit of the durations in milliseconds.
    pub const MAX_MS: u32 = 60_000;

    /// The upper limit of a window and its context in samples.
    pub const MAX_WINDOW: u32 = 1 << 20;

    /// The samples of one run: the context and the window.
    #[must_use]
    pub fn samples(&self) -> u32 {
        self.context.saturating_add(self.window)
    }

    fn check_inputs(&self, card: &ModelCard) -> Result<(), CardError> {
        let find = |specs: &[TensorSpec], section: &str, name: &str| {
            let found = specs.iter().find(|spec| spec.name == name).cloned();
            found.ok_or_else(|| {
                CardError::value(
                    "[voice_activity]",
                    format!("the model has no {section} `{name}`"),
                )
            })
        };
        for state in &self.states {
            let input = find(&card.inputs, "input", &state.input)?;
            let output = find(&card.outputs, "output", &state.output)?;
            if input.datatype != output.datatype {
                return Err(CardError::value(
                    "[voice_activity] `states`",
                    format!(
                        "input `{}` is {} and output `{}` is {}, expected the same",
                        input.name, input.datatype, output.name, output.datatype
                    ),
                ));
            }
        }
        if let Some(name) = &self.rate_input {
            let input = find(&card.inputs, "input", name)?;
            let is_one = input.shape.iter().all(|size| matches!(size, -1 | 1));
            if !is_one || !matches!(input.datatype, Datatype::Int64 | Datatype::Int32) {
                return Err(CardError::value(
                    "[voice_activity] `rate_input`",
                    format!(
                        "`{name}` is {} of shape {:?}, expected one INT64 or INT32",
                        input.datatype, input.shape
                    ),
                ));
            }
        }
        let sound = card.audio_input().map(|(_, input)| input.name.as_str());
        let is_filled = |name: &str| {
            sound == Some(name)
                || self.rate_input.as_deref() == Some(name)
                || self.states.iter().any(|state| state.input == name)
        };
        match card.inputs.iter().find(|spec| !is_filled(&spec.name)) {
            Some(spec) => Err(CardError::value(
                "[voice_activity]",
                format!(
                    "nothing fills the input `{}`: it is neither `[audio]`'s, nor a state, nor `rate_input`",
                    spec.name
                ),
            )),
            None => Ok(()),
        }
    }
}

impl SectionKeys for VoiceActivitySpec {
    const KEYS: &'static [&'static str] = &[
        "context",
        "min_silence_duration_ms",
        "min_speech_duration_ms",
        "neg_threshold",
        "output",
        "rate_input",
        "speech_pad_ms",
        "states",
        "threshold",
        "window",
    ];
    const NAMES: &'static [TaskName] = &[TaskName("voice-activity-detection", Input::Audio)];
}

impl Section for VoiceActivitySpec {
    fn check(&self, card: &ModelCard) -> Result<(), CardError> {
        let place = |key: &str| format!("[voice_activity] `{key}`");
        let Some((audio, input)) = card.audio_input() else {
            return Err(CardError::value(
                "[voice_activity]",
                "needs the section `[audio]`: times of speech are those of a sound",
            ));
        };
        if audio.features != AudioFeatures::Waveform || audio.normalize {
            return Err(CardError::value(
                "[voice_activity]",
                "needs the waveform without `normalize` in `[audio]`: a window has samples",
            ));
        }
        float_output(card, &place("output"), &self.output)?;
        let ranges = [
            ("window", self.window, 1, Self::MAX_WINDOW),
            ("context", self.context, 0, self.window),
            (
                "min_speech_duration_ms",
                self.min_speech_duration_ms,
                0,
                Self::MAX_MS,
            ),
            (
                "min_silence_duration_ms",
                self.min_silence_duration_ms,
                0,
                Self::MAX_MS,
            ),
            ("speech_pad_ms", self.speech_pad_ms, 0, Self::MAX_MS),
        ];
        for (key, value, min, max) in ranges {
            if !(min..=max).contains(&value) {
                return Err(CardError::value(
                    place(key),
                    format!("expected {min} to {max}, got {value}"),
                ));
            }
        }
        check_unit(&place("threshold"), self.threshold)?;
        check_unit(&place("neg_threshold"), self.neg_threshold.unwrap_or(0.0))?;
        if input.check_shape(&[1, self.samples().into()]).is_err() {
            return Err(CardError::value(
                place("window"),
                format!(
                    "a window becomes a tensor of shape [1, {}], but input `{}` has shape {:?}",
                    self.samples(),
                    input.name,
                    input.shape
                ),
            ));
        }
        self.check_inputs(card)
    }
}
