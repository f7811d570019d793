//! Sums of products of bytes, and how they become bytes again.

use crate::lanes::{LANES, Lanes};
use crate::quantized::Bounds;

/// A sum of products.
pub(crate) trait Sum: Copy + Default {
    /// Read four of them.
    ///
    /// # Safety
    /// `from` must be valid for reads of four.
    unsafe fn load(from: *const Self) -> Lanes;

    /// Multiples of sixteen of them, multiplied with a factor each, clamped and rounded, as bytes.
    ///
    /// # Panics
    /// When there are not as many factors and bytes, or no multiple of sixteen.
    fn bytes(sums: &[Self], factors: &[f32], bounds: &Bounds, bytes: &mut [u8]) {
        let (sums, factors, bytes) = sixteens(sums, factors, bytes);
        let (min, max) = (Lanes::splat(bounds.min), Lanes::splat(bounds.max));
        for ((sums, factors), bytes) in sums.iter().zip(factors).zip(bytes) {
            // SAFETY: there are sixteen of each.
            unsafe {
                let fours = std::array::from_fn(|four| {
                    let at = four * LANES;
                    let sums = Self::load(sums.as_ptr().add(at));
                    (sums * Lanes::load(factors.as_ptr().add(at))).clamp(min, max)
                });
                Lanes::store_bytes(fours, Lanes::splat(1.0), bounds.zero, bytes.as_mut_ptr());
            }
        }
    }
}

/// Values that become bytes at a time.
pub(crate) const SIXTEEN: usize = 4 * LANES;

type Sixteens<'a, S> = (
    &'a [[S; SIXTEEN]],
    &'a [[f32; SIXTEEN]],
    &'a mut [[u8; SIXTEEN]],
);

fn sixteens<'a, S>(sums: &'a [S], factors: &'a [f32], bytes: &'a mut [u8]) -> Sixteens<'a, S> {
    assert!(bytes.len().is_multiple_of(SIXTEEN), "bytes");
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

impl Sum for i32 {
    #[inline(always)]
    unsafe fn load(from: *const i32) -> Lanes {
        // SAFETY: the caller vouches for it.
        unsafe { Lanes::load_integers(from) }
    }

    #[cfg(target_arch = "wasm32")]
    fn bytes(sums: &[i32], factors: &[f32], bounds: &Bounds, bytes: &mut [u8]) {
        let (sums, factors, bytes) = sixteens(sums, factors, bytes);
        if !bytes.is_empty() {
            let (sums, factors) = (sums.as_ptr().cast(), factors.as_ptr().cast());
            // SAFETY: there are as many sixteens of each.
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

impl Sum for f32 {
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Lanes {
        // SAFETY: the caller vouches for it.
        unsafe { Lanes::load(from) }
    }
}
