//! The error of decoding and resampling.

use crate::Format;

/// Why a sound cannot be decoded or resampled. The messages are meant for the client that sent the sound.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AudioError {
    /// Neither a supported format nor one that is recognized.
    #[error("the format of the sound is unknown, expected {}", Format::LIST)]
    UnknownFormat,

    /// A format that is recognized and not decoded.
    #[error(
        "the sound is {format}, which is not supported, expected {}",
        Format::LIST
    )]
    UnsupportedFormat {
        /// The format, such as `AAC`.
        format: &'static str,
    },

    /// A supported format with a codec or a feature that is not supported.
    #[error("the {format} file cannot be decoded: {reason}")]
    UnsupportedFeature {
        /// The format of the file.
        format: Format,
        /// The unsupported feature, in words.
        reason: String,
    },

    /// A file that is truncated or otherwise malformed.
    #[error("the {format} file is damaged: {reason}")]
    Damaged {
        /// The format of the file.
        format: Format,
        /// The problem, in words.
        reason: String,
    },

    /// A sound of length zero.
    #[error("the sound has no samples")]
    NoSamples,

    /// A sound longer than [`Limits::max_seconds`](crate::Limits::max_seconds).
    #[error("the sound lasts at least {seconds:.1} s, expected at most {max_seconds} s")]
    TooLong {
        /// The duration in seconds that the file declares, or that was decoded when the limit was exceeded.
        seconds: f64,
        /// The limit in seconds.
        max_seconds: f64,
    },

    /// A sound with more samples than [`Limits::max_samples`](crate::Limits::max_samples).
    #[error(
        "the sound has at least {samples} samples in all channels together, expected at most {max_samples}"
    )]
    TooManySamples {
        /// The number of samples that the file declares, or that were decoded when the limit was exceeded.
        samples: u64,
        /// The limit.
        max_samples: usize,
    },

    /// A sample rate outside [`RATES_HZ`](crate::RATES_HZ).
    #[error("the sample rate is {rate_hz} Hz, expected {} Hz to {} Hz", crate::RATES_HZ.start(), crate::RATES_HZ.end())]
    RateOutOfRange {
        /// The sample rate in Hz.
        rate_hz: u32,
    },

    /// More channels than [`MAX_CHANNELS`](crate::MAX_CHANNELS).
    #[error(
        "the sound has {channels} channels, expected at most {}",
        crate::MAX_CHANNELS
    )]
    TooManyChannels {
        /// The number of channels.
        channels: usize,
    },
}
