//! Values rounded to those that quantized numbers stand for.

use crate::lanes::{LANES, Lanes};

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
        let mut fours = values.chunks_exact_mut(LANES);
        for four in &mut fours {
            // SAFETY: there are four values.
            unsafe {
                self.nearest(Lanes::load(four.as_ptr()))
                    .store(four.as_mut_ptr());
            }
        }
        for value in fours.into_remainder() {
            *value = self.nearest(Lanes::splat(*value)).values()[0];
        }
    }

    /// How many levels above the lowest the one is that [`QuantParams::fake_quantize`] makes of each value; any of NaN.
    ///
    /// # Panics
    /// When there is not a byte for each value.
    pub fn quantize(&self, values: &[f32], bytes: &mut [u8]) {
        const MANY: usize = 4 * LANES;
        assert_eq!(values.len(), bytes.len(), "bytes");
        let (one, zero) = (Lanes::splat(1.0), self.zero_point());
        let mut from = values.chunks_exact(MANY);
        let mut to = bytes.chunks_exact_mut(MANY);
        for (from, to) in (&mut from).zip(&mut to) {
            // SAFETY: there are four times four values, and sixteen bytes.
            unsafe {
                let fours = std::array::from_fn(|four| {
                    self.steps(Lanes::load(from.as_ptr().add(four * LANES)))
                });
                Lanes::store_bytes(fours, one, zero, to.as_mut_ptr());
            }
        }
        for (&value, byte) in from.remainder().iter().zip(to.into_remainder()) {
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
