//! The duration of each phase of a request, for the header `Server-Timing` (W3C Server Timing).

use std::time::Instant;

/// The phases, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The body becomes tensors.
    Decode,
    /// The graph is found, or loaded from the mount.
    Load,
    /// Inference.
    Compute,
    /// Tensors become the body of the response.
    Encode,
}

impl Phase {
    const ALL: [Self; 4] = [Self::Decode, Self::Load, Self::Compute, Self::Encode];

    const fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Load => "load",
            Self::Compute => "compute",
            Self::Encode => "encode",
        }
    }
}

/// The milliseconds of each phase that ran.
#[derive(Clone, Debug, Default)]
pub struct Timing([Option<f64>; Phase::ALL.len()]);

impl Timing {
    /// Run a phase, or a part of one, and add its duration, whether it succeeds or not.
    pub fn measure<T>(&mut self, phase: Phase, run: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = run();
        let ms = start.elapsed().as_secs_f64() * 1e3;
        if let Some(sum) = self.0.get_mut(phase as usize) {
            *sum = Some(sum.unwrap_or_default() + ms);
        }
        result
    }

    /// The header's value, in milliseconds; `None` if no phase ran.
    #[must_use]
    pub fn header(&self) -> Option<String> {
        let entries: Vec<String> = Phase::ALL
            .into_iter()
            .filter_map(|phase| {
                let ms = (*self.0.get(phase as usize)?)?;
                Some(format!("{};dur={ms:.3}", phase.name()))
            })
            .collect();
        (!entries.is_empty()).then(|| entries.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_lists_the_phases_that_ran_in_order() {
        let mut timing = Timing::default();
        assert_eq!(timing.header(), None);
        assert_eq!(timing.measure(Phase::Load, || 3), 3);
        timing.measure(Phase::Decode, || ());
        let header = timing.header().unwrap();
        let names: Vec<_> = header
            .split(", ")
            .map(|entry| entry.split_once(";dur=").unwrap())
            .map(|(name, ms)| (name, ms.parse::<f64>().is_ok()))
            .collect();
        assert_eq!(names, [("decode", true), ("load", true)]);
    }
}
