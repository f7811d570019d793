//! Voice activity: the times of speech in a sound, which a model reads window by window.

mod spans;

use infer_model_card::{ModelCard, TensorSpec, VoiceActivitySpec};
use infer_tensor::Datatype;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::parameters::{
    Kind, MAX_SPEECH_DURATION_S, MIN_SILENCE_DURATION_MS, MIN_SPEECH_DURATION_MS, NEG_THRESHOLD,
    PROBABILITIES, Parameter, SPEECH_PAD_MS, THRESHOLD,
};
use super::pipeline::{Call, NamedTensors, Outcome, Pipeline, Runner, Schema, output};
use crate::http::error::ApiError;
use crate::http::json::ToJson;
use crate::http::timing::Phase;
use crate::input::content::{Content, Form};
use crate::input::sounds::Preparation;
use crate::tensor::Tensor;
use spans::Search;

/// The pipeline of a model that finds speech.
#[derive(Debug)]
pub(super) struct Listener {
    spec: VoiceActivitySpec,
    rate_hz: u32,
}

/// An element of a sound's list.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Prediction {
    /// Speech, in seconds, with the mean probability of its windows.
    Speech { start: f64, end: f64, score: f32 },
    /// The probability of each window.
    Windows { probabilities: Vec<f32> },
}

/// The state of a model between two windows of a sound.
struct Windows<'a> {
    spec: &'a VoiceActivitySpec,
    /// The input of samples.
    input: &'a TensorSpec,
    /// The inputs other than the samples: the states, and the sample rate.
    others: NamedTensors,
    /// The last samples of the window before.
    context: Vec<f32>,
}

impl<'a> Windows<'a> {
    fn new(
        spec: &'a VoiceActivitySpec,
        card: &'a ModelCard,
        rate_hz: u32,
    ) -> Result<Self, ApiError> {
        let (_, input) = card
            .audio_input()
            .ok_or_else(|| ApiError::internal("the card has no `[audio]`"))?;
        let others = card
            .inputs
            .iter()
            .filter(|other| other.name != input.name)
            .map(|other| {
                let shape = other.usual_shape();
                let bytes = other.datatype.tensor_bytes(&shape);
                let is_rate = spec.rate_input.as_ref() == Some(&other.name);
                let data = match (is_rate, other.datatype) {
                    (true, Datatype::Int32) => (rate_hz.cast_signed()).to_le_bytes().to_vec(),
                    (true, _) => i64::from(rate_hz).to_le_bytes().to_vec(),
                    (false, _) => vec![0; bytes.unwrap_or_default()],
                };
                let tensor = Tensor {
                    datatype: other.datatype,
                    shape,
                    data,
                };
                (other.name.clone(), tensor)
            })
            .collect();
        Ok(Self {
            spec,
            input,
            others,
            context: vec![0.0; spec.context as usize],
        })
    }

    /// The probability of a window, which is padded with zeros.
    fn next(
        &mut self,
        window: &[f32],
        runner: &mut dyn Runner,
    ) -> Result<(f32, NamedTensors), ApiError> {
        let mut samples = std::mem::take(&mut self.context);
        samples.extend_from_slice(window);
        samples.resize(self.spec.samples() as usize, 0.0);
        let tensor = Tensor {
            datatype: self.input.datatype,
            shape: vec![1, self.spec.samples()],
            data: match self.input.datatype {
                Datatype::Fp16 => (samples.iter())
                    .flat_map(|sample| half::f16::from_f32(*sample).to_le_bytes())
                    .collect(),
                _ => (samples.iter())
                    .flat_map(|sample| sample.to_le_bytes())
                    .collect(),
            },
        };
        self.context = samples.split_off(self.spec.window as usize);
        let mut inputs = self.others.clone();
        inputs.push((self.input.name.clone(), tensor));
        let outputs = runner.run(inputs)?;
        let probability = self.probability(&outputs)?;
        for state in &self.spec.states {
            let next = output(&outputs, &state.output)?;
            let before = self
                .others
                .iter_mut()
                .find(|(name, _)| *name == state.input);
            if let Some((name, before)) = before {
                if before.shape != next.shape {
                    return Err(ApiError::internal(format!(
                        "output `{}` has shape {:?} and input `{name}`, the state of the next window, {:?}",
                        state.output, next.shape, before.shape
                    )));
                }
                *before = next.clone();
            }
        }
        Ok((probability, outputs))
    }

