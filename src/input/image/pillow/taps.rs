//! The weights of source pixels.

use super::filters::Kernel;

/// The fractional bits of a weight: a sum of weighted bytes fits into 32 bits.
pub(super) const WEIGHT_BITS: u32 = 22;

/// The bits of the lower part of a weight, whose parts fit into 16 bits each.
pub(super) const LOW_BITS: u32 = 11;

/// Source pixels that are weighted at once.
pub(super) const STEP: usize = 4;

/// The weights of the source pixels of each target pixel of an edge.
pub(super) struct Taps {
    /// The first source pixel of each target pixel, and the number of source pixels.
    bounds: Vec<(usize, usize)>,
    /// The largest number of source pixels.
    pub(super) longest: usize,
    /// The weights of each target pixel: `longest` of them, filled up with 0 to a multiple of [`STEP`].
    weights: Vec<i32>,
    /// The same in pairs, and in two parts.
    pairs: Vec<Pair>,
    /// The number of weights of each target pixel.
    stride: usize,
}

/// The weights of two neighboring source pixels, `(high << LOW_BITS) + low`.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    pub(super) high: [i16; 2],
    pub(super) low: [i16; 2],
}

impl Pair {
    fn new(weights: [i32; 2]) -> Self {
        // A weight is little more than 1 in size, so its high part has 12 bits and a sign.
        Self {
            high: weights.map(|weight| (weight >> LOW_BITS) as i16),
            low: weights.map(|weight| (weight & ((1 << LOW_BITS) - 1)) as i16),
        }
    }
}

/// The source pixels of one target pixel.
pub(super) struct Window<'a> {
    pub(super) start: usize,
    pub(super) length: usize,
    /// The weights, filled up with 0 to a multiple of [`STEP`].
    pub(super) weights: &'a [i32],
    /// The weights in pairs, filled up with 0 to a multiple of [`STEP`] weights.
    pub(super) pairs: &'a [Pair],
}

impl Taps {
    pub(super) fn new(from: u32, to: u32, kernel: &Kernel) -> Self {
        let scale = f64::from(from) / f64::from(to);
        let stretch = scale.max(1.0);
        let support = kernel.support * stretch;
        let inverse = 1.0 / stretch;
        let bounds: Vec<_> = (0..to)
            .map(|target| {
                let center = (f64::from(target) + 0.5) * scale;
                // `as` truncates, and limits what is negative to 0, as Pillow does.
                let start = (center - support + 0.5) as usize;
                let end = ((center + support + 0.5) as usize).min(from as usize);
                (center, start, end.saturating_sub(start))
            })
            .collect();
        let longest = bounds.iter().map(|(.., length)| *length).max();
        let longest = longest.unwrap_or(0).max(1);
        let stride = longest.next_multiple_of(STEP);
        let mut weights = vec![0; stride * bounds.len()];
        let mut values = Vec::with_capacity(longest);
        for ((center, start, length), weights) in bounds.iter().zip(weights.chunks_mut(stride)) {
            values.clear();
            values.extend(
                (*start..start + length)
                    .map(|source| (kernel.weight)((source as f64 - center + 0.5) * inverse)),
            );
            let sum: f64 = values.iter().sum();
            for (value, weight) in values.iter().zip(weights) {
                let share = if sum == 0.0 { *value } else { value / sum };
                let scaled = share * f64::from(1 << WEIGHT_BITS);
                // Halves are rounded away from zero, and `as` truncates.
                *weight = (scaled + 0.5_f64.copysign(scaled)) as i32;
            }
        }
        let (pairs, _) = weights.as_chunks::<2>();
        Self {
            bounds: bounds
                .into_iter()
                .map(|(_, start, length)| (start, length))
                .collect(),
            longest,
            pairs: pairs.iter().map(|pair| Pair::new(*pair)).collect(),
            weights,
            stride,
        }
    }

    pub(super) fn windows(&self) -> impl Iterator<Item = Window<'_>> {
        let weights = self.weights.chunks_exact(self.stride);
        let pairs = self.pairs.chunks_exact(self.stride / 2);
        let places = self.bounds.iter().zip(weights.zip(pairs));
        places.map(|(&(start, length), (weights, pairs))| Window {
            start,
            length,
            weights,
            pairs: &pairs[..length.next_multiple_of(STEP) / 2],
        })
    }
}
