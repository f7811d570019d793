//! Encoded sounds to samples.

use std::io::{Cursor, ErrorKind, Read};
use std::ops::RangeInclusive;

use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_FLAC, CODEC_ID_VORBIS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadOnlySource};
use symphonia::default::codecs::{FlacDecoder, MpaDecoder, PcmDecoder, VorbisDecoder};
use symphonia::default::formats::{FlacReader, MpaReader, OggReader, WavReader};

use crate::{AudioError, Format, format, mpeg, ogg, wav};

/// The sample rates in Hz that are decoded and resampled.
pub const RATES_HZ: RangeInclusive<u32> = 100..=768_000;

/// The largest number of channels that is decoded.
pub const MAX_CHANNELS: usize = 32;

/// A sound with one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// The sample rate in Hz, within [`RATES_HZ`].
    pub rate_hz: u32,
    /// The samples, finite and mostly within -1 to 1: a file of floats may exceed that range.
    pub samples: Vec<f32>,
}

/// Limits of a decoded sound, which apply while it is decoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The maximum duration in seconds.
    pub max_seconds: f64,
    /// The maximum number of samples in all channels together, which bounds the time that decoding takes. The decoded
    /// sound has four bytes for each of them, divided by the number of channels.
    pub max_samples: usize,
}

/// Decodes a sound in a format that [`sniff`](crate::sniff) recognizes.
///
/// Samples are scaled as libsndfile scales them: integers of N bits are divided by 2^(N-1), and floats stay as they are.
/// Channels are averaged to one, each with the same weight, as `librosa.load` does. `ffmpeg -ac 1`, which transformers
/// runs, gives the same for one and two channels; it weights the channels of a surround sound by their position.
/// The delay and the padding of an encoder are removed where the file declares them.
///
/// A broken frame of an MP3 is skipped, as every player does: files that were cut begin with one, because frames refer to
/// earlier ones. In any other format it is an error.
///
/// # Errors
///
/// [`AudioError`] if the format is unknown or not supported, the file is damaged, or a limit is exceeded. A duration
/// that the file declares is checked before anything is decoded.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Sound, AudioError> {
    let Some(format) = format::sniff(bytes) else {
        return Err(match format::sniff_unsupported(bytes) {
            Some(format) => AudioError::UnsupportedFormat { format },
            None => AudioError::UnknownFormat,
        });
    };
    let fail = |error| failure(format, error);
    let mut reader = open(format, bytes)?;
    let track = reader
        .default_track(TrackType::Audio)
        .ok_or_else(|| damaged(format, "it has no audio track"))?;
    let Some(CodecParameters::Audio(parameters)) = &track.codec_params else {
        return Err(damaged(format, "it does not say how its audio is encoded"));
    };
    let (id, frames) = (track.id, track.num_frames);
    let mut output = Output::new(format, limits);
    if let (Some(rate_hz), Some(channels)) = (parameters.sample_rate, &parameters.channels) {
        output.check(rate_hz, channels.count(), frames.unwrap_or(0))?;
    }
    let mut decoder = decoder(format, parameters).map_err(fail)?;
    loop {
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            // What follows the last whole frame. Whether samples are missing is checked below.
            Err(Error::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(fail(error)),
        };
        if packet.track_id != id {
            continue;
        }
        match decoder.decode(&packet) {
            Ok(decoded) => output.append(decoded)?,
            Err(Error::DecodeError(_) | Error::IoError(_)) if format == Format::Mp3 => {}
            Err(error) => return Err(fail(error)),
        }
    }
    output.finish(frames)
}

/// The demultiplexer, which has read the file's header.
fn open<'a>(format: Format, bytes: &'a [u8]) -> Result<Box<dyn FormatReader + 'a>, AudioError> {
    let (bytes, source): (_, Box<dyn MediaSource + 'a>) = match format {
        Format::Wav => match wav::header(bytes)? {
            header if header.is_empty() => (bytes, Box::new(Cursor::new(bytes))),
            header => {
                let rest = &bytes[header.len()..];
                (
                    bytes,
                    Box::new(ReadOnlySource::new(Cursor::new(header).chain(rest))),
                )
            }
        },
        Format::Ogg => {
            let bytes = ogg::pages(bytes)?;
            (bytes, Box::new(Cursor::new(bytes)))
        }
        Format::Flac | Format::Mp3 => {
            let bytes = mpeg::skip_id3(bytes);
            (bytes, Box::new(Cursor::new(bytes)))
        }
    };
    if bytes.is_empty() {
        return Err(damaged(format, "it ends within its ID3 tag"));
    }
    let stream = MediaSourceStream::new(source, Default::default());
    let options = FormatOptions::default();
    let reader: Result<Box<dyn FormatReader + 'a>, Error> = match format {
        Format::Wav => WavReader::try_new(stream, options).map(|it| Box::new(it) as _),
        Format::Flac => FlacReader::try_new(stream, options).map(|it| Box::new(it) as _),
        Format::Mp3 => MpaReader::try_new(stream, options).map(|it| Box::new(it) as _),
        Format::Ogg => OggReader::try_new(stream, options).map(|it| Box::new(it) as _),
    };
    reader.map_err(|error| failure(format, error))
}

