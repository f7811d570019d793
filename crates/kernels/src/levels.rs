//! Values rounded to those that quantised numbers stand for.

use crate::lanes::{LANES, Lanes};

/// The values that quantised numbers stand for: so many steps from zero each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Levels {
    scale: f32,
    /// Steps in one.
    inverse: f32,
    min: f32,
    max: f32,
}

impl Levels {
    /// Levels that are `scale` apart; the lowest is `min` steps from zero and the highest `max`: an integer type's limits
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

    /// Each value as the nearest level, of two the one that is an even number of steps from zero; NaN stays.
    pub fn apply(&self, values: &mut [f32]) {
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

    #[inline(always)]
    pub(crate) fn nearest(&self, values: Lanes) -> Lanes {
        let steps = (values * Lanes::splat(self.inverse)).nearest();
        steps.clamp(Lanes::splat(self.min), Lanes::splat(self.max)) * Lanes::splat(self.scale)
    }
}
