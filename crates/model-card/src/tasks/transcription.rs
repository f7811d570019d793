//! `[transcription]`: an output becomes the text of a sound.

use serde::Deserialize;

use super::{Input, Section, SectionKeys, TaskName};
use crate::card::{check_file_name, float_output};
use crate::{CardError, ModelCard};

/// How the output of a model trained with connectionist temporal classification becomes a text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TranscriptionSpec {
    /// The output with one value per frame and token, shape `[batch, frames, tokens]`.
    pub output: String,
    /// A file in the model's folder with one token per line. A line in quotes is a JSON string, for tokens such as a space.
    pub labels: String,
    /// The number of the token that stands for no character.
    #[serde(default)]
    pub blank: u32,
    /// The number of the token between two words, which becomes a space.
    #[serde(default)]
    pub word_delimiter: Option<u32>,
    /// The samples of one frame.
    pub samples_per_frame: u32,
    /// Whether the text is put into lower case.
    #[serde(default)]
    pub lowercase: bool,
}

impl SectionKeys for TranscriptionSpec {
    const KEYS: &'static [&'static str] = &[
        "blank",
        "labels",
        "lowercase",
        "output",
        "samples_per_frame",
        "word_delimiter",
    ];
    const NAMES: &'static [TaskName] = &[TaskName("automatic-speech-recognition", Input::Audio)];
}

impl Section for TranscriptionSpec {
    fn check(&self, card: &ModelCard) -> Result<(), CardError> {
        let place = |key: &str| format!("[transcription] `{key}`");
        if card.audio.is_none() {
            return Err(CardError::value(
                "[transcription]",
                "needs the section `[audio]`: a text is made of a sound",
            ));
        }
        let sound = card.audio_input().map(|(_, input)| input.name.as_str());
        let mask = (card.audio.as_ref()).and_then(|audio| audio.attention_mask.as_deref());
        let is_filled = |name: &str| sound == Some(name) || mask == Some(name);
        if let Some(spec) = card.inputs.iter().find(|spec| !is_filled(&spec.name)) {
            return Err(CardError::value(
                "[transcription]",
                format!("a sound does not fill the input `{}`", spec.name),
            ));
        }
        let output = float_output(card, &place("output"), &self.output)?;
        if output.shape.len() != 3 {
            return Err(CardError::value(
                place("output"),
                format!(
                    "`{}` has shape {:?}, expected [batch, frames, tokens]",
                    output.name, output.shape
                ),
            ));
        }
        if self.samples_per_frame == 0 {
            return Err(CardError::value(
                place("samples_per_frame"),
                "expected 1 or more, got 0",
            ));
        }
        check_file_name(&place("labels"), &self.labels)
    }

    fn labels_file(&self) -> Option<&str> {
        Some(&self.labels)
    }
}
