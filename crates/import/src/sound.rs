//! `preprocessor_config.json` of sound, and the vocabulary of speech recognition.

use std::collections::BTreeMap;

use infer_model_card::{AudioFeatures, AudioSpec, TensorSpec};
use infer_tensor::Datatype;
use serde_json::{Map, Value};

use crate::inspect::{InspectError, read_text};
use crate::labels::Config;
use crate::source::Source;

/// The preparation of sounds, a comment that names its source, and the input.
pub(crate) type Audio<'a> = (AudioSpec, &'static str, &'a TensorSpec);

/// The preparation of sounds that the files name, or a note on files that name one which is not supported.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn audio<'a>(
    source: &Source,
    config: &Config,
    inputs: &'a [TensorSpec],
) -> Result<(Option<Audio<'a>>, Option<String>), InspectError> {
    let Some(path) = source.file("preprocessor_config.json") else {
        return Ok((None, None));
    };
    let Some(file) = of_sound(&read_text(&path)?) else {
        return Ok((None, None));
    };
    let class = class(&file, config);
    let tensors = |problem: &str| {
        format!(
            "`preprocessor_config.json` is that of `{class}`, for sound, {problem}, so clients have to prepare it: the model \
             takes tensors"
        )
    };
    let mut spec = match spec(&class, &file) {
        Ok(spec) => spec,
        Err(problem) => return Ok((None, Some(tensors(&problem)))),
    };
    let is_mask = |input: &&TensorSpec| input.name == "attention_mask" && input.shape.len() == 2;
    let mask = inputs.iter().find(is_mask).map(|input| input.name.clone());
    let rank = match spec.features {
        AudioFeatures::Waveform => 2,
        AudioFeatures::LogMel | AudioFeatures::Fbank => 3,
    };
    let is_input = |input: &&TensorSpec| {
        input.shape.len() == rank && matches!(input.datatype, Datatype::Fp32 | Datatype::Fp16)
    };
    let Some(input) = inputs.iter().find(is_input) else {
        let problem = format!("which no input of the graph has {rank} dimensions for");
        return Ok((None, Some(tensors(&problem))));
    };
    spec.input = (inputs.len() > 1).then(|| input.name.clone());
    spec.attention_mask = mask.filter(|_| spec.features == AudioFeatures::Waveform);
    Ok((Some((spec, "From preprocessor_config.json.", input)), None))
}

/// The contents of a `preprocessor_config.json` that prepares sound: it has a sampling rate, as every
/// `SequenceFeatureExtractor` of `transformers` does. `None` for the file of images, and for one that is not JSON.
fn of_sound(json: &str) -> Option<Map<String, Value>> {
    let file: Map<String, Value> = serde_json::from_str(json).ok()?;
    let is_sound = !file.contains_key("image_processor_type") && file.contains_key("sampling_rate");
    is_sound.then_some(file)
}

/// The class of the file. Old files do not name it: `transformers` finds it by the model's type.
fn class(file: &Map<String, Value>, config: &Config) -> String {
    const WAVEFORM: [&str; 9] = [
        "data2vec-audio",
        "hubert",
        "sew",
        "sew-d",
        "unispeech",
        "unispeech-sat",
        "wav2vec2",
        "wav2vec2-conformer",
        "wavlm",
    ];
    let named = file.get("feature_extractor_type").and_then(Value::as_str);
    let of_model = match config.model_type.as_str() {
        "audio-spectrogram-transformer" => Some("ASTFeatureExtractor"),
        "whisper" => Some("WhisperFeatureExtractor"),
        kind if WAVEFORM.contains(&kind) => Some("Wav2Vec2FeatureExtractor"),
        _ => None,
    };
    let processor = || file.get("processor_class").and_then(Value::as_str);
    named
        .or(of_model)
        .or_else(processor)
        .unwrap_or("a feature extractor")
        .to_owned()
}

