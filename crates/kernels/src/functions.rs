//! Elementwise functions and row normalizations, four values at a time.
//!
//! Results are within a few units in the last place of the standard library's; NaN stays NaN.

use crate::lanes::{LANES, Lanes};

/// Apply a function to a slice, four values at a time. The remainder is padded with zeros.
fn each(values: &mut [f32], function: impl Fn(Lanes) -> Lanes) {
    let (fours, rest) = values.as_chunks_mut();
    for four in fours {
        function(Lanes::load(four)).store(four);
    }
    if !rest.is_empty() {
        let mut four = [0.0; LANES];
        four[..rest.len()].copy_from_slice(rest);
        let results = function(Lanes::load(&four)).values();
        rest.copy_from_slice(&results[..rest.len()]);
    }
}

/// Evaluate a polynomial. The coefficients start with that of the highest power.
#[inline(always)]
pub(crate) fn polynomial<const N: usize>(x: Lanes, coefficients: [f32; N]) -> Lanes {
    let mut sum = Lanes::splat(coefficients[0]);
    for coefficient in &coefficients[1..] {
        sum = sum.mul_add(x, Lanes::splat(*coefficient));
    }
    sum
}

/// `e^x`, by range reduction to half a power of two around zero and Cephes' polynomial (Moshier, `expf`).
#[inline(always)]
fn exp_of(x: Lanes) -> Lanes {
    // Outside these limits the result is zero or infinity.
    let x = x.clamp(Lanes::splat(-105.0), Lanes::splat(89.0));
    let power = (x * Lanes::splat(std::f32::consts::LOG2_E)).nearest();
    // Subtract `power * ln(2)` in two parts. The first part has so few digits that its product is exact.
    let x = power.mul_add(Lanes::splat(-0.693_359_4), x);
    let x = power.mul_add(Lanes::splat(2.121_944_4e-4), x);
    let sum = polynomial(
        x,
        [
            1.987_569_1e-4,
            1.398_199_9e-3,
            8.333_452e-3,
            4.166_579_6e-2,
            1.666_666_5e-1,
            5e-1,
        ],
    );
    sum.mul_add(x * x, x + Lanes::splat(1.0)).scaled(power)
}

/// The error function, by two polynomials of N. Juffa's: one for the function near zero, one for the logarithm of its
/// complement elsewhere.
#[inline(always)]
fn erf_of(x: Lanes) -> Lanes {
    let (size, square) = (x.abs(), x * x);
    let near = polynomial(
        square,
        [
            -5.967_617e-4,
            4.991_194e-3,
            -2.676_813_5e-2,
            1.128_199_25e-1,
            -3.761_253_4e-1,
            1.283_791_7e-1,
        ],
    );
    let near = near.mul_add(x, x);
    let high = polynomial(size, [-1.728_534_7e-5, 3.831_972e-4]);
    let low = polynomial(size, [-3.883_964_4e-3, 2.425_462_2e-2]);
    let mut far = high.mul_add(square, low);
    for coefficient in [-1.067_778_8e-1, -6.348_467e-1, -1.287_175_1e-1] {
        far = far.mul_add(size, Lanes::splat(coefficient));
    }
    let far = far.mul_add(size, Lanes::splat(0.0) - size);
    let far = (Lanes::splat(1.0) - exp_of(far)).with_sign(x);
    size.select_above(Lanes::splat(0.927_734_4), far, near)
}

/// The hyperbolic tangent: Cephes' polynomial near zero (Moshier, `tanhf`), and a formula with `e^2x` elsewhere.
#[inline(always)]
fn tanh_of(x: Lanes) -> Lanes {
    let (size, square) = (x.abs(), x * x);
    let near = polynomial(
        square,
        [
            -5.704_988_7e-3,
            2.063_909e-2,
            -5.373_971_6e-2,
            1.333_144_2e-1,
            -3.333_328e-1,
        ],
    );
    let near = (near * square).mul_add(x, x);
    let one = Lanes::splat(1.0);
    let power = exp_of(size + size);
    let far = (one - Lanes::splat(2.0) / (power + one)).with_sign(x);
    size.select_above(Lanes::splat(0.625), far, near)
}

