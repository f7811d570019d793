//! Compares the vectorized functions with the same functions in f64.

use infer_kernels::functions;

/// Values of all magnitudes and both signs, and special values.
fn values() -> Vec<f32> {
    let mut values = vec![
        0.0,
        -0.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        f32::MAX,
        f32::MIN,
        f32::MIN_POSITIVE,
        1e-40,
        88.7,
        88.8,
        -87.4,
        -103.0,
        -104.5,
    ];
    values.extend((-4000..4000).map(|at| at as f32 * 0.025));
    values.extend((-4000..4000).map(|at| at as f32 * 0.001));
    values.extend((-120..20).flat_map(|at| [2f32.powi(at), -(2f32.powi(at))]));
    values
}

/// The error of an f32 in units in the last place.
fn ulps(actual: f32, expected: f64) -> f64 {
    let nearest = expected as f32;
    if actual.is_nan() || nearest.is_nan() || actual.is_infinite() || nearest.is_infinite() {
        return match actual.to_bits() == nearest.to_bits() || actual.is_nan() && nearest.is_nan() {
            true => 0.0,
            false => f64::INFINITY,
        };
    }
    let size = (nearest.abs().max(f32::MIN_POSITIVE)).to_bits();
    let unit = f64::from(f32::from_bits(size + 1)) - f64::from(f32::from_bits(size));
    (f64::from(actual) - expected).abs() / unit
}

fn erf(x: f64) -> f64 {
    // The series near zero, and the complement's continued fraction elsewhere (Abramowitz and Stegun, 7.1.6 and 7.1.14).
    if x.abs() < 2.5 {
        let mut term = x;
        let mut sum = x;
        for n in 1..200 {
            term *= 2.0 * x * x / f64::from(2 * n + 1);
            sum += term;
        }
        2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp() * sum
    } else if x.abs() > 30.0 {
        x.signum()
    } else {
        let mut below = x.abs();
        for n in (1..200).rev() {
            below = x.abs() + f64::from(n) / 2.0 / below;
        }
        x.signum() * (1.0 - (-x * x).exp() / std::f64::consts::PI.sqrt() / below)
    }
}

#[test]
fn functions_match_f64() {
    type Row = (&'static str, fn(&mut [f32]), fn(f64) -> f64, f64);
    let rows: [Row; 6] = [
        ("exp", functions::exp, f64::exp, 2.0),
        ("erf", functions::erf, erf, 3.0),
        ("tanh", functions::tanh, f64::tanh, 4.0),
        (
            "sigmoid",
            functions::sigmoid,
            |x| 1.0 / (1.0 + (-x).exp()),
            4.0,
        ),
        (
            "swish",
            |values| functions::swish(values, 1.702),
            |x| x / (1.0 + (-f64::from(1.702f32) * x).exp()),
            250.0,
        ),
        (
            "gelu",
            functions::gelu,
            |x| x * 0.5 * (1.0 + erf(x / 2f64.sqrt())),
            f64::INFINITY,
        ),
    ];
    let mut wrong = Vec::new();
    for (name, function, expected, most) in rows {
        let inputs = values();
        for (skipped, count) in [(0, inputs.len()), (1, 3), (14, 5), (4, 1), (0, 0)] {
            let inputs = &inputs[skipped..skipped + count];
            let mut outputs = inputs.to_vec();
            function(&mut outputs);
            for (input, output) in inputs.iter().zip(&outputs) {
                let expected = expected(f64::from(*input));
                let error = ulps(*output, expected);
                // The difference of almost equal numbers has few digits left.
                let is_close = (f64::from(*output) - expected).abs() < 1e-6;
                if error > most && !(is_close && name != "exp" && name != "tanh") {
                    wrong.push(format!(
                        "{name}({input:e}) is {output:e}, expected {expected:e}, off by {error:.1} ulp"
                    ));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn softmax_matches_f64() {
    let long: Vec<f32> = (0..1001)
        .map(|at| (at as f32 * 0.37).sin() * 30.0)
        .collect();
    let rows: [&[f32]; 8] = [
        &[],
        &[3.0],
        &[1000.0, 1000.0, 999.0],
        &[-1e30, 0.0, 1.0, 2.0, 3.0],
        &[f32::NEG_INFINITY, 1.0],
        &[f32::MIN, f32::MIN, f32::MIN, f32::MIN, f32::MIN],
        &[0.5; 17],
        &long,
    ];
    for row in rows {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<f64> = row
            .iter()
            .map(|&x| (f64::from(x) - f64::from(largest)).exp())
            .collect();
        let sum: f64 = powers.iter().sum();
        let mut actual = row.to_vec();
        functions::softmax(&mut actual);
        for (actual, power) in actual.iter().zip(powers) {
            let expected = power / sum;
            // The difference to the largest value is rounded, and the exponential amplifies that error.
            assert!(
                (f64::from(*actual) - expected).abs() <= 5e-6 * expected + 1e-30,
                "{actual} and {expected} of {row:?}"
            );
        }
    }
    let mut row = [1.0, f32::NAN, 2.0, 3.0, 4.0];
    functions::softmax(&mut row);
    assert!(row.iter().all(|x| x.is_nan()), "{row:?}");
}

#[test]
fn layer_norm_matches_f64() {
    for (count, offset) in [(1, 0.0), (3, 0.0), (16, 1000.0), (385, -3.0)] {
        let row: Vec<f32> = (0..count)
            .map(|at| (at as f32 * 0.7).sin() + offset)
            .collect();
        let scale: Vec<f32> = (0..count).map(|at| 1.0 + at as f32 * 0.01).collect();
        let bias: Vec<f32> = (0..count).map(|at| at as f32 * -0.1).collect();
        let sizes = row.iter().map(|&x| f64::from(x));
        let mean = sizes.clone().sum::<f64>() / f64::from(count);
        let variance = sizes.map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(count);
        for bias in [None, Some(bias.as_slice())] {
            let mut actual = row.clone();
            let (given, _) = functions::layer_norm(&mut actual, 1e-5, &scale, bias);
            assert!((f64::from(given) - mean).abs() < 1e-4, "{given} and {mean}");
            for (at, actual) in actual.iter().enumerate() {
                let difference = f64::from(row[at]) - mean;
                let expected = difference / (variance + 1e-5).sqrt() * f64::from(scale[at])
                    + bias.map_or(0.0, |bias| f64::from(bias[at]));
                assert!(
                    (f64::from(*actual) - expected).abs() < 1e-3,
                    "{at} of {count}: {actual} and {expected}"
                );
            }
        }
    }
}
