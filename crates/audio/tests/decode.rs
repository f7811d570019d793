//! Decoding of the files in `sounds/`, of damaged ones, and the limits.

mod common;

use common::{difference, floats, read, report};
use infer_audio::{AudioError, Format, Limits, decode, sniff, sniff_unsupported};

const LIMITS: Limits = Limits {
    max_seconds: 60.0,
    max_samples: 1 << 22,
};

/// File, format, rate in Hz, and tolerance: that of integers is exact, lossy decoders round differently.
const SOUNDS: &[(&str, Format, u32, f32)] = &[
    ("pcm8.wav", Format::Wav, 8000, 0.0),
    ("pcm16.wav", Format::Wav, 16_000, 0.0),
    ("pcm16-stereo.wav", Format::Wav, 44_100, 0.0),
    ("pcm24.wav", Format::Wav, 8000, 0.0),
    ("pcm32.wav", Format::Wav, 8000, 0.0),
    ("float32.wav", Format::Wav, 8000, 0.0),
    ("float64.wav", Format::Wav, 8000, 0.0),
    ("alaw.wav", Format::Wav, 8000, 0.0),
    ("mulaw.wav", Format::Wav, 8000, 0.0),
    ("extensible24.wav", Format::Wav, 8000, 1e-7),
    ("streamed.wav", Format::Wav, 16_000, 0.0),
    ("mono.flac", Format::Flac, 16_000, 0.0),
    ("stereo24.flac", Format::Flac, 44_100, 0.0),
    ("streamed.flac", Format::Flac, 8000, 0.0),
    ("flac.ogg", Format::Ogg, 8000, 0.0),
    ("mono.ogg", Format::Ogg, 16_000, 1e-5),
    ("stereo.ogg", Format::Ogg, 44_100, 1e-5),
    ("tagged-stereo.mp3", Format::Mp3, 44_100, 1e-5),
    ("vbr.mp3", Format::Mp3, 22_050, 1e-5),
    ("mpeg2.mp3", Format::Mp3, 16_000, 1e-5),
    ("mpeg25.mp3", Format::Mp3, 8000, 1e-5),
];

fn sound(name: &str) -> Vec<u8> {
    read(&format!("sounds/{name}"))
}

#[test]
fn sounds_decode_as_by_other_decoders() {
    let mut failures = Vec::new();
    for &(name, format, rate_hz, tolerance) in SOUNDS {
        let bytes = sound(name);
        let expected = floats(&format!("sounds/{name}.f32"));
        let failure = match decode(&bytes, &LIMITS) {
            _ if sniff(&bytes) != Some(format) => Some(format!("is taken for {:?}", sniff(&bytes))),
            Ok(got) if got.rate_hz != rate_hz => {
                Some(format!("expected {rate_hz} Hz, got {} Hz", got.rate_hz))
            }
            Ok(got) => difference(&got.samples, &expected, tolerance),
            Err(error) => Some(error.to_string()),
        };
        failures.extend(failure.map(|failure| format!("{name}: {failure}")));
    }
    report(&failures);
}

/// A WAV file: the format's tag, its channels, its rate, the bits of a sample, and the samples.
fn wav(tag: u16, channels: u16, rate_hz: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let align = channels.wrapping_mul(bits / 8);
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16u32.to_le_bytes());
    bytes.extend([tag, channels].map(u16::to_le_bytes).as_flattened());
    bytes.extend(
        [rate_hz, rate_hz.wrapping_mul(align.into())]
            .map(u32::to_le_bytes)
            .as_flattened(),
    );
    bytes.extend([align, bits].map(u16::to_le_bytes).as_flattened());
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

fn with(mut bytes: Vec<u8>, offset: usize, replacement: &[u8]) -> Vec<u8> {
    bytes[offset..offset + replacement.len()].copy_from_slice(replacement);
    bytes
}

fn cut(bytes: &[u8], len: usize) -> Vec<u8> {
    bytes[..len].to_vec()
}

