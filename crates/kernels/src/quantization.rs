//! Quantization parameters, and conversions between f32 and uint8.

use crate::lanes::Lanes;
use crate::layout::REQUANTIZED;

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