#[inline(always)]
fn sigmoid_of(x: Lanes) -> Lanes {
    let one = Lanes::splat(1.0);
    one / (one + exp_of(Lanes::splat(0.0) - x))
}

#[inline(always)]
fn gelu_of(x: Lanes) -> Lanes {
    let half = x * Lanes::splat(0.5);
    half.mul_add(
        erf_of(x * Lanes::splat(std::f32::consts::FRAC_1_SQRT_2)),
        half,
    )
}

/// `e^x` of each value.
pub fn exp(values: &mut [f32]) {
    each(values, exp_of);
}

/// The error function of each value.
pub fn erf(values: &mut [f32]) {
    each(values, erf_of);
}

/// The hyperbolic tangent of each value.
pub fn tanh(values: &mut [f32]) {
    each(values, tanh_of);
}

/// The sigmoid `1 / (1 + e^-x)` of each value.
pub fn sigmoid(values: &mut [f32]) {
    each(values, sigmoid_of);
}

/// Swish, `x * sigmoid(alpha * x)`, of each value.
pub fn swish(values: &mut [f32], alpha: f32) {
    each(values, |x| x * sigmoid_of(x * Lanes::splat(alpha)));
}

/// GELU, `x` times the normal distribution's cumulative probability, of each value.
pub fn gelu(values: &mut [f32]) {
    each(values, gelu_of);
}

/// Fold a row with `of`, four values at a time, then fold the four results and the remainder with `last`.
#[inline(always)]
fn folded(
    row: &[f32],
    start: f32,
    of: impl Fn(Lanes, Lanes) -> Lanes,
    last: impl Fn(f32, f32) -> f32,
) -> f32 {
    let (fours, rest) = row.as_chunks::<LANES>();
    let mut all = Lanes::splat(start);
    for four in fours {
        all = of(all, Lanes::load(four));
    }
    all.values()
        .into_iter()
        .chain(rest.iter().copied())
        .fold(start, last)
}

/// Softmax of a row. A NaN makes all values NaN.
pub fn softmax(row: &mut [f32]) {
    let larger = |a: f32, b: f32| if a.is_nan() || a > b { a } else { b };
    let largest = Lanes::splat(folded(row, f32::NEG_INFINITY, Lanes::max, larger));
    each(row, |x| exp_of(x - largest));
    let sum = folded(row, 0.0, |a, b| a + b, |a, b| a + b);
    let factor = Lanes::splat(1.0 / sum);
    each(row, |x| x * factor);
}

/// Layer normalization of a row: `(x - mean) / sqrt(variance + epsilon) * scale + bias`. Returns the mean and the
/// inverse standard deviation.
///
/// # Panics
/// If the length of scale or bias differs from the row's.
pub fn layer_norm(
    row: &mut [f32],
    epsilon: f32,
    scale: &[f32],
    bias: Option<&[f32]>,
) -> (f32, f32) {
    assert_eq!(scale.len(), row.len(), "scale");
    assert!(bias.is_none_or(|bias| bias.len() == row.len()), "bias");
    let count = row.len() as f32;
    let mean = folded(row, 0.0, |a, b| a + b, |a, b| a + b) / count;
    // Two passes: the mean of the squares minus the square of the mean would lose all digits if the mean is large.
    let at = Lanes::splat(mean);
    let (fours, rest) = row.as_chunks::<LANES>();
    let mut squares = Lanes::splat(0.0);
    for four in fours {
        let difference = Lanes::load(four) - at;
        squares = difference.mul_add(difference, squares);
    }
    let rest = rest.iter().map(|x| (x - mean) * (x - mean));
    let variance = squares.values().into_iter().chain(rest).sum::<f32>() / count;
    let factor = (variance + epsilon).sqrt().recip();
    match bias {
        Some(bias) => {
            for ((x, scale), bias) in row.iter_mut().zip(scale).zip(bias) {
                *x = (*x - mean) * factor * scale + bias;
            }
        }
        None => {
            for (x, scale) in row.iter_mut().zip(scale) {
                *x = (*x - mean) * factor * scale;
            }
        }
    }
    (mean, factor)
}
