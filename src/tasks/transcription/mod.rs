//! Transcription: the text of a sound, with the times of its words or characters.

use infer_audio::{Ctc, Span, ctc};
use infer_model_card::{Labels, TranscriptionSpec};
use ndarray::{Axis, Ix3};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::parameters::{Kind, Parameter, RETURN_TIMESTAMPS};
use super::pipeline::{
    Call, NamedTensors, Outcome, Outputs, Pipeline, Runner, Schema, Wanted, output,
};
use crate::http::error::ApiError;
use crate::http::json::ToJson;
use crate::http::timing::Phase;
use crate::input::content::{Content, Form};
use crate::input::sounds::{self, Preparation};
use crate::tensor::array;

/// The pipeline of a model that was trained with connectionist temporal classification.
#[derive(Debug)]
pub(super) struct Transcriber {
    spec: TranscriptionSpec,
    /// The token of each column.
    vocabulary: Vec<String>,
    /// The duration of a frame in seconds is this by `rate_hz`.
    samples_per_frame: f64,
    rate_hz: f64,
}

/// The text of one sound.
#[derive(Debug, Serialize)]
struct Transcription {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunks: Option<Vec<Chunk>>,
}

/// A word or a character, with its times in seconds.
#[derive(Debug, Serialize)]
struct Chunk {
    text: String,
    start: f64,
    end: f64,
}

/// The token of a line in the label file: a line in quotes is a JSON string, for tokens such as a space.
fn token(line: &str) -> String {
    let quoted = line.starts_with('"').then(|| serde_json::from_str(line));
    match quoted {
        Some(Ok(token)) => token,
        _ => line.to_owned(),
    }
}

impl Transcriber {
    pub(super) fn new(spec: TranscriptionSpec, labels: &Labels, rate_hz: u32) -> Self {
        Self {
            vocabulary: labels.iter().map(token).collect(),
            samples_per_frame: spec.samples_per_frame.into(),
            rate_hz: rate_hz.into(),
            spec,
        }
    }

    /// The texts of the items of an output.
    fn decode(
        &self,
        outputs: &NamedTensors,
        timestamps: &str,
    ) -> Result<Vec<Transcription>, ApiError> {
        let tensor = output(outputs, &self.spec.output)?;
        let unfit = |problem: &dyn std::fmt::Display| {
            ApiError::internal(format!(
                "output `{}` of shape {:?} is not that of the card's `[transcription]`: {problem}",
                self.spec.output, tensor.shape
            ))
        };
        let logits = array::floats(tensor)?
            .into_dimensionality::<Ix3>()
            .map_err(|_| unfit(&"expected [batch, frames, tokens]"))?;
        if logits.len_of(Axis(2)) != self.vocabulary.len() {
            let count = self.vocabulary.len();
            return Err(unfit(&format_args!("the label file has {count} tokens")));
        }
        let settings = Ctc {
            vocabulary: &self.vocabulary,
            blank: self.spec.blank as usize,
            word_delimiter: self.spec.word_delimiter.map(|index| index as usize),
        };
        logits
            .axis_iter(Axis(0))
            .map(|item| {
                let item: Vec<f32> = item.iter().copied().collect();
                let found = ctc(&item, &settings).map_err(|error| unfit(&error))?;
                let spans = match timestamps {
                    "word" => Some(found.words),
                    "char" => Some(found.characters),
                    _ => None,
                };
                Ok(Transcription {
                    text: self.cased(found.text),
                    chunks: spans.map(|spans| spans.into_iter().map(|it| self.chunk(it)).collect()),
                })
            })
            .collect()
    }

    fn cased(&self, text: String) -> String {
        match self.spec.lowercase {
            true => text.to_lowercase(),
            false => text,
        }
    }

    fn chunk(&self, span: Span) -> Chunk {
        let seconds = |frame: usize| frame as f64 * self.samples_per_frame / self.rate_hz;
        Chunk {
            start: seconds(span.frames.start),
            end: seconds(span.frames.end),
            text: self.cased(span.text),
        }
    }

