//! What the machine's SIMD can at most, to compare kernels with.

/// How often each sum is added to in one turn: so often that what a host does in each round of a loop does not count.
const STEPS: u32 = 64;

/// Multiplications and additions of one turn of [`multiply_adds`]: ten sums of four values, that often.
pub const FLOPS_PER_ITERATION: u64 = 2 * 10 * 4 * STEPS as u64;

#[cfg(target_arch = "wasm32")]
unsafe extern "C" {
    /// In `codegen/peak.rs`.
    fn infer_peak(turns: u32, result: *mut [f32; 4]);
}

/// Multiply and add, that many turns (one at least), with nothing else to do. What comes out means nothing.
#[must_use]
pub fn multiply_adds(turns: u32) -> [f32; 4] {
    let turns = turns.max(1);
    let mut result = [0.0; 4];
    #[cfg(target_arch = "wasm32")]
    // SAFETY: the kernel writes four values.
    unsafe {
        infer_peak(turns, &raw mut result);
    }
    #[cfg(not(target_arch = "wasm32"))]
    {
        let mut sums = [[0.0f32; 4]; 10];
        for _ in 0..turns * STEPS {
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
