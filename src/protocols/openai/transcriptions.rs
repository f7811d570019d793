//! `POST /v1/audio/transcriptions`: the text of a sound, in the form of OpenAI's API (reference, "Create transcription").

use std::fmt::Write;

use infer_model_card::Task;
use serde::{Deserialize, Serialize};

use crate::catalog::{Model, Models};
use crate::http::error::{ApiError, listed, quoted};
use crate::http::json::{response_within, to_value};
use crate::http::media_type::MediaType;
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::settings::Settings;
use crate::http::timing::{Phase, Timing};
use crate::input::encoded::EncodedSound;
use crate::input::multipart::{self, Form};
use crate::input::sounds::{self, Preparation};
use crate::run::compute;
use crate::run::nn::Backend;
use crate::tasks::parameters::{Given, RETURN_TIMESTAMPS, Values};
use crate::tasks::{Inputs, Wanted};

/// The text fields of the form. `language`, `prompt` and `temperature` make no difference to a model that was trained with
/// connectionist temporal classification.
const FIELDS: [&str; 8] = [
    "model",
    "response_format",
    "timestamp_granularities[]",
    "timestamp_granularities",
    "language",
    "prompt",
    "temperature",
    "stream",
];

/// The pause between two words at which a segment ends, in seconds.
const PAUSE: f64 = 0.6;

/// The most characters of a segment: two lines of subtitles.
const MAX_SEGMENT_CHARACTERS: usize = 84;

/// The media type of every response but JSON.
const TEXT: &str = "text/plain; charset=utf-8";

/// A request, as far as its head says; the body names the model.
#[derive(Clone, Debug)]
pub struct Transcriptions {
    boundary: String,
}

/// The form of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Text,
    VerboseJson,
    Srt,
    Vtt,
}

impl Format {
    const ALL: [(&'static str, Self); 5] = [
        ("json", Self::Json),
        ("text", Self::Text),
        ("verbose_json", Self::VerboseJson),
        ("srt", Self::Srt),
        ("vtt", Self::Vtt),
    ];
}

struct Request<'a> {
    model: &'a Model,
    sound: EncodedSound,
    format: Format,
    words: bool,
    segments: bool,
    language: Option<String>,
}

/// The prediction of the task.
#[derive(Debug, Default, Deserialize)]
struct Transcription {
    text: String,
    #[serde(default)]
    chunks: Vec<Chunk>,
}

#[derive(Debug, Deserialize)]
struct Chunk {
    text: String,
    start: f64,
    end: f64,
}

#[derive(Serialize)]
struct Json<'a> {
    text: &'a str,
}

#[derive(Serialize)]
struct VerboseJson<'a> {
    task: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    duration: f64,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<Vec<Word<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segments: Option<Vec<Segment>>,
}

#[derive(Serialize)]
struct Word<'a> {
    word: &'a str,
    start: f64,
    end: f64,
}

/// Words that belong together.
#[derive(Debug, PartialEq, Serialize)]
struct Segment {
    id: usize,
    start: f64,
    end: f64,
    text: String,
}

impl Transcriptions {
    /// Read the head.
    ///
    /// # Errors
    /// 415 for a body that is no form, 400 for one without a boundary.
    pub fn new(head: &Head) -> Result<Self, ApiError> {
        let header = head.header("content-type").unwrap_or_default();
        let media_type = MediaType::parse(header);
        if media_type.as_ref().map(MediaType::as_str) != Some("multipart/form-data") {
            return Err(ApiError::unsupported_media_type(format!(
                "`Content-Type` is {}, expected `multipart/form-data` with the sound in the field `file`",
                quoted(header)
            )));
        }
        Ok(Self {
            boundary: multipart::boundary(header)?,
        })
    }

