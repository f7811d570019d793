//! Features held against transformers' (`references/generate.py`).

mod common;

use common::{difference, floats, read, report};
use infer_audio::{Fbank, FeatureError, LogMel, Normalization, Window, fbank, log_mel, waveform};
use ndarray::{Array2, s};

fn speech() -> Vec<f32> {
    read("references/speech.i16")
        .as_chunks()
        .0
        .iter()
        .map(|&value| f32::from(i16::from_le_bytes(value)) / 32768.0)
        .collect()
}

fn reference(name: &str) -> Vec<f32> {
    floats(&format!("references/{name}.f32"))
}

fn values(features: &Array2<f32>) -> Vec<f32> {
    features.iter().copied().collect()
}

#[test]
fn waveforms_are_normalized_as_by_numpy() {
    let speech = speech();
    let mut failures = Vec::new();
    for len in [5, 1003, 9000] {
        let got = waveform(speech[..len].to_vec(), true);
        let end = &got[len.saturating_sub(2500)..];
        // The order of the sums is NumPy's, so there is no difference at all.
        failures.extend(
            difference(end, &reference(&format!("waveform-{len}")), 0.0)
                .map(|it| format!("{len}: {it}")),
        );
    }
    report(&failures);
}

#[test]
fn waveforms_without_normalization_or_variance() {
    let samples = vec![0.5, -0.25, 0.125];
    assert_eq!(waveform(samples.clone(), false), samples);
    assert_eq!(waveform(vec![0.75; 300], true), [0.0; 300]);
    assert_eq!(waveform(vec![], true), []);
}

#[test]
fn log_mel_spectrograms_are_those_of_whisper() {
    let whisper = LogMel::default();
    let second = LogMel {
        chunk_length: 1,
        ..whisper
    };
    let rows = [
        ("default", 9000, whisper, [80, 3000]),
        (
            "mels128",
            3000,
            LogMel {
                feature_size: 128,
                ..second
            },
            [128, 100],
        ),
        (
            "cut",
            9000,
            LogMel {
                feature_size: 20,
                sampling_rate: 8000,
                n_fft: 256,
                hop_length: 100,
                ..second
            },
            [20, 80],
        ),
        (
            "odd",
            7000,
            LogMel {
                feature_size: 12,
                n_fft: 275,
                hop_length: 300,
                ..second
            },
            [12, 53],
        ),
        (
            "silence",
            0,
            LogMel {
                feature_size: 4,
                ..second
            },
            [4, 100],
        ),
    ];
    let speech = speech();
    let mut failures = Vec::new();
    for (name, len, settings, shape) in rows {
        let expected = reference(&format!("log-mel-{name}"));
        let failure = match log_mel(&speech[..len], &settings) {
            Ok(got) if got.shape() != shape => Some(format!(
                "expected the shape {shape:?}, got {:?}",
                got.shape()
            )),
            Ok(got) => {
                // Frames that the reference leaves out have the value of silence.
                let (start, rest) = got
                    .view()
                    .split_at(ndarray::Axis(1), expected.len() / shape[0]);
                let silence = *got.last().expect("there are frames");
                difference(&values(&start.to_owned()), &expected, 2e-6).or_else(|| {
                    rest.iter()
                        .any(|&value| value != silence)
                        .then(|| "the rest is not silent".to_owned())
                })
            }
            Err(error) => Some(error.to_string()),
        };
        failures.extend(failure.map(|failure| format!("{name}: {failure}")));
    }
    report(&failures);
}

#[test]
fn filter_banks_are_those_of_the_audio_spectrogram_transformer() {
    let ast = Fbank::default();
    let rows = [
        (
            "padded",
            6000,
            Fbank {
                max_length: Some(40),
                ..ast.clone()
            },
            [40, 128],
        ),
        (
            "cut",
            9000,
            Fbank {
                max_length: Some(9),
                num_mel_bins: 40,
                ..ast.clone()
            },
            [9, 40],
        ),
        (
            "raw",
            3000,
            Fbank {
                max_length: Some(20),
                num_mel_bins: 24,
                normalization: None,
                ..ast.clone()
            },
            [20, 24],
        ),
        (
            "rate",
            4000,
            Fbank {
                max_length: Some(24),
                num_mel_bins: 64,
                sampling_rate: 11_025,
                normalization: Some(Normalization {
                    mean: -5.5,
                    std: 3.25,
                }),
                ..ast.clone()
            },
            [24, 64],
        ),
        (
            "speech2text",
            4000,
            Fbank {
                num_mel_bins: 80,
                max_length: None,
                normalization: None,
                window: Window::Povey,
                scale: 32768.0,
                ..ast
            },
            [23, 80],
        ),
    ];
    let speech = speech();
    let mut failures = Vec::new();
    for (name, len, settings, shape) in rows {
        let failure = match fbank(&speech[..len], &settings) {
            Ok(got) if got.shape() != shape => Some(format!(
                "expected the shape {shape:?}, got {:?}",
                got.shape()
            )),
            Ok(got) => difference(&values(&got), &reference(&format!("fbank-{name}")), 2e-6),
            Err(error) => Some(error.to_string()),
        };
        failures.extend(failure.map(|failure| format!("{name}: {failure}")));
    }
    report(&failures);
}

