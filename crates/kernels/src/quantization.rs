//! Quantization parameters, and conversions between f32 and uint8.

use crate::lanes::Lanes;
use crate::layout::{LANES, REQUANTIZED};

/// Per-tensor quantization parameters: a scale, and the range of quantized values relative to the zero point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantParams {
    scale: f32,
    /// 1 / scale.
    inverse: f32,
    min: f32,
    max: f32,
}

impl QuantParams {
    /// Parameters with a scale and a range: `min` and `max` are the integer type's limits minus the zero point.
    #[must_use]
    pub fn new(scale: f32, min: i32, max: i32) -> Self {
        Self {
            scale,
            inverse: 1.0 / scale,
            min: min as f32,
            max: max as f32,
        }
    }

    /// The difference between adjacent quantized values.
    #[must_use]
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// The smallest and the largest quantized value minus the zero point.
    #[must_use]
    pub fn range(&self) -> [f32; 2] {
        [self.min, self.max]
    }

    /// Whether the range fits into uint8 and includes zero.
    #[must_use]
    pub fn fits_u8(&self) -> bool {
        self.max - self.min <= 255.0 && self.min <= 0.0 && self.max >= 0.0
    }

    /// Quantize and dequantize each value; ties round to even, NaN stays NaN.
    pub fn fake_quantize(&self, values: &mut [f32]) {
        let (fours, rest) = values.as_chunks_mut();
        for four in fours {
            self.nearest(Lanes::load(four)).store(four);
        }
        for value in rest {
            *value = self.nearest(Lanes::splat(*value)).values()[0];
        }
    }

    /// Quantize each value to uint8; the smallest quantized value is 0, and NaN becomes any byte.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn quantize(&self, values: &[f32], bytes: &mut [u8]) {
        assert_eq!(values.len(), bytes.len(), "bytes");
        let zero = self.zero_point();
        let (from, values) = values.as_chunks::<REQUANTIZED>();
        let (to, bytes) = bytes.as_chunks_mut::<REQUANTIZED>();
        for (from, to) in from.iter().zip(to) {
            let fours = from.as_chunks().0;
            let fours = std::array::from_fn(|four| self.unrounded(Lanes::load(&fours[four])));
            Lanes::store_u8(fours, zero, to);
        }
        for (&value, byte) in values.iter().zip(bytes) {
            let quantized = self.unrounded(Lanes::splat(value)).values()[0].round_ties_even();
            *byte = (quantized as i32).saturating_add(zero).clamp(0, 255) as u8;
        }
    }

    /// The zero point as uint8.
    pub(crate) fn zero_point(&self) -> i32 {
        -self.min as i32
    }

    #[inline(always)]
    pub(crate) fn nearest(&self, values: Lanes) -> Lanes {
        self.unrounded(values).nearest() * Lanes::splat(self.scale)
    }

    /// Divide by the scale and clamp to the range, without rounding.
    #[inline(always)]
    fn unrounded(&self, values: Lanes) -> Lanes {
        let scaled = values * Lanes::splat(self.inverse);
        scaled.clamp(Lanes::splat(self.min), Lanes::splat(self.max))
    }
}

/// Quantization to uint8 with a scale and a zero point that the values determine (ONNX's DynamicQuantizeLinear).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DynamicParams {
    /// The difference between adjacent quantized values.
    pub scale: f32,
    /// The quantized value of zero.
    pub zero: u8,
}

impl DynamicParams {
    /// The parameters for the range of the values and zero. NaN is left out of the range.
    #[must_use]
    pub fn of(values: &[f32]) -> Self {
        // Several vectors at a time: each comparison waits for the one before.
        let (sixteens, rest) = values.as_chunks::<REQUANTIZED>();
        let [mut least, mut most] = [[Lanes::splat(0.0); REQUANTIZED / LANES]; 2];
        for sixteen in sixteens {
            let fours = sixteen.as_chunks().0.iter().map(Lanes::load);
            for ((least, most), four) in least.iter_mut().zip(&mut most).zip(fours) {
                (*least, *most) = (least.smaller(four), most.larger(four));
            }
        }
        let rest = rest.iter().copied();
        let least = least.into_iter().flat_map(Lanes::values);
        let least = least.chain(rest.clone()).fold(0.0, f32::min);
        let most = most.into_iter().flat_map(Lanes::values);
        let most = most.chain(rest).fold(0.0, f32::max);
        let scale = (most - least) / 255.0;
        // If all values are 0 any scale will do; ONNX's formula would divide by zero.
        let scale = if scale == 0.0 { 1.0 } else { scale };
        let zero = (-least / scale).clamp(0.0, 255.0).round_ties_even();
        Self {
            scale,
            zero: zero as u8,
        }
    }

    /// Quantize each value; ties round to even, and NaN becomes any byte.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn quantize(&self, values: &[f32], bytes: &mut [u8]) {
        assert_eq!(values.len(), bytes.len(), "bytes");
        let zero = self.zero.into();
        let (scale, limit) = (Lanes::splat(self.scale), Lanes::splat(512.0));
        let least = Lanes::splat(-512.0);
        // Multiplying by the inverse would round some ties the other way.
        let quantized = |values: &[f32; REQUANTIZED], to: &mut [u8; REQUANTIZED]| {
            let fours = values.as_chunks().0;
            let fours =
                std::array::from_fn(|four| (Lanes::load(&fours[four]) / scale).clamp(least, limit));
            Lanes::store_u8(fours, zero, to);
        };
        let (from, values) = values.as_chunks::<REQUANTIZED>();
        let (to, bytes) = bytes.as_chunks_mut::<REQUANTIZED>();
        for (from, to) in from.iter().zip(to) {
            quantized(from, to);
        }
        if !values.is_empty() {
            let (mut last, mut to) = ([0.0; REQUANTIZED], [0; REQUANTIZED]);
            last[..values.len()].copy_from_slice(values);
            quantized(&last, &mut to);
            bytes.copy_from_slice(&to[..bytes.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_determine_the_scale_and_the_zero_point() {
        let params = |values: &[f32]| {
            let DynamicParams { scale, zero } = DynamicParams::of(values);
            (scale, zero)
        };
        assert_eq!(params(&[]), (1.0, 0));
        assert_eq!(params(&[0.0; 5]), (1.0, 0));
        assert_eq!(params(&[255.0, 3.0]), (1.0, 0));
        assert_eq!(params(&[-255.0, -3.0]), (1.0, 255));
        assert_eq!(params(&[1.0, 2.0, -25.0, 3.0, 230.0]), (1.0, 25));
        assert_eq!(params(&[1.0, f32::NAN, 255.0, -0.0, f32::NAN]), (1.0, 0));
    }

    #[test]
    fn values_are_divided_and_rounded_to_even() {
        for count in [1, 15, 16, 17, 40] {
            let values: Vec<f32> = (0..count).map(|at| (at as f32 - 7.0) * 0.35).collect();
            let params = DynamicParams::of(&values);
            let mut bytes = vec![0; count];
            params.quantize(&values, &mut bytes);
            for (value, byte) in values.iter().zip(bytes) {
                let expected = (value / params.scale).round_ties_even() + f32::from(params.zero);
                assert_eq!(f32::from(byte), expected.clamp(0.0, 255.0), "{value}");
            }
        }
        let params = DynamicParams {
            scale: 2.0,
            zero: 3,
        };
        let mut bytes = [0; 6];
        params.quantize(
            &[1.0, 3.0, 5.0, -1.0, f32::INFINITY, f32::NEG_INFINITY],
            &mut bytes,
        );
        assert_eq!(bytes, [3, 5, 5, 3, 255, 0]);
    }
}
