//! int8 convolutions, channels last, and int8 matrix products.
//!
//! Inputs are uint8, weights int8. Sums are integers, so they equal those of any other engine. Scaling and rounding
//! follow the sum.

use std::mem::offset_of;

mod conv;
mod depthwise;
mod matrix;

pub use conv::QuantizedConv;
pub use depthwise::QuantizedDepthwise;
pub use matrix::{QuantizedMatrix, QuantizedRows};

use crate::accumulator::Accumulator;
pub use crate::dot::RelaxedDot;
use crate::lanes::Lanes;
use crate::layout::{BOUNDS_FIELDS, COLUMNS, LANES, REQUANTIZED, ROWS};
use crate::quantization::QuantParams;
use crate::spec::ConvSpec;

/// The output buffer of a quantized convolution.
pub enum Output<'a> {
    /// Dequantized values.
    F32(&'a mut [f32]),
    /// Quantized values, with the smallest stored as 0.
    U8(&'a mut [u8]),
}

impl Output<'_> {
    fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::U8(bytes) => bytes.len(),
        }
    }
}

/// The scale of each output channel's sums, and the biases quantized with that scale.
struct Scaled {
    scales: Vec<f32>,
    biases: Vec<i32>,
}

impl Scaled {
    /// Compute them for weights `[channels_out, ...]`. Returns `None` if sums may overflow int32, a scale is not a
    /// normal number, or uint8 cannot represent the inputs.
    fn new(
        input: QuantParams,
        weights: &[i8],
        scales: &[f32],
        bias: Option<&[f32]>,
        channels: usize,
    ) -> Option<Self> {
        assert!(scales.len() == 1 || scales.len() == channels, "scales");
        assert!(bias.is_none_or(|bias| bias.len() == channels), "bias");
        if weights.is_empty() || !input.fits_u8() {
            return None;
        }
        let scale = |channel: usize| input.scale() * scales[channel % scales.len()];
        let mut biases = Vec::with_capacity(channels);
        for (channel, weights) in weights.chunks_exact(weights.len() / channels).enumerate() {
            let magnitude: i64 = weights.iter().map(|&weight| i64::from(weight).abs()).sum();
            let bias = bias.map_or(0.0, |bias| {
                (f64::from(bias[channel]) / f64::from(scale(channel))).round_ties_even()
            });
            let bias = bias as i64;
            // Twice `255 * magnitude`: once for the products, and once for the zero point's part, which is subtracted
            // from the bias.
            let largest = bias.checked_abs()?.checked_add(2 * 255 * magnitude)?;
            let fits = largest <= i32::MAX.into() && scale(channel).is_normal();
            biases.push(fits.then_some(bias as i32)?);
        }
        Some(Self {
            scales: (0..channels).map(scale).collect(),
            biases,
        })
    }
}

/// The range that scaled sums are clamped to, and the zero point.
#[derive(Clone, Copy)]
// The kernel reads the fields at fixed offsets.
#[repr(C)]
pub(crate) struct Bounds {
    pub(crate) min: f32,
    pub(crate) max: f32,
    pub(crate) zero: i32,
}

const _: () = assert!(
    offset_of!(Bounds, min) == BOUNDS_FIELDS[0]
        && offset_of!(Bounds, max) == BOUNDS_FIELDS[1]
        && offset_of!(Bounds, zero) == BOUNDS_FIELDS[2]
);

/// Requantization: converts sums to outputs.
struct Requantization {
    /// The factor of each channel, repeated for each pixel of a group, and padded with zeros to a multiple of [`COLUMNS`].
    factors: Vec<f32>,
    /// Pixels that are requantized together.
    pixels: usize,
    bounds: Bounds,
    /// Quantization of the output.
    quantization: Option<QuantParams>,
}

impl Requantization {
    fn new(spec: &ConvSpec, scales: &[f32]) -> Self {
        // A call costs as much as about ten channels, so pixels with few channels share one.
        const FEW: usize = 1024;
        let pixels = FEW / scales.len() / ROWS * ROWS;
        let pixels = pixels.max(1);
        let clamp = spec.clamp;
        let scale = spec.quantization.map_or(1.0, |params| params.scale());
        let factors: Vec<f32> = scales.iter().map(|factor| factor / scale).collect();
        let mut factors = factors.repeat(pixels);
        factors.resize(factors.len().next_multiple_of(COLUMNS), 0.0);
        let [min, max] = match spec.quantization {
            None => [clamp.min, clamp.max],
            Some(params) => {
                let [min, max] = params.range();
                [clamp.min, clamp.max]
                    .map(|bound| (bound / scale).round_ties_even().clamp(min, max))
            }
        };
        Self {
            factors,
            pixels,
            bounds: Bounds {
                min,
                max,
                zero: spec.quantization.map_or(0, |params| params.zero_point()),
            },
            quantization: spec.quantization,
        }
    }

    /// Requantize `count` sums into the output from `at` on. The sums are those of one pixel's channels from `first`
    /// on, or those of all channels of up to `pixels` pixels.
    fn apply<S: Accumulator>(
        &self,
        first: usize,
        sums: &[S],
        output: &mut Output<'_>,
        at: usize,
        count: usize,
    ) {
        match output {
            Output::F32(values) => self.values(first, sums, &mut values[at..at + count]),
            Output::U8(bytes) => self.bytes(first, sums, &mut bytes[at..at + count]),
        }
    }

    fn values<S: Accumulator>(&self, first: usize, sums: &[S], output: &mut [f32]) {
        let (min, max) = (Lanes::splat(self.bounds.min), Lanes::splat(self.bounds.max));
        let scale = Lanes::splat(self.quantization.map_or(1.0, |params| params.scale()));
        let fours = sums.as_chunks().0.iter().zip(output.chunks_mut(LANES));
        let factors = self.factors[first..].as_chunks().0;
        for ((sums, output), factors) in fours.zip(factors) {
            let values = S::load(sums) * Lanes::load(factors);
            let values = match self.quantization {
                None => values.clamp(min, max),
                Some(_) => values.nearest().clamp(min, max) * scale,
            };
            match output.as_mut_array() {
                Some(output) => values.store(output),
                None => output.copy_from_slice(&values.values()[..output.len()]),
            }
        }
    }

    fn bytes<S: Accumulator>(&self, first: usize, sums: &[S], output: &mut [u8]) {
        let whole = output.len() / REQUANTIZED * REQUANTIZED;
        let (output, rest) = output.split_at_mut(whole);
        let (done, sums) = sums.split_at(whole);
        let (factors, others) = self.factors[first..].split_at(whole);
        S::requantize(done, factors, &self.bounds, output);
        if rest.is_empty() {
            return;
        }
        let (mut last, mut factors) = ([S::default(); REQUANTIZED], [0.0; REQUANTIZED]);
        last[..rest.len()].copy_from_slice(&sums[..rest.len()]);
        factors[..rest.len()].copy_from_slice(&others[..rest.len()]);
        let mut bytes = [0; REQUANTIZED];
        S::requantize(&last, &factors, &self.bounds, &mut bytes);
        rest.copy_from_slice(&bytes[..rest.len()]);
    }
}