    /// Decode the body, infer, and encode the response; `timing` gets the phases that ran.
    ///
    /// # Errors
    /// 400 for a body that is not such a request, 404 for an unknown model, 413 and 415 for the sound, and errors of the
    /// backend.
    pub fn respond(
        &self,
        body: Vec<u8>,
        models: &Models,
        settings: &Settings,
        backend: &dyn Backend,
        timing: &mut Timing,
    ) -> Result<Response, ApiError> {
        let limits = &settings.limits;
        let (request, inputs, seconds) = timing.measure(Phase::Decode, || {
            let request = self.decode(body, models, settings)?;
            let mut preparation = Preparation::new(1, request.model.accepts(), limits)?;
            let prepared = preparation
                .next(&request.sound)
                .map_err(|error| error.of_param("file"))?;
            let tensors = preparation.inputs(1, &prepared.shape, prepared.bytes)?;
            let inputs = Inputs {
                tensors,
                ..Inputs::default()
            };
            Ok::<_, ApiError>((request, inputs, prepared.seconds))
        })?;
        let model = request.model;
        let words =
            |name: &str| Ok((name == RETURN_TIMESTAMPS).then(|| Given::Text("word".to_owned())));
        let values = Values::parse(&model.pipeline.parameters(), model.name.as_str(), words)?;
        let wanted = Wanted::predictions();
        let outcome = compute::infer(model, inputs, wanted, &values, limits, backend, timing)?;
        timing.measure(Phase::Encode, || {
            let predictions = outcome.predictions.ok_or_else(|| {
                ApiError::internal(format!("model `{}` made no predictions", model.name))
            })?;
            let value = to_value(&*predictions, limits)?;
            let items: Vec<Vec<Transcription>> = serde_json::from_value(value)
                .map_err(|error| ApiError::internal(format!("reading the predictions: {error}")))?;
            let found = items.into_iter().flatten().next().unwrap_or_default();
            let text = |text: String| Ok(Response::new(200, TEXT, text.into_bytes()));
            match request.format {
                Format::Json => response_within(&Json { text: &found.text }, limits),
                Format::Text => text(format!("{}\n", found.text)),
                Format::Srt => text(srt(&segments(&found.chunks))),
                Format::Vtt => text(vtt(&segments(&found.chunks))),
                Format::VerboseJson => {
                    let words = found.chunks.iter().map(|chunk| Word {
                        word: &chunk.text,
                        start: chunk.start,
                        end: chunk.end,
                    });
                    let response = VerboseJson {
                        task: "transcribe",
                        language: request.language.as_deref(),
                        duration: seconds,
                        text: &found.text,
                        words: request.words.then(|| words.collect()),
                        segments: request.segments.then(|| segments(&found.chunks)),
                    };
                    response_within(&response, limits)
                }
            }
        })
    }

    fn decode<'a>(
        &self,
        body: Vec<u8>,
        models: &'a Models,
        settings: &Settings,
    ) -> Result<Request<'a>, ApiError> {
        let mut form = Form::read_sounds(body, &self.boundary, &FIELDS, &settings.limits)?;
        let fields = std::mem::take(&mut form.fields);
        let field = |wanted: &str| {
            let found = fields.iter().find(|(name, _)| name == wanted);
            found.map(|(_, text)| text.as_str())
        };
        let model = model(field("model"), models, settings)?;
        if let [_, (name, _), ..] = form.images.as_slice() {
            return Err(ApiError::invalid(format!(
                "the form has {} files, the second in the field {}, expected one in the field `file`",
                form.images.len(),
                quoted(name)
            ))
            .of_param("file"));
        }
        let sounds = sounds::of_form(&form).into_iter();
        let sound = sounds
            .map(|sound| EncodedSound {
                place: String::new(),
                ..sound
            })
            .next()
            .ok_or_else(|| ApiError::invalid("the form has no `file`").of_param("file"))?;
        let format = match field("response_format") {
            None => Format::Json,
            Some(name) => {
                let known = Format::ALL.into_iter().find(|(known, _)| *known == name);
                known.map(|(_, format)| format).ok_or_else(|| {
                    let names = Format::ALL.iter().map(|(name, _)| *name);
                    ApiError::invalid(format!(
                        "`response_format` is {}, expected {}",
                        quoted(name),
                        listed(names, "or")
                    ))
                    .of_param("response_format")
                })?
            }
        };
        if field("stream").is_some_and(|value| value != "false") {
            return Err(
                ApiError::invalid("`stream` is set, which is not supported; leave it out")
                    .of_param("stream"),
            );
        }
        let granularities: Vec<&str> = fields
            .iter()
            .filter(|(name, _)| name.starts_with("timestamp_granularities"))
            .map(|(_, text)| text.as_str())
            .collect();
        let wrong = granularities
            .iter()
            .find(|name| !matches!(**name, "word" | "segment"));
        let problem = match wrong {
            Some(name) => Some(format!(
                "`timestamp_granularities[]` is {}, expected `word` or `segment`",
                quoted(name)
            )),
            None if !granularities.is_empty() && format != Format::VerboseJson => Some(
                "`timestamp_granularities[]` needs the `response_format` verbose_json".to_owned(),
            ),
            None => None,
        };
        if let Some(problem) = problem {
            return Err(ApiError::invalid(problem).of_param("timestamp_granularities"));
        }
        Ok(Request {
            model,
            sound,
            format,
            words: granularities.contains(&"word"),
            segments: granularities.is_empty() || granularities.contains(&"segment"),
            language: field("language").map(str::to_owned),
        })
    }
}

