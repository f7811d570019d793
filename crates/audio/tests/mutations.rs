//! Decoding of files that are truncated, or mutated by a seeded generator: nothing panics, and no sound exceeds the limits.
//!
//! The checksums of Ogg and FLAC would reject nearly every mutation before the decoders see it, so that some mutated files
//! get the right ones.

mod common;

use common::{Random, read, report};
use infer_audio::{AudioError, Limits, Sound, decode};

const LIMITS: Limits = Limits {
    max_seconds: 10.0,
    max_samples: 1 << 18,
};

const WAVS: &[&str] = &[
    "pcm8.wav",
    "pcm16.wav",
    "pcm16-stereo.wav",
    "pcm24.wav",
    "pcm32.wav",
    "float32.wav",
    "float64.wav",
    "alaw.wav",
    "mulaw.wav",
    "extensible24.wav",
];
const FLACS: &[&str] = &["mono.flac", "stereo24.flac", "streamed.flac"];
const OGGS: &[&str] = &["mono.ogg", "stereo.ogg", "flac.ogg"];
const OTHERS: &[&str] = &[
    "streamed.wav",
    "tagged-stereo.mp3",
    "vbr.mp3",
    "mpeg2.mp3",
    "mpeg25.mp3",
];

fn sound(name: &str) -> Vec<u8> {
    read(&format!("sounds/{name}"))
}

/// Check the properties that every decoded sound has, whatever the file.
fn check(name: &str, result: Result<Sound, AudioError>) {
    if let Ok(sound) = result {
        let seconds = sound.samples.len() as f64 / f64::from(sound.rate_hz);
        assert!(
            !sound.samples.is_empty() && sound.samples.iter().all(|sample| sample.is_finite()),
            "{name}"
        );
        assert!(
            seconds <= LIMITS.max_seconds && sound.samples.len() <= LIMITS.max_samples,
            "{name}: {seconds} s"
        );
    }
}

#[test]
fn truncated_files_are_errors_or_shorter() {
    for &name in [WAVS, FLACS, OGGS, OTHERS].concat().iter() {
        let bytes = sound(name);
        let whole = decode(&bytes, &LIMITS)
            .expect("the file is whole")
            .samples
            .len();
        let is_declared = WAVS.contains(&name) || ["mono.flac", "stereo24.flac"].contains(&name);
        for len in (0..bytes.len()).step_by(7) {
            let result = decode(&bytes[..len], &LIMITS);
            assert!(!(is_declared && result.is_ok()), "{name}, {len} bytes");
            assert!(
                result.as_ref().map_or(0, |sound| sound.samples.len()) <= whole,
                "{name}, {len} bytes"
            );
            check(name, result);
        }
    }
}

/// Changes up to nine bytes. Half of the changes are in the header, which matters most.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random, keeps_len: bool) {
    for _ in 0..=random.below(8) {
        let end = if random.below(2) == 0 {
            bytes.len()
        } else {
            bytes.len().min(128)
        };
        let at = random.below(end);
        match random.below(6) {
            0 => bytes[at] = 0,
            1 => bytes[at] = 0xff,
            2 => bytes[at] = random.next() as u8,
            3 if !keeps_len => bytes.truncate(at.max(64)),
            4 if !keeps_len => drop(bytes.splice(at..at, random.next().to_le_bytes())),
            _ => bytes[at] ^= 1 << random.below(8),
        }
    }
}

#[test]
fn mutated_files_do_not_panic() {
    let mut random = Random(1);
    for &name in [WAVS, FLACS, OGGS, OTHERS].concat().iter() {
        let original = sound(name);
        for _ in 0..400 {
            let mut bytes = original.clone();
            mutate(&mut bytes, &mut random, false);
            check(name, decode(&bytes, &LIMITS));
        }
    }
}

/// A checksum without reflection, and with an initial value of 0.
fn crc(bytes: &[u8], polynomial: u32, bits: u32) -> u32 {
    let top = 1 << (bits - 1);
    let step = |crc: u32| {
        if crc & top == 0 {
            crc << 1
        } else {
            crc << 1 ^ polynomial
        }
    };
    let mask = u32::MAX >> (32 - bits);
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << (bits - 8), |crc, _| step(crc)) & mask
    })
}

/// Writes the checksums of an Ogg file's pages (RFC 3533, section 6).
fn seal_ogg(bytes: &mut [u8]) {
    let mut start = 0;
    while bytes
        .get(start..)
        .is_some_and(|page| page.starts_with(b"OggS"))
    {
        let Some(&segments) = bytes.get(start + 26) else {
            return;
        };
        let table = start + 27;
        let Some(table) = bytes.get(table..table + usize::from(segments)) else {
            return;
        };
        let len = 27 + table.len() + table.iter().map(|&len| usize::from(len)).sum::<usize>();
        let Some(page) = bytes.get_mut(start..start + len) else {
            return;
        };
        page[22..26].fill(0);
        let sum = crc(page, 0x04c1_1db7, 32);
        page[22..26].copy_from_slice(&sum.to_le_bytes());
        start += len;
    }
}

