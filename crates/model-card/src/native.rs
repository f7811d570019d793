//! Settings of native backends: precision and batching. The WebAssembly engine ignores both: it computes in
//! f32, one request at a time.

use serde::Deserialize;

use crate::{CardError, ModelCard};

/// The precision of FP32 graphs, where the library and the device support several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Precision {
    /// FP32, as in the graph.
    #[default]
    #[serde(rename = "FP32")]
    Fp32,
    /// FP16 where the device supports it.
    #[serde(rename = "FP16")]
    Fp16,
    /// BF16 where the device supports it.
    #[serde(rename = "BF16")]
    Bf16,
    /// The precision that the library considers fastest on the device.
    #[serde(rename = "fastest")]
    Fastest,
}

/// `[batching]`: dynamic batching, which runs waiting requests as one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct BatchingSpec {
    /// The maximum batch size: the sum of the requests' first dimensions.
    pub max_size: u32,
    /// The maximum time that the first request of a batch waits for others, in microseconds.
    #[serde(default)]
    pub max_delay_us: u32,
}

impl BatchingSpec {
    /// The upper limit of `max_size`; a larger batch would be a queue.
    const MAX_SIZE: u32 = 4096;

    /// The upper limit of `max_delay_us`: one second.
    const MAX_DELAY_US: u32 = 1_000_000;
}

impl ModelCard {
    pub(crate) fn check_batching(&self, batching: &BatchingSpec) -> Result<(), CardError> {
        let place = "[batching]";
        if !(2..=BatchingSpec::MAX_SIZE).contains(&batching.max_size) {
            return Err(CardError::value(
                place,
                format!(
                    "`max_size` is {}, expected 2 to {}",
                    batching.max_size,
                    BatchingSpec::MAX_SIZE
                ),
            ));
        }
        if batching.max_delay_us > BatchingSpec::MAX_DELAY_US {
            return Err(CardError::value(
                place,
                format!(
                    "`max_delay_us` is {}, expected at most {}",
                    batching.max_delay_us,
                    BatchingSpec::MAX_DELAY_US
                ),
            ));
        }
        let fixed = self
            .inputs
            .iter()
            .chain(&self.outputs)
            .find(|spec| spec.shape.first() != Some(&-1));
        match fixed {
            None => Ok(()),
            Some(spec) => Err(CardError::value(
                place,
                format!(
                    "requests are joined along the first dimension, so it must be -1, but `{}` has shape {:?}",
                    spec.name, spec.shape
                ),
            )),
        }
    }
}
