//! Accumulators of int8 products, and requantization.

use crate::lanes::Lanes;
use crate::layout::{LANES, REQUANTIZED};
use crate::quantized::Bounds;

/// The type in which products of quantized values are summed.
pub(crate) trait Accumulator: Copy + Default {
    /// Load four accumulators as f32.
    fn load(from: &[Self; LANES]) -> Lanes;

    /// The accumulator as an integer.
    fn integer(self) -> i32;

    /// Requantize: multiply each accumulator by its factor, clamp, round, and store it as a byte.
    ///
    /// # Panics
    /// If the slices differ in length, or the length is not a multiple of [`REQUANTIZED`].
    fn requantize(sums: &[Self], factors: &[f32], bounds: &Bounds, bytes: &mut [u8]) {
        let (sums, factors, bytes) = sixteens(sums, factors, bytes);
        let (min, max) = (Lanes::splat(bounds.min), Lanes::splat(bounds.max));
        for ((sums, factors), bytes) in sums.iter().zip(factors).zip(bytes) {
            let (sums, factors) = (sums.as_chunks().0, factors.as_chunks().0);
            let fours = std::array::from_fn(|four| {
                (Self::load(&sums[four]) * Lanes::load(&factors[four])).clamp(min, max)
            });
            Lanes::store_u8(fours, bounds.zero, bytes);
        }
    }
}

type Sixteens<'a, S> = (
    &'a [[S; REQUANTIZED]],
    &'a [[f32; REQUANTIZED]],
    &'a mut [[u8; REQUANTIZED]],
);

fn sixteens<'a, S>(sums: &'a [S], factors: &'a [f32], bytes: &'a mut [u8]) -> Sixteens<'a, S> {
    assert!(bytes.len().is_multiple_of(REQUANTIZED), "bytes");
    assert_eq!(
        [sums.len(), factors.len()],
        [bytes.len(); 2],
        "sums and factors"
    );
    (
        sums.as_chunks().0,
        factors.as_chunks().0,
        bytes.as_chunks_mut().0,
    )
}

#[cfg(target_arch = "wasm32")]
unsafe extern "C" {
    /// In `codegen/bytes.rs`.
    fn infer_bytes_16(
        sixteens: usize,
        sums: *const i32,
        factors: *const f32,
        bounds: *const Bounds,
        bytes: *mut u8,
    );
}

impl Accumulator for i32 {
    #[inline(always)]
    fn load(from: &[i32; LANES]) -> Lanes {
        Lanes::load_i32(from)
    }

    #[inline(always)]
    fn integer(self) -> i32 {
        self
    }

    #[cfg(target_arch = "wasm32")]
    fn requantize(sums: &[i32], factors: &[f32], bounds: &Bounds, bytes: &mut [u8]) {
        let (sums, factors, bytes) = sixteens(sums, factors, bytes);
        if !bytes.is_empty() {
            let (sums, factors) = (sums.as_ptr().cast(), factors.as_ptr().cast());
            // SAFETY: the slices have the same number of groups of sixteen.
            unsafe {
                infer_bytes_16(
                    bytes.len(),
                    sums,
                    factors,
                    bounds,
                    bytes.as_mut_ptr().cast(),
                )
            };
        }
    }
}

impl Accumulator for f32 {
    #[inline(always)]
    fn load(from: &[f32; LANES]) -> Lanes {
        Lanes::load(from)
    }

    #[inline(always)]
    fn integer(self) -> i32 {
        self as i32
    }
}