    fn probability(&self, outputs: &NamedTensors) -> Result<f32, ApiError> {
        let name = &self.spec.output;
        let tensor = output(outputs, name)?;
        match *tensor.floats()? {
            [probability] if probability.is_finite() => Ok(probability),
            [probability] => Err(ApiError::invalid(format!(
                "output `{name}` is {probability} for a window of the sound, expected a probability"
            ))),
            _ => Err(ApiError::internal(format!(
                "output `{name}` has shape {:?} for one window, expected one element",
                tensor.shape
            ))),
        }
    }
}

impl Listener {
    pub(super) fn new(spec: VoiceActivitySpec, rate_hz: u32) -> Self {
        Self { spec, rate_hz }
    }

    /// The probabilities of a sound's windows, and the outputs of the last one.
    fn listen(
        &self,
        samples: &[f32],
        card: &ModelCard,
        runner: &mut dyn Runner,
    ) -> Result<(Vec<f32>, NamedTensors), ApiError> {
        let mut windows = Windows::new(&self.spec, card, self.rate_hz)?;
        let chunks = samples.chunks(self.spec.window as usize);
        let mut probabilities = Vec::with_capacity(chunks.len());
        let mut last = NamedTensors::new();
        for window in chunks {
            let (probability, outputs) = windows.next(window, runner)?;
            probabilities.push(probability);
            last = outputs;
        }
        Ok((probabilities, last))
    }

    /// The outcome of one window, whose state the client keeps.
    fn of_one_window(&self, outputs: NamedTensors, predicts: bool) -> Result<Outcome, ApiError> {
        if !predicts {
            return Ok(Outcome::tensors(outputs));
        }
        let probabilities = output(&outputs, &self.spec.output)?.floats()?;
        if let Some(value) = probabilities.iter().find(|value| !value.is_finite()) {
            return Err(ApiError::invalid(format!(
                "output `{}` has the value {value}, which JSON cannot represent; send `Accept: application/octet-stream`",
                self.spec.output
            )));
        }
        let predictions: Vec<_> = (probabilities.iter())
            .map(|probability| {
                vec![Prediction::Windows {
                    probabilities: vec![*probability],
                }]
            })
            .collect();
        Ok(Outcome {
            predictions: Some(Box::new(predictions) as Box<dyn ToJson>),
            drawing: None,
            outputs,
        })
    }

    fn speech(&self, probabilities: &[f32], search: &Search) -> Vec<Prediction> {
        let rate = f64::from(self.rate_hz);
        let window = f64::from(self.spec.window);
        let spans = search.spans(probabilities).into_iter();
        spans
            .map(|(speech, padded)| {
                let last = (speech.end / window).ceil() as usize;
                let windows = (speech.start / window) as usize..last.min(probabilities.len());
                let windows = probabilities.get(windows).unwrap_or_default();
                let sum: f64 = windows.iter().copied().map(f64::from).sum();
                Prediction::Speech {
                    start: padded.start / rate,
                    end: padded.end / rate,
                    score: (sum / windows.len().max(1) as f64) as f32,
                }
            })
            .collect()
    }
}

impl Pipeline for Listener {
    fn parameters(&self) -> Vec<Parameter> {
        let spec = &self.spec;
        let unit = |default: f32| Kind::Number {
            min: 0.0,
            max: 1.0,
            default,
        };
        let duration = |default: u32| Kind::Integer {
            min: 0,
            max: VoiceActivitySpec::MAX_MS,
            default,
        };
        let rows = [
            (
                THRESHOLD,
                "The probability from which speech begins",
                unit(spec.threshold),
            ),
            (
                NEG_THRESHOLD,
                "The probability below which speech ends: 0.15 less than `threshold` by default",
                unit(spec.neg_threshold.unwrap_or(f32::NAN)),
            ),
            (
                MIN_SPEECH_DURATION_MS,
                "Shorter speech is left out; in milliseconds",
                duration(spec.min_speech_duration_ms),
            ),
            (
                MIN_SILENCE_DURATION_MS,
                "Shorter silence does not end speech; in milliseconds",
                duration(spec.min_silence_duration_ms),
            ),
            (
                SPEECH_PAD_MS,
                "The time by which speech is extended on both sides; in milliseconds",
                duration(spec.speech_pad_ms),
            ),
            (
                MAX_SPEECH_DURATION_S,
                "Longer speech is cut, if possible in a silence; in seconds",
                Kind::Number {
                    min: 0.1,
                    max: 86_400.0,
                    default: f32::NAN,
                },
            ),
            (
                PROBABILITIES,
                "Whether to return the probability of each window in place of the times of speech",
                Kind::Flag { default: false },
            ),
        ];
        let row = |(name, description, kind)| Parameter {
            name,
            description,
            kind,
        };
        rows.into_iter().map(row).collect()
    }

