//! Turns an encoded sound into a model's input tensor, and a model's logits into text.
//!
//! 1. [`sniff`] recognizes the format, and [`decode`] gives samples of one channel.
//! 2. [`resample`] converts them to the model's sample rate.
//! 3. [`waveform`], [`log_mel`] and [`fbank`] compute what the feature extractors of transformers compute.
//! 4. [`ctc`] decodes the output of a model that was trained with connectionist temporal classification.
//!
//! Everything is pure Rust and compiles for `wasm32-wasip2`. The features follow the NumPy code of transformers 5.24, with
//! the same precision at each step, and are tested against it.

mod ctc;
mod decode;
mod error;
mod fbank;
mod format;
mod log_mel;
mod mel;
mod mpeg;
mod ogg;
mod resample;
mod spectrum;
mod vorbis;
mod wav;
mod waveform;

pub use ctc::{Ctc, CtcError, Span, Transcription, ctc};
pub use decode::{Limits, MAX_CHANNELS, RATES_HZ, Sound, decode};
pub use error::AudioError;
pub use fbank::{Fbank, Normalization, Window, fbank};
pub use format::{Format, sniff, sniff_unsupported};
pub use log_mel::{LogMel, log_mel};
pub use resample::resample;
pub use spectrum::FeatureError;
pub use waveform::waveform;
