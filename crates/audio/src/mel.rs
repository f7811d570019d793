//! Mel filters, as `mel_filter_bank` of `audio_utils.py` in transformers computes them, in f64.

/// How Hz become mels and what a filter is scaled by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Linear below 1000 Hz, triangles over Hz, each divided by its width (`norm="slaney"`).
    Slaney,
    /// Logarithmic, triangles over mels (`triangularize_in_mel_space=True`), not scaled.
    Kaldi,
}

/// Triangular filters over the bins of a power spectrum. Only weights that are not zero are kept.
pub(crate) struct MelFilters {
    /// The first bin and the weights of each filter.
    filters: Vec<(usize, Vec<f64>)>,
}

impl MelFilters {
    /// `mels` filters from `min_hz` to `max_hz`, for the `bins` of a spectrum of sounds with the sample rate `rate_hz`.
    pub(crate) fn new(
        scale: Scale,
        bins: usize,
        mels: usize,
        rate_hz: u32,
        min_hz: f64,
        max_hz: f64,
    ) -> Self {
        let corners = linspace(scale.mels(min_hz), scale.mels(max_hz), mels + 2);
        let (corners, positions): (Vec<f64>, Vec<f64>) = match scale {
            Scale::Slaney => {
                let nyquist = f64::from(rate_hz / 2);
                (
                    corners.into_iter().map(|mel| scale.hertz(mel)).collect(),
                    linspace(0.0, nyquist, bins).collect(),
                )
            }
            Scale::Kaldi => {
                let width = f64::from(rate_hz) / ((bins - 1) * 2) as f64;
                (
                    corners.collect(),
                    (0..bins)
                        .map(|bin| scale.mels(width * bin as f64))
                        .collect(),
                )
            }
        };
        let filter = |corners: &[f64]| {
            let [low, middle, high] = *corners else {
                return (0, Vec::new());
            };
            let norm = if scale == Scale::Slaney {
                2.0 / (high - low)
            } else {
                1.0
            };
            let weight = |&at: &f64| {
                let (up, down) = ((at - low) / (middle - low), (high - at) / (high - middle));
                up.min(down).max(0.0) * norm
            };
            let weights: Vec<f64> = positions.iter().map(weight).collect();
            let start = weights.iter().position(|&weight| weight > 0.0).unwrap_or(0);
            let end = weights
                .iter()
                .rposition(|&weight| weight > 0.0)
                .map_or(start, |last| last + 1);
            (start, weights[start..end].to_vec())
        };
        Self {
            filters: corners.windows(3).map(filter).collect(),
        }
    }

    /// The energy in each filter of a power spectrum, in the order of the filters.
    pub(crate) fn apply(&self, power: &[f64]) -> impl Iterator<Item = f64> {
        let energy = |(start, weights): &(usize, Vec<f64>)| {
            weights
                .iter()
                .zip(&power[*start..])
                .map(|(weight, power)| weight * power)
                .sum()
        };
        self.filters.iter().map(energy)
    }
}

impl Scale {
    fn mels(self, hertz: f64) -> f64 {
        match self {
            Self::Kaldi => 1127.0 * (1.0 + hertz / 700.0).ln(),
            Self::Slaney if hertz >= 1000.0 => 15.0 + (hertz / 1000.0).ln() * (27.0 / 6.4f64.ln()),
            Self::Slaney => 3.0 * hertz / 200.0,
        }
    }

    fn hertz(self, mels: f64) -> f64 {
        match self {
            Self::Kaldi => 700.0 * ((mels / 1127.0).exp() - 1.0),
            Self::Slaney if mels >= 15.0 => 1000.0 * (6.4f64.ln() / 27.0 * (mels - 15.0)).exp(),
            Self::Slaney => 200.0 * mels / 3.0,
        }
    }
}

/// `numpy.linspace` with both ends.
fn linspace(start: f64, end: f64, count: usize) -> impl Iterator<Item = f64> {
    let step = (end - start) / (count - 1) as f64;
    (0..count).map(move |index| {
        if index + 1 == count {
            end
        } else {
            index as f64 * step + start
        }
    })
}
