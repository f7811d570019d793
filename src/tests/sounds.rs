//! Sounds in the protocols, and bodies that are no sounds.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json as value};

use super::{Engine, Limits, Refused, check_refused, file, json, send, send_within};
use crate::catalog::{Files, Models};

/// Speech recognition, a classifier, and voice activity, with cards as `cargo infer add` writes them.
pub(super) fn add(models: &mut Models, engine: &mut Engine) {
    let tensor = |section: &str, name: &str, datatype: &str, shape: &str| {
        format!("[[{section}]]\nname = '{name}'\ndatatype = '{datatype}'\nshape = {shape}\n")
    };
    let waveform =
        tensor("input", "input_values", "FP32", "[-1, -1]") + "example_shape = [1, 16000]\n";
    let speech = waveform.clone()
        + &tensor("output", "logits", "FP32", "[-1, -1, 14]")
        + "[audio]\nnormalize = true\n\
           [transcription]\noutput = 'logits'\nlabels = 'labels.txt'\nword_delimiter = 4\nsamples_per_frame = 40\n";
    let noises = waveform
        + &tensor("output", "logits", "FP32", "[-1, 7]")
        + "[audio]\nnormalize = true\n[classification]\noutput = 'logits'\nactivation = 'softmax'\n";
    let voice = tensor("input", "input", "FP32", "[-1, -1]")
        + "example_shape = [1, 576]\n"
        + &tensor("input", "state", "FP32", "[2, -1, 128]")
        + "example_shape = [2, 1, 128]\n"
        + &tensor("input", "sr", "INT64", "[]")
        + &tensor("output", "output", "FP32", "[-1, 1]")
        + &tensor("output", "stateN", "FP32", "[2, -1, 128]")
        + "[audio]\ninput = 'input'\n[voice_activity]\noutput = 'output'\nwindow = 512\ncontext = 64\n\
           states = [{ input = 'state', output = 'stateN' }]\nrate_input = 'sr'\n";
    let letters = "<pad>\n<s>\n</s>\n<unk>\n|\nE\nT\nA\nO\nN\nI\nH\nS\n'\n";
    for (name, card, labels, folder) in [
        (
            "speech",
            speech,
            Some(letters),
            "automatic-speech-recognition/wav2vec2",
        ),
        ("noises", noises, None, "audio-classification/wav2vec2"),
        ("voice", voice, None, "voice-activity-detection/silero"),
    ] {
        let files = Files {
            labels,
            ..Files::default()
        };
        models.add(name, &card, files).unwrap();
        let graph = file(&format!("tests/tasks/{folder}/model/model.onnx"));
        engine.0.add(name, graph).unwrap();
    }
}

/// A WAV of 16 bits: a square wave.
pub(super) fn wav(rate_hz: u32, channels: u16, frames: u32) -> Vec<u8> {
    let bytes = frames * u32::from(channels) * 2;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(channels.to_le_bytes());
    wav.extend(rate_hz.to_le_bytes());
    wav.extend((rate_hz * u32::from(channels) * 2).to_le_bytes());
    wav.extend((channels * 2).to_le_bytes());
    wav.extend(16_u16.to_le_bytes());
    wav.extend(b"data");
    wav.extend(bytes.to_le_bytes());
    for frame in 0..frames {
        let sample: i16 = if frame / 18 % 2 == 0 { 9000 } else { -9000 };
        for _ in 0..channels {
            wav.extend(sample.to_le_bytes());
        }
    }
    wav
}

/// A FLAC that declares so many samples, whatever it has.
fn flac(samples: u64) -> Vec<u8> {
    let mut flac = file("crates/audio/tests/sounds/mono.flac");
    // The rate in 20 bits, channels less 1 in 3, bits less 1 in 5, and the samples in 36.
    let place = flac[18..].first_chunk_mut::<8>().unwrap();
    let declared = u64::from_be_bytes(*place) >> 36 << 36 | samples;
    *place = declared.to_be_bytes();
    flac
}

fn form(files: &[&[u8]], fields: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for bytes in files {
        body.extend(
            b"--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n",
        );
        body.extend(*bytes);
        body.extend(b"\r\n");
    }
    for (name, text) in fields {
        let part =
            format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n");
        body.extend(part.as_bytes());
    }
    body.extend(b"--x--\r\n");
    body
}

fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=x");
const JSON: (&str, &str) = ("content-type", "application/json");
const WAV: (&str, &str) = ("content-type", "audio/wav");
const CURL: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn post(target: &str, header: (&str, &str), body: &[u8]) -> Value {
    match send("POST", target, &[header], body) {
        Ok(response) => json(&response),
        Err(error) => panic!("{target} {header:?}: {error}"),
    }
}

#[test]
fn every_form_of_a_sound_has_the_same_answer() {
    let sound = file("tests/tasks/audio/chord.wav");
    let encoded = base64(&sound);
    let mut wrong = Vec::new();
    for model in ["speech", "noises", "voice"] {
        let target = format!("/infer/{model}");
        let expected = post(&target, CURL, &sound)["predictions"].clone();
        assert_eq!(expected.as_array().unwrap().len(), 1, "{model}: {expected}");
        let rows = [
            (WAV, sound.clone()),
            (("content-type", "audio/x-wav"), sound.clone()),
            (("content-type", "AUDIO/VND.WAVE"), sound.clone()),
            // A wrong media type of sound: the bytes decide.
            (("content-type", "audio/mpeg"), sound.clone()),
            (("content-type", "application/octet-stream"), sound.clone()),
            (FORM, form(&[&sound], &[])),
            (JSON, value!({ "audio": encoded }).to_string().into_bytes()),
            (
                JSON,
                value!({ "audio": [encoded] }).to_string().into_bytes(),
            ),
            (
                JSON,
                value!({ "audio": format!("data:audio/wav;base64,{encoded}") })
                    .to_string()
                    .into_bytes(),
            ),
            (
                JSON,
                value!({ "instances": [{ "b64": encoded }] })
                    .to_string()
                    .into_bytes(),
            ),
        ];
        for (header, body) in rows {
            let actual = post(&target, header, &body)["predictions"].clone();
            if actual != expected {
                wrong.push(format!("{model} {header:?}: {actual}, expected {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let v1 = value!({ "instances": [{ "b64": encoded }] }).to_string();
    let v1 = post("/v1/models/noises:predict", JSON, v1.as_bytes());
    let input =
        value!({ "name": "input_values", "datatype": "BYTES", "shape": [1], "data": [encoded] });
    let v2 = value!({ "inputs": [input] }).to_string();
    let v2 = post("/v2/models/noises/infer", JSON, v2.as_bytes());
    assert_eq!(v1["predictions"][0], v2["outputs"][0]["data"]);
}

#[test]
fn sounds_of_any_rate_and_channels() {
    let one = post("/infer/speech", WAV, &wav(16_000, 1, 3000))["predictions"].clone();
    for channels in [2, 8, 24] {
        let several = post("/infer/speech", WAV, &wav(16_000, channels, 3000));
        assert_eq!(several["predictions"], one, "{channels}");
    }
    for (rate_hz, samples) in [(8000, 2000), (48_000, 334), (44_100, 363), (16_000, 1000)] {
        let input = post("/infer/speech/input", WAV, &wav(rate_hz, 1, 1000));
        assert_eq!(
            input["inputs"][0]["shape"],
            value!([1, samples]),
            "{rate_hz}"
        );
    }
}

#[test]
fn sounds_of_different_lengths() {
    let (short, long) = (wav(16_000, 1, 1000), wav(16_000, 1, 3000));
    let both = form(&[&short, &long], &[("return_timestamps", "word")]);
    let texts = post("/infer/speech", FORM, &both);
    assert_eq!(texts["predictions"].as_array().unwrap().len(), 2);
    assert!(texts["predictions"][1][0]["chunks"].is_array());
    let limits = Limits {
        max_audio_seconds: 1,
        ..Limits::default()
    };
    let second = wav(16_000, 1, 12_000);
    let error = send_within(
        limits,
        "POST",
        "/infer/voice",
        &[FORM],
        &form(&[&second, &second], &[]),
    )
    .unwrap_err();
    assert_eq!(
        (error.kind().status(), error.to_string()),
        (
            413,
            "sound 1, field `file`: the sounds of the request last more than 1 s together; the limit is the setting \
             `INFER_MAX_AUDIO_SECONDS`"
                .to_owned()
        )
    );
}

#[test]
fn invalid_sounds_are_refused() {
    let sound = wav(16_000, 1, 1000);
    let png = file("models/digits/samples/7.png");
    let row = |target: &str, header: (&'static str, &str), body: &[u8], status, sentence| Refused {
        method: "POST",
        target: target.to_owned(),
        headers: vec![(header.0, header.1.to_owned())],
        body: body.to_vec(),
        status,
        sentence,
    };
    let text = |body: Value| body.to_string().into_bytes();
    let mut m4a = vec![0, 0, 0, 24];
    m4a.extend(b"ftypM4A \0\0\0\0M4A mp42");
    m4a.extend([0; 64]);
    let takes = "model `speech` does not take `text/plain`; it takes `audio/wav`, `audio/flac`, \
                 `audio/mpeg`, `audio/ogg`, `multipart/form-data`, `application/json`";
    check_refused(vec![
        // No samples, odd rates, too many channels.
        row(
            "/infer/speech",
            WAV,
            &wav(16_000, 1, 0),
            400,
            "the sound has no samples",
        ),
        row(
            "/infer/voice",
            WAV,
            &wav(16_000, 1, 0),
            400,
            "the sound has no samples",
        ),
        row(
            "/infer/speech",
            WAV,
            &wav(1, 1, 9),
            400,
            "the sample rate is 1 Hz, expected 100 Hz to 768000 Hz",
        ),
        row("/infer/speech", WAV, &wav(0, 1, 9), 400, "the "),
        row(
            "/infer/speech",
            WAV,
            &wav(1_000_000, 1, 9),
            400,
            "the sample rate is 1000000 Hz",
        ),
        row(
            "/infer/speech",
            WAV,
            &wav(16_000, 33, 9),
            400,
            "the sound has 33 channels, expected at most 32",
        ),
        row(
            "/infer/speech",
            WAV,
            &wav(16_000, 0, 9),
            400,
            "the WAV file ",
        ),
        // An hour, which nothing decodes.
        row(
            "/infer/speech",
            CURL,
            &flac(3600 * 16_000),
            413,
            "the sound lasts at least 3600.0 s, expected at most 600 s; the limit is the setting \
             `INFER_MAX_AUDIO_SECONDS`",
        ),
        // Longer than 600 s of samples in all channels together.
        row(
            "/infer/speech",
            CURL,
            &flac(1 << 35),
            413,
            "the sound lasts at least ",
        ),
        // Truncated.
        row(
            "/infer/speech",
            WAV,
            &sound[..20],
            400,
            "the WAV file is damaged: ",
        ),
        row(
            "/infer/speech",
            CURL,
            &sound[..30],
            400,
            "the WAV file is damaged: ",
        ),
        row(
            "/infer/speech",
            CURL,
            &flac(16_000)[..20],
            400,
            "the FLAC file is damaged: ",
        ),
        row(
            "/infer/speech",
            CURL,
            &flac(16_000),
            400,
            "the FLAC file is damaged: ",
        ),
        // Other files.
        row(
            "/infer/speech",
            WAV,
            b"Any text.",
            415,
            "the format of the sound is unknown, expected WAV, FLAC, MP3",
        ),
        row(
            "/infer/speech",
            CURL,
            b"Any text.",
            415,
            "the format of the sound is unknown",
        ),
        row(
            "/infer/speech",
            ("content-type", "text/plain"),
            b"Any text.",
            415,
            takes,
        ),
        row(
            "/infer/speech",
            ("content-type", "image/png"),
            &png,
            415,
            "model `speech` does not take `image/png`",
        ),
        row(
            "/infer/speech",
            CURL,
            &png,
            415,
            "model `speech` does not take `image/png`",
        ),
        row(
            "/infer/speech",
            WAV,
            &png,
            415,
            "the format of the sound is unknown",
        ),
        row(
            "/infer/speech",
            CURL,
            &m4a,
            415,
            "the sound is MP4 or M4A, which is not supported",
        ),
        row(
            "/infer/speech",
            ("content-type", "audio/aac"),
            &sound,
            415,
            "model `speech` does not take `audio/aac`",
        ),
        row("/infer/speech", WAV, b"", 400, "the body is empty"),
        // Sounds for models of something else.
        row(
            "/infer/digits",
            CURL,
            &sound,
            415,
            "model `digits` does not take `audio/wav`; it takes `image/jpeg`",
        ),
        row(
            "/infer/digits",
            WAV,
            &sound,
            415,
            "model `digits` does not take `audio/wav`",
        ),
        row(
            "/infer/sentiment",
            CURL,
            &sound,
            415,
            "model `sentiment` does not take `audio/wav`",
        ),
        row(
            "/infer/add",
            CURL,
            &flac(16_000),
            415,
            "model `add` does not take `audio/flac`",
        ),
        row(
            "/infer/digits",
            JSON,
            &text(value!({ "audio": base64(&sound) })),
            415,
            "model `digits` takes no sounds",
        ),
        row(
            "/infer/speech",
            JSON,
            &text(value!({ "image": base64(&png) })),
            415,
            "model `speech` takes no images",
        ),
        // JSON.
        row(
            "/infer/speech",
            JSON,
            &text(value!({ "audio": "%" })),
            400,
            "`audio` is `%`, expected an encoded sound in base64",
        ),
        row(
            "/infer/speech",
            JSON,
            &text(value!({ "audio": "" })),
            415,
            "the format of the sound is unknown",
        ),
        row(
            "/infer/speech",
            JSON,
            &text(value!({ "audio": 1 })),
            400,
            "`audio` is ",
        ),
        row(
            "/infer/speech",
            JSON,
            &text(value!({ "audio": [] })),
            400,
            "",
        ),
        row(
            "/infer/speech",
            JSON,
            &text(value!({ "audio": [base64(&sound), base64(&png)] })),
            415,
            "sound 1: the format of the sound is unknown",
        ),
        row(
            "/infer/speech",
            JSON,
            b"{}",
            400,
            "the JSON body has neither `inputs` nor `instances` nor ",
        ),
        row(
            "/infer/noises",
            JSON,
            &text(value!({ "audio": [base64(&sound), base64(&wav(16_000, 1, 999))] })),
            400,
            "sound 1: the sound becomes an input of shape [999] and the first sound one of [1000]; send sounds of \
             different lengths one by one",
        ),
        // Forms.
        row(
            "/infer/speech",
            FORM,
            &form(&[], &[]),
            400,
            "the multipart body has no parts, expected one sound in each part",
        ),
        row(
            "/infer/speech",
            FORM,
            &form(&[], &[("return_timestamps", "word")]),
            400,
            "the multipart body has no sound, expected one sound in each part",
        ),
        row(
            "/infer/speech",
            FORM,
            &form(&[&sound], &[("language", "en")]),
            400,
            "the field `language` of the multipart body",
        ),
        row(
            "/infer/speech",
            FORM,
            &form(&[&png], &[]),
            415,
            "field `file`: the format of the sound is unknown",
        ),
        // Parameters.
        row(
            "/infer/speech?return_timestamps=line",
            WAV,
            &sound,
            400,
            "`return_timestamps` is `line`, expected `false`",
        ),
        row(
            "/infer/speech?threshold=0.5",
            WAV,
            &sound,
            400,
            "model `speech` does not take `threshold`",
        ),
        row(
            "/infer/voice?threshold=2",
            WAV,
            &sound,
            400,
            "`threshold` is `2`, expected a number from 0 to 1",
        ),
        row(
            "/infer/voice?max_speech_duration_s=0",
            WAV,
            &sound,
            400,
            "`max_speech_duration_s` is `0`",
        ),
        row(
            "/infer/voice?neg_threshold=NaN",
            WAV,
            &sound,
            400,
            "`neg_threshold` is `NaN`",
        ),
    ]);
}

#[test]
fn transcriptions_have_openais_forms() {
    const TARGET: &str = "/v1/audio/transcriptions";
    let sound = file("tests/tasks/audio/glide-0.wav");
    let ask = |fields: &[(&str, &str)]| {
        let response = send("POST", TARGET, &[FORM], &form(&[&sound], fields)).unwrap();
        let media_type = response.header("content-type").unwrap().to_owned();
        (media_type, String::from_utf8(response.body).unwrap())
    };
    let answer = post("/infer/speech?return_timestamps=word", WAV, &sound);
    let expected = &answer["predictions"][0][0];
    let text = expected["text"].as_str().unwrap();
    let (media_type, body) = ask(&[]);
    assert_eq!(
        (media_type.as_str(), body),
        ("application/json", value!({ "text": text }).to_string())
    );
    let (media_type, body) = ask(&[("model", "speech"), ("response_format", "text")]);
    assert_eq!(
        (media_type.as_str(), body),
        ("text/plain; charset=utf-8", format!("{text}\n"))
    );
    let (_, body) = ask(&[("response_format", "srt")]);
    assert!(body.starts_with("1\n00:00:00,000 --> 00:00:00,"), "{body}");
    let (_, body) = ask(&[("response_format", "vtt")]);
    assert!(body.starts_with("WEBVTT\n\n00:00:00.000 --> "), "{body}");
    let (_, body) = ask(&[
        ("response_format", "verbose_json"),
        ("language", "en"),
        ("temperature", "0"),
        ("timestamp_granularities[]", "word"),
        ("timestamp_granularities[]", "segment"),
    ]);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (
            &body["task"],
            &body["language"],
            &body["duration"],
            &body["text"]
        ),
        (
            &value!("transcribe"),
            &value!("en"),
            &value!(0.08),
            &expected["text"]
        )
    );
    let words: Vec<Value> = (expected["chunks"].as_array().unwrap().iter())
        .map(
            |chunk| value!({ "word": chunk["text"], "start": chunk["start"], "end": chunk["end"] }),
        )
        .collect();
    assert_eq!(body["words"], value!(words));
    assert_eq!(body["segments"][0]["text"], expected["text"]);

    let row = |header: (&'static str, &str), body: Vec<u8>, status, sentence| Refused {
        method: "POST",
        target: TARGET.to_owned(),
        headers: vec![(header.0, header.1.to_owned())],
        body,
        status,
        sentence,
    };
    let with = |fields: &[(&str, &str)]| form(&[&sound], fields);
    check_refused(vec![
        row(
            JSON,
            b"{}".to_vec(),
            415,
            "`Content-Type` is `application/json`, expected `multipart/form-data`",
        ),
        row(
            WAV,
            sound.clone(),
            415,
            "`Content-Type` is `audio/wav`, expected `multipart/form-data`",
        ),
        row(
            ("content-type", "multipart/form-data"),
            with(&[]),
            400,
            "`Content-Type` is `multipart/form-data`",
        ),
        row(
            FORM,
            form(&[], &[("model", "speech")]),
            400,
            "the multipart body has no sound",
        ),
        row(
            FORM,
            form(&[&sound, &sound], &[]),
            400,
            "the form has 2 files",
        ),
        row(
            FORM,
            with(&[("model", "other")]),
            404,
            "there is no model `other`",
        ),
        row(
            FORM,
            with(&[("model", "digits")]),
            400,
            "model `digits` recognizes no speech; expected `speech`",
        ),
        row(
            FORM,
            with(&[("response_format", "xml")]),
            400,
            "`response_format` is `xml`, expected `json`, `text`",
        ),
        row(
            FORM,
            with(&[("stream", "true")]),
            400,
            "`stream` is set, which is not supported",
        ),
        row(
            FORM,
            with(&[("timestamp_granularities[]", "word")]),
            400,
            "`timestamp_granularities[]` needs the `response_format` verbose_json",
        ),
        row(
            FORM,
            with(&[
                ("response_format", "verbose_json"),
                ("timestamp_granularities[]", "char"),
            ]),
            400,
            "`timestamp_granularities[]` is `char`, expected `word` or `segment`",
        ),
        row(
            FORM,
            with(&[("voice", "alloy")]),
            400,
            "the field `voice` of the multipart body is a text",
        ),
        row(
            FORM,
            form(&[b"Any text."], &[]),
            415,
            "the format of the sound is unknown",
        ),
        row(
            FORM,
            form(&[&wav(16_000, 1, 0)], &[]),
            400,
            "the sound has no samples",
        ),
        row(
            FORM,
            form(&[&flac(3600 * 16_000)], &[]),
            413,
            "the sound lasts at least 3600.0 s",
        ),
    ]);
}
