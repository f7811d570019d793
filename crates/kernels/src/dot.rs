//! Dot products of uint8 inputs and int8 weights.
//!
//! WebAssembly has one instruction for products of bytes, `i32x4.relaxed_dot_i8x16_i7x16_add_s`. It is specified for
//! inputs below 128; for larger inputs the result depends on the host. x86-64 treats them as unsigned, but saturates
//! the sum of two products to int16; other processors treat them as negative. So [`RelaxedDot::detect`] tests the
//! instruction first:
//!
//! - If the instruction treats inputs as unsigned, inputs and weights are multiplied as bytes. If the products of a
//!   pair of weights may saturate, part of the pair is multiplied separately (the residual weights of
//!   `packed_int8.rs`). 7-bit weights, which quantizers write with `reduce_range`, have no such pairs. 8-bit weights
//!   have them in a few percent of their words if quantized per tensor, and in a third if quantized per channel.
//! - If there are too many such pairs, inputs and weights are multiplied as int16 by `i32x4.dot_i16x8_s`, which is
//!   exact everywhere and half as fast.
//! - On other hosts the products are computed in f32.

use std::ops::Range;

use crate::accumulator::Accumulator;
use crate::gemm::{Clamp, Packed, Target};
use crate::layout::{COLUMNS, PAIR, QUAD, ROWS};
#[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
use crate::layout::{PANELS_ABREAST, unrolled};
use crate::packed_int8::{Entries, PackedInt8, number};
use crate::spec::copy;

/// The behavior of the relaxed dot instruction for inputs of 128 and more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelaxedDot {
    /// Inputs are unsigned, and sums are exact.
    Exact,
    /// Inputs are unsigned, and the sum of the first two of four products and that of the last two saturate to int16.
    Saturating,
    /// The result is wrong, or the instruction is missing.
    Other,
}

impl RelaxedDot {
    /// Test the instruction on this host. Do not cache the result, because a snapshot may come from another machine.
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(not(target_arch = "wasm32"))]
        return Self::Exact;
        #[cfg(all(target_arch = "wasm32", not(target_feature = "relaxed-simd")))]
        return Self::Other;
        #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
        {
            // Test the kernel itself: four times 127 * 255 in each column.
            let row = std::hint::black_box([0xff; QUAD]);
            let mut panel = [0x7f7f_7f7f; 2 * COLUMNS];
            panel[..COLUMNS].fill(0);
            let mut sums = [0; ROWS * COLUMNS];
            let words = Words::new(&panel, 1, Entries::default());
            // SAFETY: each row has one word of four bytes.
            unsafe { u8::multiply(&words, [row.as_ptr(); ROWS], ROWS, &mut sums) };
            match sums[0] {
                sum if sums.iter().any(|&other| other != sum) => Self::Other,
                129_540 => Self::Exact,
                65_534 => Self::Saturating,
                _ => Self::Other,
            }
        }
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
unsafe extern "C" {
    kernel! {
        /// In `codegen/dot.rs`: four rows of uint8.
        fn infer_dot_bytes_4x8 | infer_dot_bytes_short_4x8(
            panels: usize,
            words: usize,
            rows: *const [*const u8; ROWS],
            weights: *const i32,
            c: *mut i32,
            row_bytes: usize,
        )
    }

    /// In `codegen/dot.rs`: one row of uint8.
    fn infer_dot_bytes_1x32(
        blocks: usize,
        words: usize,
        row: *const u8,
        weights: *const i32,
        panel_bytes: usize,
        c: *mut i32,
    );

    /// In `codegen/dot.rs`: one row of int16.
    fn infer_dot_halves_1x32(
        blocks: usize,
        words: usize,
        row: *const i16,
        weights: *const i32,
        panel_bytes: usize,
        c: *mut i32,
    );

    /// In `codegen/dot.rs`: four rows of uint8 and residual weights.
    fn infer_dot_rest_4x4(
        rows: *const [*const u8; ROWS],
        rest: *const i32,
        end: *const i32,
        c: *mut i32,
        row_bytes: usize,
    );

    kernel! {
        /// In `codegen/dot.rs`: four rows of int16.
        fn infer_dot_halves_4x8 | infer_dot_halves_short_4x8(
            panels: usize,
            words: usize,
            rows: *const [*const i16; ROWS],
            weights: *const i32,
            c: *mut i32,
            row_bytes: usize,
        )
    }
}

