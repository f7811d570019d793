//! Model cards with sounds: their names, and the exact message of every error.

use infer_model_card::{AudioFeatures, ModelCard, Task};

const SPEECH: &str = r#"
[[input]]
name = "input_values"
datatype = "FP32"
shape = [-1, -1]

[[input]]
name = "attention_mask"
datatype = "INT64"
shape = [-1, -1]

[[output]]
name = "logits"
datatype = "FP32"
shape = [-1, -1, 32]

[audio]
input = "input_values"
attention_mask = "attention_mask"
rate_hz = 16000
normalize = true

[transcription]
output = "logits"
labels = "labels.txt"
samples_per_frame = 320
"#;

const VOICE: &str = r#"
[[input]]
name = "input"
datatype = "FP32"
shape = [-1, -1]

[[input]]
name = "state"
datatype = "FP32"
shape = [2, -1, 128]

[[input]]
name = "sr"
datatype = "INT64"
shape = []

[[output]]
name = "output"
datatype = "FP32"
shape = [-1, 1]

[[output]]
name = "stateN"
datatype = "FP32"
shape = [-1, -1, -1]

[audio]
input = "input"

[voice_activity]
output = "output"
window = 512
context = 64
states = [{ input = "state", output = "stateN" }]
rate_input = "sr"
"#;

const FEATURES: &str = r#"
[[input]]
name = "input_features"
datatype = "FP32"
shape = [-1, 80, 3000]

[[output]]
name = "logits"
datatype = "FP32"
shape = [-1, 7]

[audio]
features = "log-mel"

[classification]
output = "logits"
"#;

#[test]
fn cards_of_sounds_are_parsed() {
    let card = ModelCard::parse(SPEECH).unwrap();
    assert_eq!(card.task_name, Some("automatic-speech-recognition"));
    assert_eq!(card.task.labels_file(), Some("labels.txt"));
    let (audio, input) = card.audio_input().unwrap();
    assert_eq!(
        (audio.rate_hz, input.name.as_str()),
        (16_000, "input_values")
    );
    let card = ModelCard::parse(VOICE).unwrap();
    assert_eq!(card.task_name, Some("voice-activity-detection"));
    assert_eq!(
        (card.constant("sr"), card.constant("state")),
        (Some(16_000), None)
    );
    assert!(matches!(&card.task, Task::VoiceActivity(spec) if spec.samples() == 576));
    let card = ModelCard::parse(FEATURES).unwrap();
    assert_eq!(card.task_name, Some("audio-classification"));
    let (audio, _) = card.audio_input().unwrap();
    assert_eq!(audio.features, AudioFeatures::LogMel);
    assert_eq!(audio.shape(1), [1, 80, 3000]);
}