/// The section of a class.
///
/// # Errors
/// The unsupported setting, in words.
fn spec(class: &str, file: &Map<String, Value>) -> Result<AudioSpec, String> {
    let mut spec = AudioSpec {
        rate_hz: whole(file, "sampling_rate", 16_000)?,
        ..AudioSpec::default()
    };
    match class {
        "Wav2Vec2FeatureExtractor" => {
            if whole(file, "feature_size", 1)? != 1 {
                return Err("whose `feature_size` is not 1".to_owned());
            }
            spec.normalize = flag(file, "do_normalize", true)?;
        }
        "WhisperFeatureExtractor" => {
            spec.features = AudioFeatures::LogMel;
            spec.mels = Some(whole(file, "feature_size", 80)?);
            spec.hop_length = whole(file, "hop_length", 160)?;
            spec.chunk_seconds = whole(file, "chunk_length", 30)?;
            spec.n_fft = whole(file, "n_fft", 400)?;
            if number(file, "dither", 0.0)? != 0.0 {
                return Err("whose `dither` adds noise".to_owned());
            }
            if flag(file, "do_normalize", false)? {
                return Err("whose `do_normalize` is not supported".to_owned());
            }
        }
        "ASTFeatureExtractor" => {
            spec.features = AudioFeatures::Fbank;
            spec.mels = Some(whole(file, "num_mel_bins", 128)?);
            spec.max_length = Some(whole(file, "max_length", 1024)?);
            if flag(file, "do_normalize", true)? {
                spec.mean = number(file, "mean", -4.267_739_3)?;
                spec.std = Some(number(file, "std", 4.568_997_4)?);
            }
        }
        _ => return Err("which is not supported".to_owned()),
    }
    Ok(spec)
}

fn value<'a>(file: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    file.get(key).filter(|value| !value.is_null())
}

fn whole(file: &Map<String, Value>, key: &str, default: u32) -> Result<u32, String> {
    let Some(value) = value(file, key) else {
        return Ok(default);
    };
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| format!("whose `{key}` is {value}, expected a whole number"))
}

fn number(file: &Map<String, Value>, key: &str, default: f32) -> Result<f32, String> {
    let Some(value) = value(file, key) else {
        return Ok(default);
    };
    let number = value.as_f64().map(|number| number as f32);
    number.ok_or_else(|| format!("whose `{key}` is {value}, expected a number"))
}

fn flag(file: &Map<String, Value>, key: &str, default: bool) -> Result<bool, String> {
    let Some(value) = value(file, key) else {
        return Ok(default);
    };
    let flag = value.as_bool();
    flag.ok_or_else(|| format!("whose `{key}` is {value}, expected true or false"))
}

/// The tokens of a model that was trained with connectionist temporal classification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vocabulary {
    /// The token of each column.
    pub tokens: Vec<String>,
    /// The column of the padding token, which is the blank.
    pub blank: u32,
    /// The column of the token between words.
    pub word_delimiter: Option<u32>,
    /// Whether the text is put into lower case.
    pub lowercase: bool,
}

/// Read the vocabulary of a `Wav2Vec2CTCTokenizer` for an output with so many columns, if that is known.
///
/// # Errors
/// When a file cannot be read. Within, what is missing or not supported.
pub(crate) fn vocabulary(
    source: &Source,
    config: &Config,
    columns: Option<usize>,
) -> Result<Result<Vocabulary, String>, InspectError> {
    let read = |name: &str| {
        let Some(path) = source.file(name) else {
            return Ok::<_, InspectError>(None);
        };
        let text = read_text(&path)?;
        Ok(serde_json::from_str::<Map<String, Value>>(&text).ok())
    };
    let settings = read("tokenizer_config.json")?.unwrap_or_default();
    let special = read("special_tokens_map.json")?.unwrap_or_default();
    let mut ids = BTreeMap::new();
    let mut add = |entries: &Map<String, Value>| {
        for (token, id) in entries {
            let Some(id) = id.as_u64() else {
                return Err(format!(
                    "the vocabulary's entry {token:?} is {id}, expected a number"
                ));
            };
            ids.insert(id, token.clone());
        }
        Ok(())
    };
    let mut found = Ok(());
    if let Some(file) = read("vocab.json")? {
        found = add(&file);
        if let Some(more) = read("added_tokens.json")? {
            found = found.and_then(|()| add(&more));
        }
    } else if let Some(file) = read("tokenizer.json")? {
        let vocab = file.get("model").and_then(|model| model.get("vocab"));
        found = match vocab.and_then(Value::as_object) {
            Some(vocab) => add(vocab),
            None => Err("`tokenizer.json` has no vocabulary".to_owned()),
        };
    } else {
        found = found.and(Err(
            "there is no `vocab.json` with the vocabulary".to_owned()
        ));
    }
    let token = |key: &str| {
        [&settings, &special].iter().find_map(|file| {
            let value = file.get(key)?;
            let text = value.as_str().or_else(|| value.get("content")?.as_str())?;
            Some(text.to_owned())
        })
    };
    Ok(found.and_then(|()| {
        let unknown = token("unk_token").unwrap_or_else(|| "<unk>".to_owned());
        let padding = token("pad_token").unwrap_or_else(|| "<pad>".to_owned());
        let delimiter = token("word_delimiter_token").unwrap_or_else(|| "|".to_owned());
        let last = ids.keys().next_back().map_or(0, |id| *id as usize + 1);
        let count = columns.unwrap_or(last);
        if count == 0 || count > MAX_TOKENS {
            return Err(format!(
                "the vocabulary has {count} entries, expected 1 to {MAX_TOKENS}"
            ));
        }
        let tokens: Vec<String> = (0..count as u64)
            .map(|id| ids.get(&id).unwrap_or(&unknown).clone())
            .collect();
        let position = |token: &str| {
            let found = tokens.iter().position(|entry| entry == token)?;
            u32::try_from(found).ok()
        };
        let of_config = config.pad_token_id.filter(|id| (*id as usize) < count);
        let blank = position(&padding).or(of_config).ok_or_else(|| {
            format!("the vocabulary has no padding token {padding:?}, which is the blank")
        })?;
        Ok(Vocabulary {
            blank,
            word_delimiter: position(&delimiter),
            lowercase: settings.get("do_lower_case").and_then(Value::as_bool) == Some(true),
            tokens,
        })
    }))
}