fn decoder(
    format: Format,
    parameters: &AudioCodecParameters,
) -> Result<Box<dyn AudioDecoder>, Error> {
    let options = AudioDecoderOptions::default();
    Ok(match (format, parameters.codec) {
        (Format::Wav, _) => Box::new(PcmDecoder::try_new(parameters, &options)?),
        (Format::Flac, _) | (Format::Ogg, CODEC_ID_FLAC) => {
            Box::new(FlacDecoder::try_new(parameters, &options)?)
        }
        (Format::Mp3, _) => Box::new(MpaDecoder::try_new(parameters, &options)?),
        (Format::Ogg, CODEC_ID_VORBIS) => Box::new(VorbisDecoder::try_new(parameters, &options)?),
        (Format::Ogg, _) => return Err(Error::Unsupported("its codec is neither Vorbis nor FLAC")),
    })
}

fn damaged(format: Format, reason: &str) -> AudioError {
    AudioError::Damaged {
        format,
        reason: reason.to_owned(),
    }
}

fn failure(format: Format, error: Error) -> AudioError {
    match error {
        Error::Unsupported(feature) => AudioError::UnsupportedFeature {
            format,
            reason: feature.to_owned(),
        },
        Error::LimitError(limit) => AudioError::UnsupportedFeature {
            format,
            reason: format!("too large: {limit}"),
        },
        Error::ResetRequired => AudioError::UnsupportedFeature {
            format,
            reason: "it consists of several streams in a row".to_owned(),
        },
        Error::DecodeError(reason) => damaged(format, reason),
        Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            damaged(format, "it ends too early")
        }
        error => damaged(format, &error.to_string()),
    }
}

/// The samples decoded so far, within the limits.
struct Output<'a> {
    format: Format,
    limits: &'a Limits,
    rate_hz: Option<u32>,
    samples: Vec<f32>,
    /// Samples of all channels.
    decoded: u64,
    interleaved: Vec<f32>,
}

impl<'a> Output<'a> {
    fn new(format: Format, limits: &'a Limits) -> Self {
        Self {
            format,
            limits,
            rate_hz: None,
            samples: Vec::new(),
            decoded: 0,
            interleaved: Vec::new(),
        }
    }

    /// Checks what would be decoded after so many more frames, each a sample of every channel.
    fn check(&self, rate_hz: u32, channels: usize, frames: u64) -> Result<(), AudioError> {
        let Limits {
            max_seconds,
            max_samples,
        } = *self.limits;
        if !RATES_HZ.contains(&rate_hz) {
            return Err(AudioError::RateOutOfRange { rate_hz });
        }
        if channels > MAX_CHANNELS {
            return Err(AudioError::TooManyChannels { channels });
        }
        let total = frames.saturating_add(self.samples.len() as u64);
        let seconds = total as f64 / f64::from(rate_hz);
        if seconds > max_seconds {
            return Err(AudioError::TooLong {
                seconds,
                max_seconds,
            });
        }
        let samples = self
            .decoded
            .saturating_add(frames.saturating_mul(channels as u64));
        if samples > max_samples as u64 {
            return Err(AudioError::TooManySamples {
                samples,
                max_samples,
            });
        }
        Ok(())
    }

    fn append(&mut self, decoded: GenericAudioBufferRef<'_>) -> Result<(), AudioError> {
        let (rate_hz, channels, frames) = (
            decoded.spec().rate(),
            decoded.spec().channels().count(),
            decoded.frames(),
        );
        if channels == 0 || frames == 0 {
            return Ok(());
        }
        let first = *self.rate_hz.get_or_insert(rate_hz);
        if rate_hz != first {
            let reason = format!("its sample rate changes from {first} Hz to {rate_hz} Hz");
            return Err(AudioError::Damaged {
                format: self.format,
                reason,
            });
        }
        self.check(rate_hz, channels, frames as u64)?;
        decoded.copy_to_vec_interleaved(&mut self.interleaved);
        let mix = |frame: &[f32]| frame.iter().sum::<f32>() / channels as f32;
        let start = self.samples.len();
        match channels {
            1 => self.samples.extend_from_slice(&self.interleaved),
            _ => self
                .samples
                .extend(self.interleaved.chunks_exact(channels).map(mix)),
        }
        if let Some(index) = self.samples[start..]
            .iter()
            .position(|sample| !sample.is_finite())
        {
            let reason = format!("its sample {} is not a finite number", start + index);
            return Err(AudioError::Damaged {
                format: self.format,
                reason,
            });
        }
        self.decoded += frames as u64 * channels as u64;
        Ok(())
    }

    fn finish(self, declared: Option<u64>) -> Result<Sound, AudioError> {
        let decoded = self.samples.len() as u64;
        // The other formats only estimate it, or count the encoder's padding.
        if let (Format::Flac, Some(declared)) = (self.format, declared)
            && decoded < declared
        {
            let reason = format!("expected {declared} samples in each channel, got {decoded}");
            return Err(AudioError::Damaged {
                format: self.format,
                reason,
            });
        }
        match self.rate_hz {
            Some(rate_hz) if decoded > 0 => Ok(Sound {
                rate_hz,
                samples: self.samples,
            }),
            _ => Err(AudioError::NoSamples),
        }
    }
}