    /// The texts and, if they are wanted, the outputs. Sounds run one by one, as in the pipeline of `transformers`, unless the
    /// outputs are wanted, which are one tensor.
    fn run(
        &self,
        call: Call,
        runner: &mut dyn Runner,
    ) -> Result<(Vec<Transcription>, NamedTensors), ApiError> {
        let Call {
            accepts,
            limits,
            inputs,
            wanted,
            values,
            ..
        } = call;
        let timestamps = values.text(RETURN_TIMESTAMPS);
        let decode = |runner: &mut dyn Runner, outputs: &NamedTensors| match wanted {
            Wanted {
                predictions: true, ..
            } => runner
                .timing()
                .measure(Phase::Encode, || self.decode(outputs, timestamps)),
            _ => Ok(Vec::new()),
        };
        let sounds = match inputs.content {
            Some(Content::Sounds(sounds)) => sounds,
            _ => {
                let outputs = runner.run(inputs.tensors)?;
                return Ok((decode(runner, &outputs)?, outputs));
            }
        };
        if wanted.outputs != Outputs::Needed {
            let prepare = || sounds::prepare(&sounds, accepts, limits);
            let inputs = runner.timing().measure(Phase::Decode, prepare)?;
            let outputs = runner.run(inputs)?;
            return Ok((decode(runner, &outputs)?, outputs));
        }
        let mut preparation = Preparation::new(sounds.len(), accepts, limits)?;
        let mut texts = Vec::with_capacity(sounds.len());
        let mut last = NamedTensors::new();
        for sound in &sounds {
            let inputs = runner.timing().measure(Phase::Decode, || {
                let prepared = preparation.next(sound)?;
                preparation.inputs(1, &prepared.shape, prepared.bytes)
            })?;
            last = runner.run(inputs)?;
            texts.extend(decode(runner, &last)?);
        }
        Ok((texts, last))
    }
}

impl Pipeline for Transcriber {
    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter {
            name: RETURN_TIMESTAMPS,
            description: "The parts of the text whose times are returned: none, characters or words",
            kind: Kind::Choice {
                values: &["false", "char", "word"],
                default: "word",
            },
        }]
    }

    fn form(&self) -> Form {
        Form::Sounds
    }

    fn infer(&self, call: Call, runner: &mut dyn Runner) -> Result<Outcome, ApiError> {
        let wanted = call.wanted;
        let (texts, outputs) = self.run(call, runner)?;
        if !wanted.predictions {
            return Ok(Outcome::tensors(outputs));
        }
        let predictions: Vec<Vec<Transcription>> = texts.into_iter().map(|it| vec![it]).collect();
        Ok(Outcome {
            predictions: Some(Box::new(predictions) as Box<dyn ToJson>),
            drawing: None,
            outputs,
        })
    }

    fn schema(&self) -> Option<Schema> {
        Some(Schema {
            name: "Transcription",
            value: json!({
                "type": "object",
                "required": ["text"],
                "additionalProperties": false,
                "properties": {
                    "text": { "type": "string" },
                    "chunks": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["text", "start", "end"],
                            "additionalProperties": false,
                            "properties": {
                                "text": { "type": "string" },
                                "start": { "type": "number", "description": "in seconds" },
                                "end": { "type": "number", "description": "in seconds" },
                            },
                        },
                    },
                },
            }),
        })
    }

    fn description(&self) -> Map<String, Value> {
        Map::from_iter([("transcription".to_owned(), json!(true))])
    }
}

#[cfg(test)]
mod tests {
    use super::token;

    #[test]
    fn tokens_of_lines() {
        let rows = [
            ("A", "A"),
            ("|", "|"),
            ("\" \"", " "),
            ("\"\\n\"", "\n"),
            ("\"\"", ""),
            ("\"\\\"\"", "\""),
            ("'", "'"),
            // Not JSON: a file written by hand.
            ("\"", "\""),
            ("\"a", "\"a"),
        ];
        let wrong: Vec<_> = rows
            .iter()
            .filter(|(line, expected)| token(line) != *expected)
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
