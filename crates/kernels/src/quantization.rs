//! Values rounded to those that quantized numbers stand for.

use crate::lanes::Lanes;
use crate::layout::REQUANTIZED;

/// The values that quantized numbers stand for: so many steps from zero each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantParams {
    scale: f32,
    /// Steps in one.
    inverse: f32,
    min: f32,
    max: f32,
}

impl QuantParams {
    /// QuantParams that are `scale` apart; the lowest is `min` steps from zero and the highest `max`: an integer type's limits
    /// less the zero point.
    #[must_use]
    pub fn new(scale: f32, min: i32, max: i32) -> Self {
        Self {
            scale,
            inverse: 1.0 / scale,
            min: min as f32,
            max: max as f32,
        }
    }

    /// The distance from one to the next.
    #[must_use]
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// How many steps from zero the lowest is, and the highest.
    #[must_use]
    pub fn range(&self) -> [f32; 2] {
        [self.min, self.max]
    }

    /// Whether a byte can count them.
    #[must_use]
    pub fn fits_u8(&self) -> bool {
        self.max - self.min <= 255.0 && self.min <= 0.0 && self.max >= 0.0
    }

    /// Each value as the nearest level, of two the one that is an even number of steps from zero; NaN stays.
    pub fn fake_quantize(&self, values: &mut [f32]) {
        let (fours, rest) = values.as_chunks_mut();
        for four in fours {
            self.nearest(Lanes::load(four)).store(four);
        }
        for value in rest {
            *value = self.nearest(Lanes::splat(*value)).values()[0];
        }
    }

    /// How many levels above the lowest the one is that [`QuantParams::fake_quantize`] makes of each value; any of NaN.
    ///
    /// # Panics
    /// When there is not a byte for each value.
    pub fn quantize(&self, values: &[f32], bytes: &mut [u8]) {
        assert_eq!(values.len(), bytes.len(), "bytes");
        let zero = self.zero_point();
        let (from, values) = values.as_chunks::<REQUANTIZED>();
        let (to, bytes) = bytes.as_chunks_mut::<REQUANTIZED>();
        for (from, to) in from.iter().zip(to) {
            let fours = from.as_chunks().0;
            let fours = std::array::from_fn(|four| self.steps(Lanes::load(&fours[four])));
            Lanes::store_u8(fours, zero, to);
        }
        for (&value, byte) in values.iter().zip(bytes) {
            let steps = self.steps(Lanes::splat(value)).values()[0].round_ties_even();
            *byte = (steps as i32).saturating_add(zero).clamp(0, 255) as u8;
        }
    }

    /// The byte of zero.
    pub(crate) fn zero_point(&self) -> i32 {
        -self.min as i32
    }

    #[inline(always)]
    pub(crate) fn nearest(&self, values: Lanes) -> Lanes {
        self.steps(values).nearest() * Lanes::splat(self.scale)
    }

    /// How many steps from zero values are, within the limits, which are whole numbers.
    #[inline(always)]
    fn steps(&self, values: Lanes) -> Lanes {
        let steps = values * Lanes::splat(self.inverse);
        steps.clamp(Lanes::splat(self.min), Lanes::splat(self.max))
    }
}