#[test]
fn invalid_cards_of_sounds_are_rejected() {
    let cases = [
        (
            SPEECH,
            "rate_hz = 16000",
            "rate = 16000",
            "unknown key `rate` in [audio]; did you mean `rate_hz`?",
        ),
        (
            SPEECH,
            "rate_hz = 16000",
            "rate_hz = 0",
            "[audio] `rate_hz`: expected 1000 to 192000, got 0",
        ),
        (
            SPEECH,
            "rate_hz = 16000",
            "rate_hz = 200000",
            "[audio] `rate_hz`: expected 1000 to 192000, got 200000",
        ),
        (
            SPEECH,
            "rate_hz = 16000",
            "rate_hz = -1",
            "TOML parse error",
        ),
        (
            SPEECH,
            "normalize = true",
            "features = \"mfcc\"",
            "TOML parse error",
        ),
        (
            SPEECH,
            "normalize = true",
            "mels = 0",
            "[audio] `mels`: expected 1 to 1024, got 0",
        ),
        (
            SPEECH,
            "normalize = true",
            "std = 0.0",
            "[audio] `std`: expected a number above 0, got 0",
        ),
        (
            SPEECH,
            "normalize = true",
            "mean = nan",
            "[audio] `mean`: expected a finite number, got NaN",
        ),
        (
            SPEECH,
            "input = \"input_values\"\n",
            "",
            "[audio] `input`: required, because the model has 2 inputs",
        ),
        (
            SPEECH,
            "input = \"input_values\"",
            "input = \"x\"",
            "[audio] `input`: the model has no input `x`",
        ),
        (
            SPEECH,
            "input = \"input_values\"",
            "input = \"attention_mask\"",
            "[audio] `input`: `attention_mask` is INT64, expected FP32 or FP16",
        ),
        (
            SPEECH,
            "\"FP32\"\nshape = [-1, -1]\n",
            "\"FP32\"\nshape = [-1, 80, -1]\n",
            "[audio] `features`: a sound becomes a tensor of shape [-1, -1] (-1 is any size), but input `input_values` has shape [-1, 80, -1]",
        ),
        (
            SPEECH,
            "attention_mask = \"attention_mask\"\n",
            "",
            "[transcription]: a sound does not fill the input `attention_mask`",
        ),
        (
            SPEECH,
            "attention_mask = \"attention_mask\"",
            "attention_mask = \"x\"",
            "[audio] `attention_mask`: the model has no input `x`",
        ),
        (
            SPEECH,
            "attention_mask = \"attention_mask\"",
            "attention_mask = \"input_values\"",
            "[audio] `attention_mask`: `input_values` is FP32 of shape [-1, -1], expected INT64 or INT32 of [batch, samples]",
        ),
        (
            SPEECH,
            "[transcription]",
            "[text]\n[transcription]",
            "[audio]: a model with sounds has no other input, but the card has `[text]`",
        ),
        (
            SPEECH,
            "samples_per_frame = 320",
            "samples_per_frame = 0",
            "[transcription] `samples_per_frame`: expected 1 or more, got 0",
        ),
        (SPEECH, "samples_per_frame = 320", "", "TOML parse error"),
        (
            SPEECH,
            "labels = \"labels.txt\"",
            "labels = \"../a\"",
            "[transcription] `labels`: expected the name of a file in the model's folder, got `../a`",
        ),
        (
            SPEECH,
            "output = \"logits\"",
            "output = \"x\"",
            "[transcription] `output`: the model has no output `x`",
        ),
        (
            SPEECH,
            "[-1, -1, 32]",
            "[-1, 32]",
            "[transcription] `output`: `logits` has shape [-1, 32], expected [batch, frames, tokens]",
        ),
        (
            SPEECH,
            "[transcription]",
            "[transcriptions]",
            "unknown key `transcriptions` in the card; did you mean `transcription`?",
        ),
        (
            VOICE,
            "window = 512",
            "window = 0",
            "[voice_activity] `window`: expected 1 to 1048576, got 0",
        ),
        (
            VOICE,
            "context = 64",
            "context = 513",
            "[voice_activity] `context`: expected 0 to 512, got 513",
        ),
        (
            VOICE,
            "context = 64",
            "speech_pad_ms = 60001",
            "[voice_activity] `speech_pad_ms`: expected 0 to 60000, got 60001",
        ),
        (
            VOICE,
            "context = 64",
            "threshold = 1.5",
            "[voice_activity] `threshold`: expected a number from 0 to 1, got 1.5",
        ),
        (
            VOICE,
            "context = 64",
            "neg_threshold = -1.0",
            "[voice_activity] `neg_threshold`: expected a number from 0 to 1, got -1",
        ),
        (
            VOICE,
            "rate_input = \"sr\"",
            "",
            "[voice_activity]: nothing fills the input `sr`",
        ),
        (
            VOICE,
            "rate_input = \"sr\"",
            "rate_input = \"state\"",
            "[voice_activity] `rate_input`: `state` is FP32 of shape [2, -1, 128], expected one INT64 or INT32",
        ),
        (
            VOICE,
            "{ input = \"state\", output = \"stateN\" }",
            "",
            "[voice_activity]: nothing fills the input `state`",
        ),
        (
            VOICE,
            "output = \"stateN\" }",
            "output = \"x\" }",
            "[voice_activity]: the model has no output `x`",
        ),
        (
            VOICE,
            "output = \"stateN\" }",
            "output = \"stateN\", a = 1 }",
            "TOML parse error",
        ),
        (
            VOICE,
            "input = \"state\",",
            "input = \"sr\",",
            "[voice_activity] `states`: input `sr` is INT64 and output `stateN` is FP32, expected the same",
        ),
        (
            VOICE,
            "\"FP32\"\nshape = [-1, -1]",
            "\"FP32\"\nshape = [-1, 512]",
            "[voice_activity] `window`: a window becomes a tensor of shape [1, 576], but input `input` has shape [-1, 512]",
        ),
        (
            VOICE,
            "input = \"input\"\n\n",
            "input = \"input\"\nnormalize = true\n\n",
            "[voice_activity]: needs the waveform without `normalize`",
        ),
        (
            FEATURES,
            "features = \"log-mel\"",
            "features = \"log-mel\"\nmels = 128",
            "[audio] `features`: a sound becomes a tensor of shape [-1, 128, 3000]",
        ),
        (
            FEATURES,
            "features = \"log-mel\"",
            "features = \"fbank\"",
            "[audio] `features`: a sound becomes a tensor of shape [-1, -1, 128]",
        ),
        (
            FEATURES,
            "features = \"log-mel\"",
            "features = \"log-mel\"\nhop_length = 0",
            "[audio] `hop_length`: expected 1 to 65536, got 0",
        ),
        (
            FEATURES,
            "features = \"log-mel\"",
            "features = \"log-mel\"\nrate_hz = 1000\nchunk_seconds = 1\nn_fft = 1000",
            "[audio] `chunk_seconds`: a chunk has 1000 samples, expected more than `n_fft` and `hop_length`",
        ),
        (
            FEATURES,
            "features = \"log-mel\"",
            "features = \"log-mel\"\nattention_mask = \"input_features\"",
            "[audio] `attention_mask`: only the waveform has one",
        ),
    ];
    let mut wrong = Vec::new();
    for (card, old, new, expected) in cases {
        assert!(card.contains(old), "{old}");
        let error = ModelCard::parse(&card.replacen(old, new, 1)).map(drop);
        let message = error.map_err(|error| error.to_string());
        if !message
            .as_ref()
            .is_err_and(|message| message.starts_with(expected))
        {
            wrong.push(format!("{new}\n  {message:?}\n  expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
