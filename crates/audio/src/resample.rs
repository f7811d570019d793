//! Sample rate conversion.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler};

use crate::{AudioError, RATES_HZ, Sound};

/// The length that the shorter side of a block should have, in samples. It is the number of the filter's lobes.
const BLOCK: u32 = 1024;

/// The maximum length of the longer side of a block in samples, which bounds the memory to a few tens of MB.
const MAX_BLOCK: u32 = 131_072;

/// The largest term of a ratio: a block is at least twice as long.
const MAX_TERM: u32 = MAX_BLOCK / 2;

/// Converts a sound to another sample rate. The same rate is no work.
///
/// N samples become ceil(N * to / from), without a delay: sample k is the sound at the time k / to. What is beyond the
/// start and the end counts as silence.
///
/// The filter is rubato's synchronous one, computed by FFT in f64: a sinc under a squared Blackman-Harris window. For the
/// usual pairs of rates it has at least 1024 lobes, so that the response is flat up to 97 % of the lower one of the two
/// Nyquist frequencies, and everything above that frequency is removed to within the precision of f32.
///
/// The ratio of the rates is exact if its terms are at most 65536, which holds for every pair of rates up to 65536 Hz and
/// for the usual ones above. Any other ratio is replaced by a near one with such terms, which is off by less than 16 ppm,
/// less than the clock of a usual sound card.
///
/// # Errors
///
/// [`AudioError::RateOutOfRange`] if either rate is outside [`RATES_HZ`].
pub fn resample(sound: Sound, rate_hz: u32) -> Result<Sound, AudioError> {
    let Sound {
        rate_hz: from,
        samples,
    } = sound;
    if let Some(rate_hz) = [from, rate_hz]
        .into_iter()
        .find(|rate_hz| !RATES_HZ.contains(rate_hz))
    {
        return Err(AudioError::RateOutOfRange { rate_hz });
    }
    if from == rate_hz || samples.is_empty() {
        return Ok(Sound { rate_hz, samples });
    }
    let len = (samples.len() as u64 * u64::from(rate_hz)).div_ceil(u64::from(from));
    let (from, to) = nearest_ratio(from, rate_hz);
    // A length beyond the address space fails to be allocated, as any other that is too large.
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    Ok(Sound {
        rate_hz,
        samples: convert(&samples, from, to, len),
    })
}

/// Resamples by an exact ratio, in blocks.
fn convert(samples: &[f32], from: u32, to: u32, len: usize) -> Vec<f32> {
    // The filter's delay, half a block, is a whole number of samples if the block is an even multiple of the ratio.
    let wanted = BLOCK.div_ceil(from.min(to)).next_multiple_of(2);
    let most = MAX_BLOCK / from.max(to) / 2 * 2;
    let block = wanted.min(most);
    let (block_in, block_out) = ((block * from) as usize, (block * to) as usize);
    let mut fft = Fft::<f64>::new(from as usize, to as usize, block_in, 1, FixedSync::Both)
        .expect("neither rate nor the block is zero");
    debug_assert_eq!(
        (fft.input_frames_next(), fft.output_frames_next()),
        (block_in, block_out)
    );

    let mut input = vec![0.0; block_in];
    let mut output = vec![0.0; block_out];
    let mut blocks = samples.chunks(block_in);
    let mut result = Vec::with_capacity(len);
    let mut delay = fft.output_delay();
    while result.len() < len {
        let known = blocks.next().unwrap_or_default();
        input.fill(0.0);
        input
            .iter_mut()
            .zip(known)
            .for_each(|(to, &from)| *to = f64::from(from));
        let read = SequentialSlice::new(&input, 1, block_in).expect("the slice has a block");
        let mut write =
            SequentialSlice::new_mut(&mut output, 1, block_out).expect("the slice has a block");
        fft.process_into_buffer(&read, &mut write, None)
            .expect("both slices have a block");
        let skipped = delay.min(block_out);
        delay -= skipped;
        result.extend(
            output[skipped..]
                .iter()
                .take(len - result.len())
                .map(|&sample| sample as f32),
        );
    }
    result
}

/// The ratio of two rates in lowest terms, or its last convergent whose terms are at most [`MAX_TERM`].
///
/// The next convergent has a larger term, so the relative error is less than 1 / (q * [`MAX_TERM`]), where q is the smaller
/// term.
fn nearest_ratio(from: u32, to: u32) -> (u32, u32) {
    let (mut a, mut b) = (u64::from(from), u64::from(to));
    let ((mut p, mut q), (mut next_p, mut next_q)) = ((0, 1), (1, 0));
    let limit = u64::from(MAX_TERM);
    while b > 0 {
        let whole = a / b;
        let convergent = (whole * next_p + p, whole * next_q + q);
        if convergent.0 > limit || convergent.1 > limit {
            break;
        }
        ((p, q), (next_p, next_q)) = ((next_p, next_q), convergent);
        (a, b) = (b, a % b);
    }
    (next_p as u32, next_q as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_exact_or_near() {
        for from in (100..=768_000)
            .step_by(997)
            .chain([44_100, 48_000, 767_999, 768_000])
        {
            for to in [
                8_000, 16_000, 22_050, 24_000, 44_100, 48_000, 65_537, 191_999,
            ] {
                let (p, q) = nearest_ratio(from, to);
                assert!(
                    p > 0 && q > 0 && p <= MAX_TERM && q <= MAX_TERM,
                    "{from} to {to}: {p}/{q}"
                );
                let error = (f64::from(p) * f64::from(to)) / (f64::from(q) * f64::from(from)) - 1.0;
                assert!(
                    error.abs() < 16e-6,
                    "{from} to {to}: {p}/{q} is off by {error}"
                );
                if from <= MAX_TERM && to <= MAX_TERM {
                    assert_eq!(
                        u64::from(p) * u64::from(to),
                        u64::from(q) * u64::from(from),
                        "{from} to {to}"
                    );
                }
            }
        }
    }
}
