//! What native backends heed of a card: the precision, and batching. The engine in WebAssembly computes in
//! f32, one request at a time.

use serde::Deserialize;

use crate::{CardError, ModelCard};

/// What FP32 graphs are computed in, where the library and the device leave a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Precision {
    /// FP32, as the graph says.
    #[default]
    #[serde(rename = "FP32")]
    Fp32,
    /// FP16 where the device has it.
    #[serde(rename = "FP16")]
    Fp16,
    /// BF16 where the device has it.
    #[serde(rename = "BF16")]
    Bf16,
    /// What the library finds fastest on the device.
    #[serde(rename = "fastest")]
    Fastest,
}

/// `[batching]`: requests that wait together are computed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct BatchingSpec {
    /// Items of one batch at most: the sum of the requests' first dimensions.
    pub max_size: u32,
    /// How long the first request of a batch waits for others, in microseconds.
    #[serde(default)]
    pub max_delay_us: u32,
}

impl BatchingSpec {
    /// A batch of more would be no batch but a queue.
    const MAX_SIZE: u32 = 4096;

    /// Longer than any client should wait for nothing, in microseconds.
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
                    "requests are joined along the first dimension, but `{}` has the shape {:?}; expected -1 \
                     there",
                    spec.name, spec.shape
                ),
            )),
        }
    }
}