#[test]
fn what_is_no_sound_is_rejected() {
    let pcm = sound("pcm16.wav");
    let flac = sound("mono.flac");
    let mp3 = sound("vbr.mp3");
    let ogg = sound("mono.ogg");
    let floats = |values: &[f32]| {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let unknown =
        "the format of the sound is unknown, expected WAV, FLAC, MP3, or Ogg with Vorbis or FLAC";
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", vec![], unknown),
        ("a byte", vec![0xff], unknown),
        ("text", b"Hello, this is no sound at all.".to_vec(), unknown),
        ("JSON", br#"{"inputs": [0.1, 0.2]}"#.to_vec(), unknown),
        (
            "a PNG",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0".to_vec(),
            unknown,
        ),
        ("zeros", vec![0; 4096], unknown),
        ("ones", vec![0xff; 4096], unknown),
        (
            "a tensor",
            floats(
                &(0..999)
                    .map(|index| (index as f32).sin())
                    .collect::<Vec<f32>>(),
            ),
            unknown,
        ),
        ("a tensor of NaN", floats(&[f32::NAN; 999]), unknown),
        ("an MP3's first header", cut(&mp3, 4), unknown),
        ("an MP3's first frame", cut(&mp3, 200), unknown),
        (
            "a header of an MP3 in a tensor",
            with(vec![1; 4096], 0, &mp3[..4]),
            unknown,
        ),
        (
            "RIFF of another form",
            with(pcm.clone(), 8, b"AVI "),
            unknown,
        ),
        (
            "an image in the container of MP4",
            b"\0\0\0\x1cftypavif\0\0\0\0".to_vec(),
            unknown,
        ),
        (
            "an ID3 tag alone",
            b"ID3\x04\0\0\0\0\0\x02ab".to_vec(),
            "the MP3 file is damaged: it ends within its ID3 tag",
        ),
        (
            "an ID3 tag cut short",
            b"ID3\x04\0\0\x7f\x7f\x7f\x7fab".to_vec(),
            "the MP3 file is damaged: it ends within its ID3 tag",
        ),
        (
            "a WAV's header",
            cut(&pcm, 12),
            "the WAV file is damaged: it ends too early",
        ),
        (
            "a WAV without samples",
            cut(&pcm, 36),
            "the WAV file is damaged: it ends too early",
        ),
        (
            "a WAV cut short",
            cut(&pcm, 1000),
            "the WAV file is damaged: expected 1600 bytes of samples, got 956",
        ),
        (
            "a WAV of length 0",
            wav(1, 1, 8000, 16, &[]),
            "the sound has no samples",
        ),
        (
            "half a sample",
            wav(1, 1, 8000, 16, &[1]),
            "the sound has no samples",
        ),
        ("no channel", wav(1, 0, 8000, 16, &[1; 64]), "the WAV file"),
        (
            "33 channels",
            wav(1, 33, 8000, 16, &[0; 6600]),
            "the sound has 33 channels, expected at most 32",
        ),
        (
            "65535 channels",
            wav(1, 65535, 8000, 8, &[0; 65535]),
            "the sound has 65535 channels, expected at most 32",
        ),
        (
            "0 Hz",
            wav(1, 1, 0, 16, &[0; 64]),
            "the sample rate is 0 Hz, expected 100 Hz to 768000 Hz",
        ),
        (
            "99 Hz",
            wav(1, 1, 99, 16, &[0; 64]),
            "the sample rate is 99 Hz, expected 100 Hz to 768000 Hz",
        ),
        (
            "768001 Hz",
            wav(1, 1, 768_001, 16, &[0; 64]),
            "the sample rate is 768001 Hz, expected 100 Hz to 768000 Hz",
        ),
        (
            "12 bits in two bytes",
            wav(1, 1, 8000, 20, &[0; 64]),
            "the WAV file",
        ),
        (
            "floats of 16 bits",
            wav(3, 1, 8000, 16, &[0; 64]),
            "the WAV file",
        ),
        (
            "GSM",
            wav(0x31, 1, 8000, 16, &[0; 64]),
            "the WAV file cannot be decoded: ",
        ),
        (
            "MP3 in a WAV",
            wav(0x55, 1, 8000, 16, &[0; 64]),
            "the WAV file cannot be decoded: ",
        ),
        (
            "a NaN",
            wav(3, 1, 8000, 32, &floats(&[0.0, f32::NAN])),
            "the WAV file is damaged: its sample 1 is not a finite number",
        ),
        (
            "infinity",
            wav(3, 2, 8000, 32, &floats(&[0.0, f32::INFINITY])),
            "the WAV file is damaged: its sample 0 is not a finite number",
        ),
        (
            "a FLAC's signature",
            cut(&flac, 4),
            "the FLAC file is damaged: it ends too early",
        ),
        (
            "a FLAC's header",
            cut(&flac, 42),
            "the FLAC file is damaged: ",
        ),
        (
            "a FLAC cut short",
            cut(&flac, flac.len() - 1),
            "the FLAC file is damaged: expected 1920 samples in each channel, got ",
        ),
        (
            "a FLAC with a wrong bit",
            with(flac.clone(), 500, &[flac[500] ^ 4]),
            "the FLAC file is damaged: ",
        ),
        (
            "an Ogg with a wrong bit",
            with(ogg.clone(), 500, &[ogg[500] ^ 4]),
            "the Ogg file is damaged: the checksum of the page at byte 58 is wrong",
        ),
        (
            "an Ogg with something between its pages",
            [&ogg[..58], b"gap", &ogg[58..]].concat(),
            "the Ogg file is damaged: expected a page at byte 58",
        ),
        (
            "an Ogg without a page",
            [&ogg[..58], &ogg[ogg.len() - 100..]].concat(),
            "the Ogg file is damaged: expected a page at byte 58",
        ),
        (
            "two Oggs in a row",
            [ogg.as_slice(), &ogg].concat(),
            "the Ogg file cannot be decoded: expected one stream, got several",
        ),
        (
            "two Oggs at the same time",
            [&ogg[..58], &sound("stereo.ogg")].concat(),
            "the Ogg file cannot be decoded: expected one stream, got several",
        ),
        (
            "an Ogg's page",
            cut(&sound("mono.ogg"), 58),
            "the Ogg file is damaged: it ends too early",
        ),
    ];
    let failures =
        rows.into_iter()
            .filter_map(|(name, bytes, expected)| match decode(&bytes, &LIMITS) {
                Err(error) if error.to_string().starts_with(expected) => None,
                Err(error) => Some(format!("{name}: expected `{expected}`, got `{error}`")),
                Ok(sound) => Some(format!(
                    "{name}: expected `{expected}`, got {} samples",
                    sound.samples.len()
                )),
            });
    report(&failures.collect::<Vec<_>>());
}

#[test]
fn formats_that_are_not_decoded_are_named() {
    let rows = [
        ("opus.ogg", "Ogg with Opus"),
        ("speex.ogg", "Ogg with Speex"),
        ("adts.aac", "AAC"),
        ("aac.m4a", "MP4 or M4A"),
        ("opus.webm", "WebM or Matroska"),
        ("wmav2.wma", "WMA"),
        ("layer2.mp2", "MPEG audio of layer I or II"),
        ("pcm.aiff", "AIFF"),
        ("pcm.au", "AU"),
        ("pcm.caf", "CAF"),
        ("wavpack.wv", "WavPack"),
        ("rf64.wav", "WAV of the kind RF64, BW64 or RIFX"),
        ("silence.amr", "AMR"),
    ];
    let mut failures = Vec::new();
    for (name, format) in rows {
        let bytes = sound(&format!("rejected/{name}"));
        let got = decode(&bytes, &LIMITS);
        if sniff(&bytes).is_some()
            || sniff_unsupported(&bytes) != Some(format)
            || got != Err(AudioError::UnsupportedFormat { format })
        {
            failures.push(format!(
                "{name}: {:?}, {:?}, {got:?}",
                sniff(&bytes),
                sniff_unsupported(&bytes)
            ));
        }
    }
    let adpcm = decode(&sound("rejected/adpcm.wav"), &LIMITS);
    if !matches!(
        adpcm,
        Err(AudioError::UnsupportedFeature {
            format: Format::Wav,
            ..
        })
    ) {
        failures.push(format!("adpcm.wav: {adpcm:?}"));
    }
    report(&failures);
}

#[test]
fn limits_apply_before_and_while_a_sound_is_decoded() {
    let limits = |max_seconds, max_samples| Limits {
        max_seconds,
        max_samples,
    };
    // The number of samples is 36 bits of STREAMINFO; 2^36 - 1 samples at 16 kHz are 50 days.
    let flac = sound("mono.flac");
    let forged = with(flac.clone(), 21, &[flac[21] | 15, 255, 255, 255, 255]);
    let hour = sound("rejected/hour.flac");
    let (stereo, mp3, ogg) = (
        sound("pcm16-stereo.wav"),
        sound("vbr.mp3"),
        sound("mono.ogg"),
    );
    let too_long = |seconds, max_seconds| {
        Some(AudioError::TooLong {
            seconds,
            max_seconds,
        })
    };
    let too_many = |samples, max_samples| {
        Some(AudioError::TooManySamples {
            samples,
            max_samples,
        })
    };
    let rows: Vec<(&str, &[u8], Limits, Option<AudioError>)> = vec![
        ("0.12 s", &flac, limits(0.12, 1920), None),
        (
            "less than 0.12 s",
            &flac,
            limits(0.1199, 1920),
            too_long(0.12, 0.1199),
        ),
        (
            "a sample less",
            &flac,
            limits(1.0, 1919),
            too_many(1920, 1919),
        ),
        ("two channels", &stereo, limits(1.0, 2 * 882), None),
        (
            "a sample less of two channels",
            &stereo,
            limits(1.0, 2 * 882 - 1),
            too_many(2 * 882, 2 * 882 - 1),
        ),
        (
            "50 days that the header promises",
            &forged,
            limits(3600.0, usize::MAX),
            too_long(4_294_967.295_937_5, 3600.0),
        ),
        (
            "an hour without a length",
            &hour,
            limits(16.0, usize::MAX),
            too_long(2.0 * 65535.0 / 8000.0, 16.0),
        ),
        (
            "samples without a number",
            &hour,
            limits(7200.0, 100_000),
            too_many(131_070, 100_000),
        ),
        (
            "no seconds at all",
            &mp3,
            limits(0.0, usize::MAX),
            Some(AudioError::TooLong {
                seconds: f64::NAN,
                max_seconds: 0.0,
            }),
        ),
        (
            "no samples at all",
            &ogg,
            limits(60.0, 0),
            Some(AudioError::TooManySamples {
                samples: 0,
                max_samples: 0,
            }),
        ),
    ];
    let mut failures = Vec::new();
    for (name, bytes, limits, expected) in rows {
        let got = decode(bytes, &limits).err();
        let is_right = match (&got, &expected) {
            // How long lossy formats are is their business.
            (Some(AudioError::TooLong { .. }), Some(AudioError::TooLong { seconds, .. }))
                if seconds.is_nan() =>
            {
                true
            }
            (
                Some(AudioError::TooManySamples { .. }),
                Some(AudioError::TooManySamples { samples: 0, .. }),
            ) => true,
            _ => got == expected,
        };
        if !is_right {
            failures.push(format!("{name}: expected {expected:?}, got {got:?}"));
        }
    }
    report(&failures);
}

#[test]
fn media_types_name_formats() {
    let rows = [
        ("audio/wav", Some(Format::Wav)),
        ("Audio/X-WAV", Some(Format::Wav)),
        ("audio/wave", Some(Format::Wav)),
        ("audio/flac", Some(Format::Flac)),
        ("audio/x-flac", Some(Format::Flac)),
        ("audio/mpeg", Some(Format::Mp3)),
        ("audio/mp3", Some(Format::Mp3)),
        ("audio/ogg", Some(Format::Ogg)),
        ("application/ogg", Some(Format::Ogg)),
        ("audio/ogg; codecs=opus", None),
        ("audio/mp4", None),
        ("image/png", None),
        ("", None),
    ];
    for (media_type, format) in rows {
        assert_eq!(Format::from_media_type(media_type), format, "{media_type}");
    }
}
