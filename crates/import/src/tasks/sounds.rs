//! `[transcription]` and `[voice_activity]`: models that turn sounds into texts, or into the times of speech.

use super::{Context, Section, is_float};
use crate::card::{LABELS_FILE, toml_string};
use crate::inspect::InspectError;
use crate::sound::{self, Silero};
use crate::tensors::described;

/// The section of a model that was trained with connectionist temporal classification.
pub(super) fn transcription(context: &Context) -> Result<Option<Section>, InspectError> {
    let architecture = context.config.architecture.as_str();
    if !context.takes_sound || !architecture.ends_with("ForCTC") {
        return Ok(None);
    }
    let outputs = &context.tried.outputs;
    let is_frames = |spec: &&infer_model_card::TensorSpec| is_float(spec) && spec.shape.len() == 3;
    let unfit = |what: String, expected| InspectError::UnfitOutputs {
        what,
        expected,
        outputs: described(outputs),
    };
    let what = || format!("`{architecture}` in `config.json`");
    let output = outputs.iter().find(is_frames).ok_or_else(|| {
        unfit(
            what(),
            "an output of FP32 or FP16 of shape [batch, frames, tokens]",
        )
    })?;
    let columns = output.shape.get(2).copied().map(usize::try_from);
    let columns = columns.and_then(Result::ok);
    let vocabulary = sound::vocabulary(context.source, context.config, columns)?
        .map_err(|problem| InspectError::Vocabulary { problem })?;
    let samples = context
        .config
        .samples_per_frame
        .ok_or_else(|| InspectError::Vocabulary {
            problem: "`config.json` has no `conv_stride`, the samples of a frame".to_owned(),
        })?;
    let delimiter = vocabulary.word_delimiter.map_or(String::new(), |index| {
        format!("word_delimiter = {index}  # the token that becomes a space\n")
    });
    let lowercase = match vocabulary.lowercase {
        true => "lowercase = true\n",
        false => "",
    };
    Ok(Some(Section {
        text: format!(
            "# How an output becomes the text of a sound (CTC).\n[transcription]\noutput = {}\n\
             labels = \"{LABELS_FILE}\"  # one token per line; in quotes, a JSON string\n\
             blank = {}  # the token that stands for no character\n{delimiter}\
             samples_per_frame = {samples}\n{lowercase}",
            toml_string(&output.name),
            vocabulary.blank
        ),
        labels: Some(sound::to_lines(&vocabulary.tokens)),
        ..Section::default()
    }))
}

/// The section of `silero-vad`.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every task")]
pub(super) fn voice_activity(context: &Context) -> Result<Option<Section>, InspectError> {
    let Some(silero) = context.silero else {
        return Ok(None);
    };
    let states: Vec<String> = (silero.states.iter())
        .map(|(input, output)| format!("{{ input = \"{input}\", output = \"{output}\" }}"))
        .collect();
    Ok(Some(Section {
        text: format!(
            "# How a sound is cut into windows, and how their probabilities become the times of speech: as\n\
             # get_speech_timestamps of silero-vad does it.\n[voice_activity]\noutput = \"{}\"\n\
             window = {}  # samples\ncontext = {}  # samples of the previous window before each window\n\
             states = [{}]  # carried from window to window\nrate_input = \"{}\"\nthreshold = 0.5\n\
             min_speech_duration_ms = 250\nmin_silence_duration_ms = 100\nspeech_pad_ms = 30\n",
            Silero::OUTPUT,
            Silero::WINDOW,
            silero.context,
            states.join(", "),
            Silero::RATE
        ),
        labels: None,
        ..Section::default()
    }))
}
