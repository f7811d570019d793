//! The samples themselves as a model's input.

/// Input values as `Wav2Vec2FeatureExtractor` of transformers computes them from one sound.
///
/// With `normalize` (`do_normalize`), the samples get a mean of 0 and a variance of 1: `(x - mean) / sqrt(var + 1e-7)`, in
/// f32, with NumPy's pairwise sums. Without it, they stay as they are.
pub fn waveform(mut samples: Vec<f32>, normalize: bool) -> Vec<f32> {
    if !normalize || samples.is_empty() {
        return samples;
    }
    let len = samples.len() as f32;
    let mean = pairwise_sum(&samples, &|value| value) / len;
    let variance = pairwise_sum(&samples, &|value| (value - mean) * (value - mean)) / len;
    let deviation = (variance + 1e-7).sqrt();
    samples
        .iter_mut()
        .for_each(|value| *value = (*value - mean) / deviation);
    samples
}

/// The sum of a function of the values, in NumPy's order (`pairwise_sum` in `loops_utils.h.src`).
fn pairwise_sum(values: &[f32], of: &impl Fn(f32) -> f32) -> f32 {
    const LANES: usize = 8;
    const BLOCK: usize = 128;
    if values.len() > BLOCK {
        let half = values.len() / 2 / LANES * LANES;
        let (left, right) = values.split_at(half);
        return pairwise_sum(left, of) + pairwise_sum(right, of);
    }
    let mut rows = values.chunks_exact(LANES);
    let Some(first) = rows.next() else {
        // NumPy begins with -0.0, which makes no difference to what follows.
        return values.iter().fold(0.0, |sum, &value| sum + of(value));
    };
    let mut lanes = [0.0; LANES];
    lanes
        .iter_mut()
        .zip(first)
        .for_each(|(lane, &value)| *lane = of(value));
    for row in rows.by_ref() {
        lanes
            .iter_mut()
            .zip(row)
            .for_each(|(lane, &value)| *lane += of(value));
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    let sum = ((a + b) + (c + d)) + ((e + f) + (g + h));
    rows.remainder()
        .iter()
        .fold(sum, |sum, &value| sum + of(value))
}