    fn form(&self) -> Form {
        Form::Sounds
    }

    fn infer(&self, call: Call, runner: &mut dyn Runner) -> Result<Outcome, ApiError> {
        let Call {
            card,
            accepts,
            limits,
            inputs,
            wanted,
            values,
        } = call;
        let sounds = match inputs.content {
            Some(Content::Sounds(sounds)) => sounds,
            _ => {
                let outputs = runner.run(inputs.tensors)?;
                return self.of_one_window(outputs, wanted.predictions);
            }
        };
        if !wanted.predictions && sounds.len() > 1 {
            return Err(ApiError::invalid(format!(
                "the request has {} sounds, whose outputs are no tensors of one batch; send one sound, or send them to `/infer`",
                sounds.len()
            )));
        }
        let threshold = values.number(THRESHOLD);
        let given = |value: f32| (!value.is_nan()).then_some(value);
        let neg_threshold = given(values.number(NEG_THRESHOLD));
        let max_speech = given(values.number(MAX_SPEECH_DURATION_S));
        let mut preparation = Preparation::new(sounds.len(), accepts, limits)?;
        let mut predictions = Vec::with_capacity(sounds.len());
        let mut outputs = NamedTensors::new();
        for sound in &sounds {
            let samples = runner
                .timing()
                .measure(Phase::Decode, || preparation.samples(sound))?;
            let (probabilities, last) = self.listen(&samples, card, runner)?;
            outputs = last;
            if values.flag(PROBABILITIES) {
                predictions.push(vec![Prediction::Windows { probabilities }]);
                continue;
            }
            let search = Search {
                rate_hz: self.rate_hz.into(),
                window: self.spec.window.into(),
                samples: samples.len() as f64,
                threshold,
                neg_threshold: neg_threshold.unwrap_or((threshold - 0.15).max(0.01)),
                min_speech_ms: values.integer(MIN_SPEECH_DURATION_MS) as f64,
                min_silence_ms: values.integer(MIN_SILENCE_DURATION_MS) as f64,
                pad_ms: values.integer(SPEECH_PAD_MS) as f64,
                max_speech_s: max_speech.map_or(f64::INFINITY, f64::from),
            };
            predictions.push(self.speech(&probabilities, &search));
        }
        if !wanted.predictions {
            return Ok(Outcome::tensors(outputs));
        }
        Ok(Outcome {
            predictions: Some(Box::new(predictions) as Box<dyn ToJson>),
            drawing: None,
            outputs,
        })
    }

    fn schema(&self) -> Option<Schema> {
        Some(Schema {
            name: "VoiceActivity",
            value: json!({
                "anyOf": [
                    {
                        "type": "object",
                        "required": ["start", "end", "score"],
                        "additionalProperties": false,
                        "properties": {
                            "start": { "type": "number", "description": "in seconds" },
                            "end": { "type": "number", "description": "in seconds" },
                            "score": {
                                "type": "number",
                                "description": "The mean probability of speech between these times",
                            },
                        },
                    },
                    {
                        "type": "object",
                        "required": ["probabilities"],
                        "additionalProperties": false,
                        "properties": {
                            "probabilities": { "type": "array", "items": { "type": "number" } },
                        },
                    },
                ],
            }),
        })
    }

    fn description(&self) -> Map<String, Value> {
        let facts = json!({ "window": self.spec.window, "rate_hz": self.rate_hz });
        Map::from_iter([("voice_activity".to_owned(), facts)])
    }
}
