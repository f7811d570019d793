//! Holding prepared images against references.

use infer_model_card::ImageSpec;
use infer_tensor::Datatype;

fn floats(bytes: &[u8]) -> Vec<f64> {
    let (floats, _) = bytes.as_chunks::<4>();
    floats
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes).into())
        .collect()
}

/// How an image as it is prepared here differs from the reference, channels first, if it does by more than
/// 2 of the 256 steps that a pixel has, or by more than a tenth of one on average.
pub fn differences(name: &str, image: &[u8], spec: &ImageSpec, expected: &[u8]) -> Option<String> {
    let prepared = infer::input::image::to_tensor(image, spec, Datatype::Fp32, u64::MAX).unwrap();
    let actual = floats(&prepared.bytes);
    let expected = floats(expected);
    if actual.len() != expected.len() {
        return Some(format!(
            "{name}: {} values, expected {}",
            actual.len(),
            expected.len()
        ));
    }
    let plane = (spec.height * spec.width) as usize;
    let differences: Vec<f64> = actual
        .iter()
        .zip(&expected)
        .enumerate()
        .map(|(index, (actual, expected))| {
            // Before it is normalized.
            let std = spec.std.get(index / plane).unwrap_or(&spec.std[0]);
            (actual - expected).abs() * f64::from(*std) / f64::from(spec.scale)
        })
        .collect();
    let largest = differences.iter().copied().fold(0.0, f64::max);
    let mean = differences.iter().sum::<f64>() / differences.len() as f64;
    // The mean of a NaN is NaN, which `largest` ignores.
    let is_close = largest <= 2.0 && mean <= 0.1;
    (!is_close).then(|| format!("{name}: largest {largest:.3}, mean {mean:.4}"))
}
