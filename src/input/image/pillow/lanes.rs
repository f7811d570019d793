//! Sums of weighted bytes, several at a time: 16-bit products that are added in pairs, as WebAssembly's `i32x4.dot_i16x8_s`
//! computes them.

#[cfg(not(target_arch = "wasm32"))]
pub(super) use plain::{Pairs, Sums};
#[cfg(target_arch = "wasm32")]
pub(super) use simd::{Pairs, Sums};

#[cfg(not(target_arch = "wasm32"))]
mod plain {
    /// Four pairs of values.
    #[derive(Clone, Copy)]
    pub(crate) struct Pairs([[i16; 2]; 4]);

    impl Pairs {
        /// The same pair four times.
        pub(crate) fn splat(pair: [i16; 2]) -> Self {
            Self([pair; 4])
        }

        /// Red, green and blue of four pixels: the first two of each channel in a pair, and the last two.
        pub(crate) fn of_pixels(bytes: &[u8; 16]) -> [Self; 2] {
            let pair = |first: usize| [bytes[first], bytes[first + 3]].map(i16::from);
            [0, 6].map(|at| Self([pair(at), pair(at + 1), pair(at + 2), [0; 2]]))
        }

        /// Each byte of one row with that of another.
        pub(crate) fn of_rows(a: &[u8; 16], b: &[u8; 16]) -> [Self; 4] {
            let pair = |at: usize| [a[at], b[at]].map(i16::from);
            [0, 4, 8, 12].map(|at| Self([pair(at), pair(at + 1), pair(at + 2), pair(at + 3)]))
        }
    }

    /// Four sums.
    #[derive(Clone, Copy)]
    pub(crate) struct Sums([i32; 4]);

    impl Sums {
        /// Four times 0.
        pub(crate) fn zero() -> Self {
            Self([0; 4])
        }

        /// Add the products of each pair.
        pub(crate) fn add(self, values: Pairs, weights: Pairs) -> Self {
            let mut sums = self.0;
            for ((sum, values), weights) in sums.iter_mut().zip(values.0).zip(weights.0) {
                for (value, weight) in values.into_iter().zip(weights) {
                    *sum += i32::from(value) * i32::from(weight);
                }
            }
            Self(sums)
        }

        /// The four values.
        pub(crate) fn values(self) -> [i32; 4] {
            self.0
        }
    }
}

#[cfg(target_arch = "wasm32")]
mod simd {
    use core::arch::wasm32::*;

    /// Four pairs of values.
    #[derive(Clone, Copy)]
    pub(crate) struct Pairs(v128);

    fn load(bytes: &[u8; 16]) -> v128 {
        // SAFETY: the pointer is that of 16 bytes, and the instruction needs no alignment.
        unsafe { v128_load(bytes.as_ptr().cast()) }
    }

    impl Pairs {
        /// The same pair four times.
        pub(crate) fn splat([first, second]: [i16; 2]) -> Self {
            Self(i32x4_splat(
                (i32::from(first) & 0xffff) | (i32::from(second) << 16),
            ))
        }

        /// Red, green and blue of four pixels: the first two of each channel in a pair, and the last two.
        pub(crate) fn of_pixels(bytes: &[u8; 16]) -> [Self; 2] {
            let (bytes, zero) = (load(bytes), u8x16_splat(0));
            [
                Self(u8x16_shuffle::<
                    0,
                    16,
                    3,
                    16,
                    1,
                    16,
                    4,
                    16,
                    2,
                    16,
                    5,
                    16,
                    16,
                    16,
                    16,
                    16,
                >(bytes, zero)),
                Self(u8x16_shuffle::<
                    6,
                    16,
                    9,
                    16,
                    7,
                    16,
                    10,
                    16,
                    8,
                    16,
                    11,
                    16,
                    16,
                    16,
                    16,
                    16,
                >(bytes, zero)),
            ]
        }

        /// Each byte of one row with that of another.
        pub(crate) fn of_rows(a: &[u8; 16], b: &[u8; 16]) -> [Self; 4] {
            let (a, b) = (load(a), load(b));
            let low = u8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(a, b);
            let high =
                u8x16_shuffle::<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>(a, b);
            [
                u16x8_extend_low_u8x16(low),
                u16x8_extend_high_u8x16(low),
                u16x8_extend_low_u8x16(high),
                u16x8_extend_high_u8x16(high),
            ]
            .map(Self)
        }
    }

    /// Four sums.
    #[derive(Clone, Copy)]
    pub(crate) struct Sums(v128);

    impl Sums {
        /// Four times 0.
        pub(crate) fn zero() -> Self {
            Self(i32x4_splat(0))
        }

        /// Add the products of each pair.
        pub(crate) fn add(self, values: Pairs, weights: Pairs) -> Self {
            Self(i32x4_add(self.0, i32x4_dot_i16x8(values.0, weights.0)))
        }

        /// The four values.
        pub(crate) fn values(self) -> [i32; 4] {
            [
                i32x4_extract_lane::<0>(self.0),
                i32x4_extract_lane::<1>(self.0),
                i32x4_extract_lane::<2>(self.0),
                i32x4_extract_lane::<3>(self.0),
            ]
        }
    }
}