/// The type that inputs are converted to before they are multiplied.
pub(crate) trait Element: Copy + Default + From<u8> {
    /// The type of the sums.
    type Sum: Accumulator;
    /// Panels of weights in the form that [`Element::multiply`] reads.
    type Panels<'a>;

    fn panels(panels: &PackedInt8, range: Range<usize>) -> Self::Panels<'_>;

    /// Compute `height` rows of sums, four at most. The distance between rows is the number of columns in `packed`. The
    /// contents of the other rows of `sums` are unspecified. Pointers in `rows` beyond `height` repeat the last row.
    ///
    /// # Safety
    /// Each of `rows` must be valid for reads of [`PackedInt8::row`] elements.
    unsafe fn multiply(
        packed: &Self::Panels<'_>,
        rows: [*const Self; ROWS],
        height: usize,
        sums: &mut [Self::Sum],
    );

    /// Convert bytes to elements.
    #[inline(always)]
    fn copy(bytes: &[u8], to: &mut [Self]) {
        for (to, &byte) in to.iter_mut().zip(bytes) {
            *to = byte.into();
        }
    }

    /// A pointer to the bytes themselves, if they need no conversion.
    fn row(_: &[u8]) -> Option<*const Self> {
        None
    }
}

/// Some panels of packed words.
pub(crate) struct Words<'a> {
    words: &'a [i32],
    /// Not zero.
    words_per_column: usize,
    /// The number of panels, not zero.
    panels: usize,
    residual: Entries<'a>,
}

/// Kernels of `codegen/dot.rs`.
#[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
struct Kernels<T> {
    /// The kernels for four rows: one with a loop, and the unrolled one for few words per column. Parameters: panels,
    /// words per column, rows, weights, sums, and the distance between rows of sums in bytes.
    rows: [unsafe extern "C" fn(usize, usize, *const [*const T; ROWS], *const i32, *mut i32, usize);
        2],
    /// The kernel for one row. Parameters: groups of four panels, words per column, row, weights, bytes per panel, sums.
    row: unsafe extern "C" fn(usize, usize, *const T, *const i32, usize, *mut i32),
}

impl<'a> Words<'a> {
    fn of(panels: &'a PackedInt8, range: Range<usize>) -> Self {
        let words = panels.words(range.clone());
        Self::new(words, panels.words_per_column(), panels.residual(range))
    }

    fn new(words: &'a [i32], words_per_column: usize, residual: Entries<'a>) -> Self {
        let words_per_panel = (words_per_column + 1) * COLUMNS;
        assert!(words_per_column > 0 && !words.is_empty(), "panels");
        assert!(words.len().is_multiple_of(words_per_panel), "panels");
        Self {
            words,
            words_per_column,
            panels: words.len() / words_per_panel,
            residual,
        }
    }