/// Whether a model's task is the text of a sound.
fn transcribes(model: &Model) -> bool {
    matches!(model.card.task, Task::Transcription(_))
}

/// The model that the body names, else the default model, else the only one that recognizes speech.
fn model<'a>(
    name: Option<&str>,
    models: &'a Models,
    settings: &Settings,
) -> Result<&'a Model, ApiError> {
    let is_able = |name: &&str| models.get(name).is_ok_and(transcribes);
    let all: Vec<&str> = models.names().filter(is_able).collect();
    let default = settings.default_model.as_ref().map(|name| name.as_str());
    let default = default.filter(|name| all.contains(name));
    let choices = || {
        if all.is_empty() {
            "no model of this service recognizes speech".to_owned()
        } else {
            format!("expected {}", listed(all.iter().copied(), "or"))
        }
    };
    let refused =
        |problem: String| ApiError::invalid(format!("{problem}; {}", choices())).of_param("model");
    match (name.or(default), all.as_slice()) {
        (Some(name), _) => {
            let model = models.get(name)?;
            if !transcribes(model) {
                return Err(refused(format!(
                    "model {} recognizes no speech",
                    quoted(name)
                )));
            }
            Ok(model)
        }
        (None, [only]) => models.get(only),
        (None, _) => Err(refused("the form has no `model`".to_owned())),
    }
}

/// Words as segments: a pause or the length of a line ends one.
fn segments(words: &[Chunk]) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for word in words {
        let fits = |segment: &&mut Segment| {
            let characters = segment.text.chars().count() + 1 + word.text.chars().count();
            word.start - segment.end < PAUSE && characters <= MAX_SEGMENT_CHARACTERS
        };
        match segments.last_mut().filter(fits) {
            Some(segment) => {
                segment.text.push(' ');
                segment.text.push_str(&word.text);
                segment.end = word.end;
            }
            None => segments.push(Segment {
                id: segments.len(),
                start: word.start,
                end: word.end,
                text: word.text.clone(),
            }),
        }
    }
    segments
}

/// `00:01:02,345`, with that mark before the milliseconds.
fn time(seconds: f64, mark: char) -> String {
    let milliseconds = (seconds * 1000.0).round() as u64;
    let (seconds, milliseconds) = (milliseconds / 1000, milliseconds % 1000);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}{mark}{milliseconds:03}")
}

fn srt(segments: &[Segment]) -> String {
    let mut text = String::new();
    for segment in segments {
        let (start, end) = (time(segment.start, ','), time(segment.end, ','));
        // Writing into a text does not fail.
        _ = write!(
            text,
            "{}\n{start} --> {end}\n{}\n\n",
            segment.id + 1,
            segment.text
        );
    }
    text
}

/// WebVTT, whose cues have markup.
fn vtt(segments: &[Segment]) -> String {
    let mut text = "WEBVTT\n\n".to_owned();
    for segment in segments {
        let (start, end) = (time(segment.start, '.'), time(segment.end, '.'));
        let escaped = segment
            .text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        _ = write!(text, "{start} --> {end}\n{escaped}\n\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, start: f64, end: f64) -> Chunk {
        Chunk {
            text: text.to_owned(),
            start,
            end,
        }
    }

    #[test]
    fn words_become_subtitles() {
        let words = [
            word("GOOD", 0.0, 0.5),
            word("<DAY>", 0.6, 1.0),
            word("AGAIN", 1.7, 3725.0004),
        ];
        let segments = segments(&words);
        assert_eq!(
            srt(&segments),
            "1\n00:00:00,000 --> 00:00:01,000\nGOOD <DAY>\n\n2\n00:00:01,700 --> 01:02:05,000\nAGAIN\n\n"
        );
        assert_eq!(
            vtt(&segments),
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nGOOD &lt;DAY&gt;\n\n00:00:01.700 --> 01:02:05.000\nAGAIN\n\n"
        );
        let long: Vec<Chunk> = (0..40).map(|_| word("ABCDE", 0.0, 0.1)).collect();
        let lengths = super::segments(&long);
        assert_eq!(lengths.iter().map(|it| it.text.len()).max(), Some(83));
        assert_eq!(srt(&[]), "");
    }
}
