//! The phases that a guest reports in its `Server-Timing` header (W3C Server Timing).

use std::time::Duration;

/// The guest's phases in metrics, logs and spans, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GuestPhase {
    /// Body to tensors.
    Decode,
    /// Look up or load the graph.
    Load,
    /// Inference.
    Compute,
    /// Tensors to the response body.
    Encode,
}

impl GuestPhase {
    pub(crate) const ALL: [Self; 4] = [Self::Decode, Self::Load, Self::Compute, Self::Encode];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Load => "load",
            Self::Compute => "compute",
            Self::Encode => "encode",
        }
    }
}

/// The duration of each phase that the guest reports.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct GuestTiming([Option<Duration>; GuestPhase::ALL.len()]);

impl GuestTiming {
    /// Parse the header. Unknown metrics and implausible durations are ignored.
    pub(crate) fn parse(header: &str) -> Self {
        let mut timing = Self::default();
        for metric in header.split(',') {
            let mut parts = metric.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let phase = GuestPhase::ALL
                .into_iter()
                .find(|phase| phase.name() == name);
            let ms = parts.find_map(|part| part.strip_prefix("dur="));
            let duration = ms
                .and_then(|ms| ms.parse::<f64>().ok())
                .and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok())
                .filter(|duration| *duration < MAX_DURATION);
            if let (Some(phase), Some(duration)) = (phase, duration)
                && let Some(entry) = timing.0.get_mut(phase as usize)
            {
                *entry = Some(duration);
            }
        }
        timing
    }

    pub(crate) fn get(&self, phase: GuestPhase) -> Option<Duration> {
        self.0.get(phase as usize).copied().flatten()
    }
}

/// One day; a longer duration can only come from a hostile guest, and would spoil the sums.
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_phases_are_read_and_the_rest_is_ignored() {
        let none = [None; 4];
        let us = |us| Some(Duration::from_micros(us));
        let cases = [
            ("", none),
            (
                "decode;dur=0.5, load;dur=0.001, compute;dur=12, encode;dur=0",
                [us(500), us(1), us(12_000), us(0)],
            ),
            ("compute;desc=\"x\";dur=1", [None, None, us(1000), None]),
            (
                "compute;dur=1;desc=\"x\" ,total;dur=3",
                [None, None, us(1000), None],
            ),
            ("compute", none),
            ("compute;dur=", none),
            ("compute;dur=-1", none),
            ("compute;dur=NaN", none),
            ("compute;dur=inf", none),
            ("compute;dur=1e300", none),
            ("compute;dur=86400001", none),
            ("COMPUTE;dur=1", none),
            (";;;,,,;dur=1", none),
        ];
        let mut wrong = Vec::new();
        for (header, expected) in cases {
            let timing = GuestTiming::parse(header);
            if timing.0 != expected {
                wrong.push(format!("{header}: {timing:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
