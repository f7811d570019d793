//! The machine's peak FLOP/s, to compare kernels with.

use crate::layout::LANES;
use crate::layout::peak::{ACCUMULATORS, STEPS};

/// Floating-point operations of one iteration of [`multiply_adds`]; a multiply-add counts as two.
pub const FLOPS_PER_ITERATION: u64 = (2 * ACCUMULATORS * LANES * STEPS) as u64;

#[cfg(target_arch = "wasm32")]
unsafe extern "C" {
    /// In `codegen/peak.rs`.
    fn infer_peak(iterations: u32, result: *mut [f32; 4]);
}

/// Run multiply-adds for `iterations` iterations (at least one) and nothing else. The result means nothing.
#[must_use]
pub fn multiply_adds(iterations: u32) -> [f32; 4] {
    let iterations = iterations.max(1);
    let mut result = [0.0; 4];
    #[cfg(target_arch = "wasm32")]
    // SAFETY: the kernel writes four values.
    unsafe {
        infer_peak(iterations, &raw mut result);
    }
    #[cfg(not(target_arch = "wasm32"))]
    {
        let mut sums = [[0.0f32; LANES]; ACCUMULATORS];
        for _ in 0..iterations as usize * STEPS {
            for sum in &mut sums {
                sum.iter_mut().for_each(|sum| *sum += 1.0001 * 0.9999);
            }
        }
        for sum in sums {
            result
                .iter_mut()
                .zip(sum)
                .for_each(|(result, sum)| *result += sum);
        }
    }
    result
}