/// The most entries of a vocabulary: more than any script has characters.
const MAX_TOKENS: usize = 1 << 20;

/// The text of a label file with one token on each line. A token that a line cannot hold as it is, such as a space, becomes a
/// JSON string.
pub(crate) fn to_lines(tokens: &[String]) -> String {
    let line = |token: &String| {
        let is_plain = !token.is_empty()
            && token.trim() == token
            && !token.starts_with('"')
            && !token.contains(char::is_control);
        match is_plain {
            true => format!("{token}\n"),
            false => format!("{}\n", Value::from(token.as_str())),
        }
    };
    tokens.iter().map(line).collect()
}

/// A model that finds speech window by window, known by its inputs and outputs: those of `silero-vad`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Silero {
    /// The inputs and outputs of the state.
    pub states: &'static [(&'static str, &'static str)],
    /// The samples of the previous window before each window.
    pub context: u32,
}

impl Silero {
    /// The input of samples.
    pub const INPUT: &'static str = "input";
    /// The input of the sample rate.
    pub const RATE: &'static str = "sr";
    /// The output of probabilities.
    pub const OUTPUT: &'static str = "output";
    /// The samples of a window at 16 kHz.
    pub const WINDOW: u32 = 512;
    /// The sample rate in Hz.
    pub const RATE_HZ: u32 = 16_000;