    /// Compute the sums with kernels. Returns the distance between rows of sums in bytes, which is 0 for a single row.
    ///
    /// # Safety
    /// Each of `rows` must be valid for reads of as many words as a column has.
    #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn multiply_by<T>(
        &self,
        kernels: &Kernels<T>,
        rows: [*const T; ROWS],
        height: usize,
        sums: &mut [i32],
    ) -> usize {
        self.check(sums);
        let [long, short] = kernels.rows;
        let kernel = match self.words_per_column <= unrolled::DOT {
            true => short,
            false => long,
        };
        let (done, stride) = match height {
            1 => (self.panels / PANELS_ABREAST * PANELS_ABREAST, 0),
            _ => (0, self.panels * COLUMNS * size_of::<i32>()),
        };
        let words_per_panel = (self.words_per_column + 1) * COLUMNS;
        let (words, sums) = (self.words.as_ptr(), sums.as_mut_ptr());
        // SAFETY: of each row, the kernels read as many words as a column has, which the caller guarantees. They read all
        // weights, and write eight sums per panel and row. With a stride of 0, all rows of sums are the same memory.
        unsafe {
            if done > 0 {
                let panel_bytes = words_per_panel * size_of::<i32>();
                let fours = done / PANELS_ABREAST;
                (kernels.row)(
                    fours,
                    self.words_per_column,
                    rows[0],
                    words,
                    panel_bytes,
                    sums,
                );
            }
            if done < self.panels {
                kernel(
                    self.panels - done,
                    self.words_per_column,
                    &raw const rows,
                    words.add(done * words_per_panel),
                    sums.add(done * COLUMNS),
                    stride,
                );
            }
        }
        stride
    }

    /// Assert that `sums` has room for four rows.
    fn check(&self, sums: &[i32]) {
        assert!(sums.len() >= ROWS * self.panels * COLUMNS, "sums");
    }

    /// Compute the sums in plain Rust. `product` returns the dot product of a row's word and a word of weights.
    #[cfg(not(all(target_arch = "wasm32", target_feature = "relaxed-simd")))]
    fn multiply(
        &self,
        height: usize,
        sums: &mut [i32],
        product: impl Fn(usize, usize, i32) -> i32,
    ) {
        self.check(sums);
        let panels = self.panels;
        for (panel, words) in self
            .words
            .chunks_exact((self.words_per_column + 1) * COLUMNS)
            .enumerate()
        {
            let (bias, words) = words.split_at(COLUMNS);
            for row in 0..height {
                let sums = &mut sums[(row * panels + panel) * COLUMNS..][..COLUMNS];
                sums.copy_from_slice(bias);
                for (word, words) in words.chunks_exact(COLUMNS).enumerate() {
                    for (sum, &weights) in sums.iter_mut().zip(words) {
                        *sum += product(row, word, weights);
                    }
                }
            }
        }
        for (column, word, words) in self.residual.each() {
            for row in 0..height {
                let sums = &mut sums[row * panels * COLUMNS + column..];
                for (sum, &weights) in sums.iter_mut().zip(words) {
                    *sum += product(row, word, weights);
                }
            }
        }
    }
}

impl Element for u8 {
    type Sum = i32;
    type Panels<'a> = Words<'a>;

    fn panels(panels: &PackedInt8, range: Range<usize>) -> Words<'_> {
        debug_assert_eq!(panels.per_word(), QUAD);
        Words::of(panels, range)
    }

    unsafe fn multiply(
        packed: &Words<'_>,
        rows: [*const Self; ROWS],
        height: usize,
        sums: &mut [i32],
    ) {
        #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
        // SAFETY: the caller guarantees the rows, which contain all bytes that the residual weights refer to, and `sums`
        // has room for all panels.
        unsafe {
            let kernels = Kernels {
                rows: [infer_dot_bytes_4x8, infer_dot_bytes_short_4x8],
                row: infer_dot_bytes_1x32,
            };
            let stride = packed.multiply_by(&kernels, rows, height, sums);
            let residual = packed.residual;
            if !residual.words.is_empty() {
                let words = residual.words.as_ptr_range();
                let sums = sums.as_mut_ptr().wrapping_byte_sub(residual.start);
                infer_dot_rest_4x4(&raw const rows, words.start, words.end, sums, stride);
            }
        }
        #[cfg(not(all(target_arch = "wasm32", target_feature = "relaxed-simd")))]
        packed.multiply(height, sums, |row, word, weights| {
            // SAFETY: the caller guarantees four bytes for each word.
            let row = unsafe { rows[row].add(word * QUAD).cast::<[u8; QUAD]>().read() };
            // Saturate sums as x86-64 does, so that tests cover it.
            let product = |at: usize| i32::from(row[at]) * i32::from(number(weights, QUAD, at));
            let pair =
                |at: usize| (product(at) + product(at + 1)).clamp(i16::MIN.into(), i16::MAX.into());
            pair(0) + pair(2)
        });
    }

    #[inline(always)]
    fn copy(bytes: &[u8], to: &mut [Self]) {
        copy(bytes, to);
    }

    #[inline(always)]
    fn row(bytes: &[u8]) -> Option<*const Self> {
        Some(bytes.as_ptr())
    }
}

