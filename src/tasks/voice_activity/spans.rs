//! From the probabilities of windows to the times of speech, as `get_speech_timestamps_from_probs` of `silero-vad` 6.2 does it.

use std::ops::Range;

/// The silence within long speech at which it is cut, in milliseconds.
const SILENCE_OF_A_CUT_MS: f64 = 98.0;

/// The settings of the search.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    /// The sample rate in Hz.
    pub rate_hz: f64,
    /// The samples of a window.
    pub window: f64,
    /// The samples of the sound.
    pub samples: f64,
    /// The probability from which speech begins.
    pub threshold: f32,
    /// The probability below which speech ends.
    pub neg_threshold: f32,
    /// In milliseconds.
    pub min_speech_ms: f64,
    /// In milliseconds.
    pub min_silence_ms: f64,
    /// In milliseconds.
    pub pad_ms: f64,
    /// In seconds; infinite for no limit.
    pub max_speech_s: f64,
}

impl Search {
    fn samples_of(&self, milliseconds: f64) -> f64 {
        self.rate_hz * milliseconds / 1000.0
    }

    /// The times of speech in samples, before and after it is extended on both sides.
    pub(super) fn spans(&self, probabilities: &[f32]) -> Vec<(Range<f64>, Range<f64>)> {
        let found = self.unpadded(probabilities);
        let padded = self.padded(found.clone());
        found.into_iter().zip(padded).collect()
    }

    fn unpadded(&self, probabilities: &[f32]) -> Vec<Range<f64>> {
        let max_speech =
            self.rate_hz * self.max_speech_s - self.window - 2.0 * self.samples_of(self.pad_ms);
        let min_speech = self.samples_of(self.min_speech_ms);
        let min_silence = self.samples_of(self.min_silence_ms);
        let mut spans: Vec<Range<f64>> = Vec::new();
        // The start of the current speech, and that of the silence which may end it.
        let mut start: Option<f64> = None;
        let mut silence: Option<f64> = None;
        // Silences within the current speech: their start and their length.
        let mut cuts: Vec<(f64, f64)> = Vec::new();
        for (index, probability) in probabilities.iter().enumerate() {
            let now = self.window * index as f64;
            let is_speech = *probability >= self.threshold;
            if is_speech && let Some(from) = silence.take() {
                let length = now - from;
                if length > self.samples_of(SILENCE_OF_A_CUT_MS) {
                    cuts.push((from, length));
                }
            }
            let Some(mut from) = start else {
                if is_speech {
                    start = Some(now);
                }
                continue;
            };
            if now - from > max_speech {
                let longest = cuts
                    .iter()
                    .copied()
                    .reduce(|longest, cut| if cut.1 > longest.1 { cut } else { longest });
                cuts.clear();
                silence = None;
                let Some((end, length)) = longest else {
                    spans.push(from..now);
                    start = None;
                    continue;
                };
                spans.push(from..end);
                from = end + length;
                start = Some(from);
            }
            if *probability < self.neg_threshold {
                let end = *silence.get_or_insert(now);
                if now - end >= min_silence {
                    if end - from > min_speech {
                        spans.push(from..end);
                    }
                    (start, silence) = (None, None);
                    cuts.clear();
                }
            }
        }
        if let Some(from) = start
            && self.samples - from > min_speech
        {
            spans.push(from..self.samples);
        }
        spans
    }

    fn padded(&self, mut spans: Vec<Range<f64>>) -> Vec<Range<f64>> {
        let pad = self.samples_of(self.pad_ms);
        if let Some(first) = spans.first_mut() {
            first.start = (first.start - pad).max(0.0).trunc();
        }
        for index in 0..spans.len() {
            let end = spans[index].end;
            let extended = (end + pad).min(self.samples).trunc();
            let Some(next) = spans.get_mut(index + 1) else {
                spans[index].end = extended;
                continue;
            };
            let silence = next.start - end;
            if silence < 2.0 * pad {
                let half = (silence / 2.0).floor();
                next.start = (next.start - half).max(0.0).trunc();
                spans[index].end = end + half;
            } else {
                next.start = (next.start - pad).max(0.0).trunc();
                spans[index].end = extended;
            }
        }
        spans
    }
}