    /// The version of these inputs and outputs, if it is one.
    pub fn find<'a>(
        inputs: &[TensorSpec],
        outputs: impl Iterator<Item = &'a str> + Clone,
    ) -> Option<Self> {
        const VERSIONS: [Silero; 2] = [
            Silero {
                states: &[("state", "stateN")],
                context: 64,
            },
            // Version 4.
            Silero {
                states: &[("h", "hn"), ("c", "cn")],
                context: 0,
            },
        ];
        let has_input = |name: &str| inputs.iter().any(|input| input.name == name);
        let has_output = |name: &str| outputs.clone().any(|output| output == name);
        let is_sound = inputs.iter().any(|input| {
            input.name == Self::INPUT && input.shape.len() == 2 && input.datatype == Datatype::Fp32
        });
        VERSIONS.into_iter().find(|version| {
            let states = version.states;
            is_sound
                && has_input(Self::RATE)
                && has_output(Self::OUTPUT)
                && inputs.len() == states.len() + 2
                && outputs.clone().count() == states.len() + 1
                && states
                    .iter()
                    .all(|(input, output)| has_input(input) && has_output(output))
        })
    }

    /// The preparation of sounds.
    pub fn audio(inputs: &[TensorSpec]) -> Option<Audio<'_>> {
        let input = inputs.iter().find(|input| input.name == Self::INPUT)?;
        let spec = AudioSpec {
            input: Some(input.name.clone()),
            rate_hz: Self::RATE_HZ,
            ..AudioSpec::default()
        };
        Some((
            spec,
            "Known by the inputs and outputs of silero-vad.",
            input,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_hold_every_token() {
        let tokens = [
            "<pad>", "|", "A", " ", "\n", "", "\"", "a b", " a", "\u{a0}", "'",
        ];
        let lines = to_lines(&tokens.map(str::to_owned));
        let expected = "<pad>\n|\nA\n\" \"\n\"\\n\"\n\"\"\n\"\\\"\"\na b\n\" a\"\n\"\u{a0}\"\n'\n";
        assert_eq!(lines, expected);
        let labels = infer_model_card::Labels::parse(&lines).unwrap();
        assert_eq!(labels.len(), tokens.len());
    }

    #[test]
    fn sections_of_classes() {
        let config = Config::default();
        type Expected<'a> = Result<(AudioFeatures, bool, u32), &'a str>;
        let rows: [(&str, Expected); 13] = [
            (
                r#"{"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": 8000}"#,
                Ok((AudioFeatures::Waveform, true, 8000)),
            ),
            (
                r#"{"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": 16000, "do_normalize": false}"#,
                Ok((AudioFeatures::Waveform, false, 16_000)),
            ),
            (
                r#"{"feature_extractor_type": "WhisperFeatureExtractor", "sampling_rate": 16000, "feature_size": 128}"#,
                Ok((AudioFeatures::LogMel, false, 16_000)),
            ),
            (
                r#"{"feature_extractor_type": "ASTFeatureExtractor", "sampling_rate": 16000}"#,
                Ok((AudioFeatures::Fbank, false, 16_000)),
            ),
            (
                r#"{"feature_extractor_type": "ClapFeatureExtractor", "sampling_rate": 48000}"#,
                Err("which is not supported"),
            ),
            (r#"{"sampling_rate": 48000}"#, Err("which is not supported")),
            (
                r#"{"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": "x"}"#,
                Err("whose `sampling_rate` is \"x\", expected a whole number"),
            ),
            (
                r#"{"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": 1e99}"#,
                Err("whose `sampling_rate` is 1e+99, expected a whole number"),
            ),
            (
                r#"{"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": -1}"#,
                Err("whose `sampling_rate` is -1, expected a whole number"),
            ),
            (
                r#"{"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": 1, "feature_size": 2}"#,
                Err("whose `feature_size` is not 1"),
            ),
            (
                r#"{"feature_extractor_type": "WhisperFeatureExtractor", "sampling_rate": 1, "dither": 0.1}"#,
                Err("whose `dither` adds noise"),
            ),
            (
                r#"{"feature_extractor_type": "WhisperFeatureExtractor", "sampling_rate": 1, "do_normalize": true}"#,
                Err("whose `do_normalize` is not supported"),
            ),
            (
                r#"{"feature_extractor_type": "ASTFeatureExtractor", "sampling_rate": 1, "mean": "a"}"#,
                Err("whose `mean` is \"a\", expected a number"),
            ),
        ];
        let mut wrong = Vec::new();
        for (json, expected) in rows {
            let file = of_sound(json).unwrap();
            let actual = spec(&class(&file, &config), &file);
            let actual = actual.map(|spec| (spec.features, spec.normalize, spec.rate_hz));
            if actual != expected.map_err(str::to_owned) {
                wrong.push(format!("{json}: {actual:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        for json in [
            "",
            "[]",
            "{}",
            r#"{"image_processor_type": "A", "sampling_rate": 1}"#,
        ] {
            assert_eq!(of_sound(json), None, "{json}");
        }
    }

    #[test]
    fn old_files_are_known_by_the_model() {
        let file = of_sound(r#"{"sampling_rate": 16000}"#).unwrap();
        let rows = [
            ("wav2vec2", "Wav2Vec2FeatureExtractor"),
            ("hubert", "Wav2Vec2FeatureExtractor"),
            ("whisper", "WhisperFeatureExtractor"),
            ("audio-spectrogram-transformer", "ASTFeatureExtractor"),
            ("clap", "a feature extractor"),
        ];
        for (kind, expected) in rows {
            let config = Config {
                model_type: kind.to_owned(),
                ..Config::default()
            };
            assert_eq!(class(&file, &config), expected, "{kind}");
        }
    }
}