impl Element for i16 {
    type Sum = i32;
    type Panels<'a> = Words<'a>;

    fn panels(panels: &PackedInt8, range: Range<usize>) -> Words<'_> {
        debug_assert_eq!(panels.per_word(), PAIR);
        Words::of(panels, range)
    }

    unsafe fn multiply(
        packed: &Words<'_>,
        rows: [*const Self; ROWS],
        height: usize,
        sums: &mut [i32],
    ) {
        #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
        // SAFETY: the caller guarantees the rows.
        unsafe {
            let kernels = Kernels {
                rows: [infer_dot_halves_4x8, infer_dot_halves_short_4x8],
                row: infer_dot_halves_1x32,
            };
            packed.multiply_by(&kernels, rows, height, sums);
        }
        #[cfg(not(all(target_arch = "wasm32", target_feature = "relaxed-simd")))]
        packed.multiply(height, sums, |row, word, weights| {
            // SAFETY: the caller guarantees two elements for each word.
            let row = unsafe { rows[row].add(word * PAIR).cast::<[i16; PAIR]>().read() };
            i32::from(row[0]) * i32::from(weights as i16) + i32::from(row[1]) * (weights >> 16)
        });
    }
}

/// f32, whose sums are exact up to 2^24, for hosts without usable products of bytes.
impl Element for f32 {
    type Sum = f32;
    type Panels<'a> = Packed;

    fn panels(panels: &PackedInt8, range: Range<usize>) -> Packed {
        let columns = range.len() * COLUMNS;
        let size = (panels.words_per_column() + 1) * COLUMNS;
        let mut values = Vec::with_capacity((panels.row() + 1) * columns);
        for words in panels.words(range.clone()).chunks_exact(size) {
            let (bias, words) = words.split_at(COLUMNS);
            values.extend(bias.iter().map(|&bias| bias as f32));
            for words in words.chunks_exact(COLUMNS) {
                for next in 0..panels.per_word() {
                    let weight = |&word: &i32| f32::from(number(word, panels.per_word(), next));
                    values.extend(words.iter().map(weight));
                }
            }
        }
        let values_per_panel = (1 + panels.row()) * COLUMNS;
        for (column, word, words) in panels.residual(range).each() {
            let (panel, column) = (column / COLUMNS, column % COLUMNS);
            let start = panel * values_per_panel + (1 + word * QUAD) * COLUMNS + column;
            let rows = values[start..].chunks_mut(COLUMNS).take(QUAD);
            for (next, values) in rows.enumerate() {
                for (value, &word) in values.iter_mut().zip(words) {
                    *value += f32::from(number(word, QUAD, next));
                }
            }
        }
        Packed::of_panels(values, panels.row(), columns)
    }

    unsafe fn multiply(
        packed: &Packed,
        rows: [*const Self; ROWS],
        height: usize,
        sums: &mut [f32],
    ) {
        let panels = 0..packed.n() / COLUMNS;
        let mut target = Target {
            c: sums,
            residual: None,
            stride: packed.n(),
            column: 0,
            clamp: Clamp::NONE,
            quantization: None,
        };
        // SAFETY: the caller guarantees as many elements in each row as `packed` has rows.
        unsafe { target.compute(rows, packed, panels, 0, if height == 1 { 1 } else { ROWS }) };
    }
}