#[test]
fn padding_of_a_filter_bank_is_a_normalized_zero() {
    let features = fbank(&speech()[..400], &Fbank::default()).expect("one frame");
    assert_eq!(features.shape(), [1024, 128]);
    let padding = 4.267_739_3 / (4.568_997_4 * 2.0);
    assert!(
        features
            .slice(s![1.., ..])
            .iter()
            .all(|&value| value == padding)
    );
    assert!(
        features
            .slice(s![0, ..])
            .iter()
            .all(|&value| value != padding)
    );
}

#[test]
fn settings_out_of_range_are_rejected() {
    let whisper = LogMel::default();
    let ast = Fbank::default();
    let normalized = |mean, std| Fbank {
        normalization: Some(Normalization { mean, std }),
        ..ast.clone()
    };
    let mels = [
        (
            "feature_size",
            LogMel {
                feature_size: 0,
                ..whisper
            },
        ),
        (
            "feature_size",
            LogMel {
                feature_size: 1025,
                ..whisper
            },
        ),
        (
            "hop_length",
            LogMel {
                hop_length: 0,
                ..whisper
            },
        ),
        (
            "hop_length",
            LogMel {
                hop_length: 480_001,
                ..whisper
            },
        ),
        (
            "n_fft",
            LogMel {
                n_fft: 0,
                ..whisper
            },
        ),
        (
            "n_fft",
            LogMel {
                n_fft: 1,
                ..whisper
            },
        ),
        (
            "n_fft",
            LogMel {
                n_fft: 65_537,
                ..whisper
            },
        ),
        (
            "chunk_length",
            LogMel {
                chunk_length: u32::MAX,
                ..whisper
            },
        ),
        (
            "chunk_length",
            LogMel {
                chunk_length: 1,
                sampling_rate: 300,
                ..whisper
            },
        ),
        (
            "hop_length",
            LogMel {
                chunk_length: 0,
                ..whisper
            },
        ),
        (
            "hop_length",
            LogMel {
                sampling_rate: 0,
                ..whisper
            },
        ),
    ];
    let banks = [
        (
            "sampling_rate",
            Fbank {
                sampling_rate: 0,
                ..ast.clone()
            },
        ),
        (
            "num_mel_bins",
            Fbank {
                num_mel_bins: 0,
                ..ast.clone()
            },
        ),
        (
            "num_mel_bins",
            Fbank {
                num_mel_bins: 1025,
                ..ast.clone()
            },
        ),
        (
            "max_length",
            Fbank {
                max_length: Some(0),
                ..ast.clone()
            },
        ),
        (
            "max_length",
            Fbank {
                max_length: Some(usize::MAX),
                ..ast.clone()
            },
        ),
        ("mean", normalized(f32::NAN, 1.0)),
        ("std", normalized(0.0, 0.0)),
        ("std", normalized(0.0, -1.0)),
        ("std", normalized(0.0, f32::NAN)),
    ];
    let mels = mels.map(|(name, settings)| {
        (
            name,
            format!("{settings:?}"),
            log_mel(&[0.0; 999], &settings),
        )
    });
    let banks = banks
        .map(|(name, settings)| (name, format!("{settings:?}"), fbank(&[0.0; 999], &settings)));
    let failures =
        mels.into_iter()
            .chain(banks)
            .filter_map(|(expected, settings, got)| match got {
                Err(FeatureError::Setting { name, .. }) if name == expected => None,
                got => Some(format!(
                    "{settings}: expected an error for `{expected}`, got {got:?}"
                )),
            });
    report(&failures.collect::<Vec<_>>());
}

#[test]
fn sounds_shorter_than_a_frame_are_rejected() {
    for len in [0, 1, 399] {
        let got = fbank(&vec![0.0; len], &Fbank::default());
        assert_eq!(got, Err(FeatureError::TooShort { len, min: 400 }));
    }
}