#[test]
fn invalid_setup_headers_are_rejected() {
    let original = sound("mono.ogg");
    let signature = original
        .windows(7)
        .position(|bytes| bytes == b"\x05vorbis")
        .expect("a setup header");
    // The first codebook begins at the byte 8: a sync pattern, dimensions, entries, and the codeword lengths.
    let rows: [(usize, &[u8], &str); 10] = [
        (8, b"bcv", "has no codebook where one is expected"),
        (11, &[0, 0], "has a codebook of an invalid size"),
        (13, &[0, 0, 0], "has a codebook of an invalid size"),
        (11, &[255; 5], "has a codebook of an invalid size"),
        (13, &[255, 255, 255], "has a codebook of an invalid size"),
        // Ordered lengths from 32 on, of which none has an entry.
        (
            16,
            &[0x3f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            "has a codebook with an invalid codeword length",
        ),
        // Ordered lengths, the first of which has more entries than there are.
        (
            16,
            &[0xff; 12],
            "has a codebook with an invalid codeword length",
        ),
        // Four entries of 256 dimensions: the power of 2 has no place in 32 bits.
        (
            11,
            &[0, 1, 4, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            "has a codebook with an invalid number of dimensions",
        ),
        // 2^19 entries whose codewords have 19 bits.
        (
            11,
            &[1, 0, 0, 0, 8, 0x25, 0, 0, 0x02],
            "has codebooks that are too large",
        ),
        (7, &[255], "has no codebook where one is expected"),
    ];
    let mut failures = Vec::new();
    for (offset, replacement, reason) in rows {
        let mut bytes = original.clone();
        let start = signature + offset;
        bytes[start..start + replacement.len()].copy_from_slice(replacement);
        seal_ogg(&mut bytes);
        let expected = format!("the Ogg file is damaged: the Vorbis setup header {reason}");
        match decode(&bytes, &LIMITS) {
            Err(error) if error.to_string().starts_with(&expected) => {}
            got => failures.push(format!(
                "{replacement:?} at {offset}: expected `{expected}`, got {got:?}"
            )),
        }
    }
    report(&failures);
}

/// The frames of a FLAC file that is not damaged, each with the length of its header (RFC 9639, section 9).
fn flac_frames(bytes: &[u8]) -> Vec<(usize, usize, usize)> {
    let header_len = |at: usize| {
        let is_frame = bytes[at] == 0xff && bytes[at + 1] & 0xfe == 0xf8;
        (5..16).find(|&len| {
            is_frame
                && at + len < bytes.len()
                && crc(&bytes[at..at + len], 7, 8) == u32::from(bytes[at + len])
        })
    };
    let starts: Vec<(usize, usize)> = (42..bytes.len() - 1)
        .filter_map(|at| Some((at, header_len(at)?)))
        .collect();
    let mut frames = Vec::new();
    for (index, &(start, header)) in starts.iter().enumerate() {
        let ends = starts[index + 1..]
            .iter()
            .map(|next| next.0)
            .chain([bytes.len()]);
        let is_end = |&end: &usize| {
            end > start + header + 3
                && crc(&bytes[start..end - 2], 0x8005, 16)
                    == u32::from(u16::from_be_bytes([bytes[end - 2], bytes[end - 1]]))
        };
        frames.extend(
            ends.into_iter()
                .find(is_end)
                .map(|end| (start, header, end)),
        );
    }
    frames
}

fn seal_flac(bytes: &mut [u8], frames: &[(usize, usize, usize)]) {
    for &(start, header, end) in frames {
        bytes[start + header] = crc(&bytes[start..start + header], 7, 8) as u8;
        let sum = crc(&bytes[start..end - 2], 0x8005, 16) as u16;
        bytes[end - 2..end].copy_from_slice(&sum.to_be_bytes());
    }
}

#[test]
fn mutated_files_with_right_checksums_do_not_panic() {
    let mut random = Random(2);
    let mut decoded = 0;
    for &name in [FLACS, OGGS].concat().iter() {
        let original = sound(name);
        let frames = if FLACS.contains(&name) {
            flac_frames(&original)
        } else {
            Vec::new()
        };
        assert_eq!(frames.is_empty(), OGGS.contains(&name), "{name}");
        let mut sealed = original.clone();
        if frames.is_empty() {
            seal_ogg(&mut sealed)
        } else {
            seal_flac(&mut sealed, &frames)
        }
        assert!(
            sealed == original,
            "{name}: the file's own checksums are others"
        );
        for _ in 0..400 {
            let mut bytes = original.clone();
            mutate(&mut bytes, &mut random, true);
            if frames.is_empty() {
                seal_ogg(&mut bytes)
            } else {
                seal_flac(&mut bytes, &frames)
            }
            let result = decode(&bytes, &LIMITS);
            decoded += usize::from(result.is_ok());
            check(name, result);
        }
    }
    // Otherwise the decoders saw nothing.
    assert!(decoded > 200, "{decoded}");
}
