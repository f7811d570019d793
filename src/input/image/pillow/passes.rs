//! The two passes: across a row, and down a column.

use super::lanes::{Pairs, Sums};
use super::taps::{LOW_BITS, Pair, STEP, Taps, WEIGHT_BITS, Window};

/// Half of the last place, so that a shift rounds to the nearest.
const HALF: i32 = 1 << (WEIGHT_BITS - 1);

/// Bytes that are loaded at once.
pub(super) const LOADED: usize = 16;

fn to_byte(sum: i32) -> u8 {
    ((sum + HALF) >> WEIGHT_BITS).clamp(0, 255) as u8
}

/// Sums in the two parts of their weights.
#[derive(Clone, Copy)]
struct Parts {
    high: Sums,
    low: Sums,
}

impl Parts {
    fn zero() -> Self {
        Self {
            high: Sums::zero(),
            low: Sums::zero(),
        }
    }

    fn add(&mut self, values: Pairs, weights: &(Pairs, Pairs)) {
        self.high = self.high.add(values, weights.0);
        self.low = self.low.add(values, weights.1);
    }

    fn bytes(self) -> [u8; 4] {
        let (high, low) = (self.high.values(), self.low.values());
        [0, 1, 2, 3].map(|lane| to_byte((high[lane] << LOW_BITS) + low[lane]))
    }
}

fn splat(pair: &Pair) -> (Pairs, Pairs) {
    (Pairs::splat(pair.high), Pairs::splat(pair.low))
}

/// Resize a row of gray pixels.
pub(super) fn across_gray(source: &[u8], columns: &Taps, target: &mut [u8]) {
    for (target, window) in target.iter_mut().zip(columns.windows()) {
        let pixels = &source[window.start..][..window.length];
        let weighted = pixels.iter().zip(window.weights);
        let sum: i32 = weighted
            .map(|(value, weight)| i32::from(*value) * weight)
            .sum();
        *target = to_byte(sum);
    }
}

/// Resize a row of RGB pixels, which [`LOADED`] bytes follow.
pub(super) fn across_rgb(source: &[u8], columns: &Taps, target: &mut [u8]) {
    let (target, _) = target.as_chunks_mut::<3>();
    for (target, window) in target.iter_mut().zip(columns.windows()) {
        let mut sums = Parts::zero();
        let mut rest = &source[window.start * 3..];
        for [first, second] in window.pairs.as_chunks::<2>().0 {
            let Some((pixels, _)) = rest.split_first_chunk::<LOADED>() else {
                break;
            };
            let [a, b] = Pairs::of_pixels(pixels);
            sums.add(a, &splat(first));
            sums.add(b, &splat(second));
            rest = &rest[3 * STEP..];
        }
        let [red, green, blue, _] = sums.bytes();
        *target = [red, green, blue];
    }
}

/// Combine rows into one of the same length.
pub(super) fn down(rows: &[&[u8]], window: &Window<'_>, target: &mut [u8]) {
    let (blocks, rest) = target.as_chunks_mut::<LOADED>();
    let at_rest = blocks.len() * LOADED;
    for (block, target) in blocks.iter_mut().enumerate() {
        let mut sums = [Parts::zero(); 4];
        for (rows, pair) in rows.chunks(2).zip(window.pairs) {
            // The weight of a missing second row is 0.
            let [first, second] = [rows[0], rows[rows.len() - 1]];
            let (first, second) = (first.as_chunks().0, second.as_chunks().0);
            let weights = splat(pair);
            let values = Pairs::of_rows(&first[block], &second[block]);
            for (sums, values) in sums.iter_mut().zip(values) {
                sums.add(values, &weights);
            }
        }
        let (lanes, _) = target.as_chunks_mut::<4>();
        for (lanes, sums) in lanes.iter_mut().zip(sums) {
            *lanes = sums.bytes();
        }
    }
    for (at, target) in rest.iter_mut().enumerate() {
        let weighted = rows.iter().zip(window.weights);
        let sum: i32 = weighted
            .map(|(row, weight)| i32::from(row[at_rest + at]) * weight)
            .sum();
        *target = to_byte(sum);
    }
}
