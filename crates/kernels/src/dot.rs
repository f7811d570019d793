//! Dot products of uint8 inputs and int8 weights.
//!
//! WebAssembly has one instruction for products of bytes, `i32x4.relaxed_dot_i8x16_i7x16_add_s`. It is specified for inputs below
//! 128; for larger ones the result depends on the host. x86-64 takes them as unsigned, but saturates the sum of two products to
//! int16; other processors take them as negative. So [`RelaxedDot::detect`] tests the instruction first:
//!
//! - If inputs are unsigned, bytes are multiplied. Of two weights whose products may saturate, a part is multiplied separately
//!   (the residual weights of `packed_int8.rs`). 7-bit weights, as quantizers write them with `reduce_range`, have no such pairs;
//!   8-bit weights have them in a few percent of their words if quantized per tensor, and in a third if quantized per channel.
//! - If there are too many such pairs, weights are multiplied as int16 by `i32x4.dot_i16x8_s`, which is exact everywhere and half as
//!   fast.
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
    /// Inputs are unsigned, and the sums of the first and the last two of four products saturate to int16.
    Saturating,
    /// The result is wrong, or the instruction is missing.
    Other,
}

impl RelaxedDot {
    /// Test the instruction on this host. Do not cache the result: a snapshot may have been made on another machine.
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
            // SAFETY: each row has four bytes, a word.
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
        /// In `codegen/dot.rs`: rows of bytes.
        fn infer_dot_bytes_4x8 | infer_dot_bytes_short_4x8(
            panels: usize,
            words: usize,
            rows: *const [*const u8; ROWS],
            weights: *const i32,
            c: *mut i32,
            row_bytes: usize,
        )
    }

    /// In `codegen/dot.rs`: a row of bytes.
    fn infer_dot_bytes_1x32(
        blocks: usize,
        words: usize,
        row: *const u8,
        weights: *const i32,
        panel_bytes: usize,
        c: *mut i32,
    );

    /// In `codegen/dot.rs`: a row of numbers of sixteen bits.
    fn infer_dot_halves_1x32(
        blocks: usize,
        words: usize,
        row: *const i16,
        weights: *const i32,
        panel_bytes: usize,
        c: *mut i32,
    );

    /// In `codegen/dot.rs`: rows of bytes, and what is left of weights.
    fn infer_dot_rest_4x4(
        rows: *const [*const u8; ROWS],
        rest: *const i32,
        end: *const i32,
        c: *mut i32,
        row_bytes: usize,
    );

    kernel! {
        /// In `codegen/dot.rs`: rows of numbers of sixteen bits.
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
    /// Panels in the form in which they are multiplied.
    type Some<'a>;

    fn some(panels: &PackedInt8, range: Range<usize>) -> Self::Some<'_>;

    /// Rows of sums, which are as far apart as there are columns in `some`: as many as `height`, four at the most, and of the
    /// others anything. Rows beyond the height are the last one again.
    ///
    /// # Safety
    /// Each of `rows` must be valid for reads of [`PackedInt8::row`] elements.
    unsafe fn multiply(
        some: &Self::Some<'_>,
        rows: [*const Self; ROWS],
        height: usize,
        sums: &mut [Self::Sum],
    );

    /// Copy bytes.
    #[inline(always)]
    fn copy(bytes: &[u8], to: &mut [Self]) {
        for (to, &byte) in to.iter_mut().zip(bytes) {
            *to = byte.into();
        }
    }

    /// A row of bytes that is there already, where it does.
    fn row(_: &[u8]) -> Option<*const Self> {
        None
    }
}

/// Some panels.
pub(crate) struct Words<'a> {
    words: &'a [i32],
    /// Words in a column, not zero.
    a_column: usize,
    /// How many they are, not zero.
    panels: usize,
    rest: Entries<'a>,
}

/// Kernels of `codegen/dot.rs`.
#[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
struct Kernels<T> {
    /// Of any number of words a column, and of few: panels, words, rows, weights, sums and bytes from one row of
    /// sums to the next.
    rows: [unsafe extern "C" fn(usize, usize, *const [*const T; ROWS], *const i32, *mut i32, usize);
        2],
    /// Of one row: fours of panels, words, the row, weights, bytes of a panel, sums.
    row: unsafe extern "C" fn(usize, usize, *const T, *const i32, usize, *mut i32),
}

impl<'a> Words<'a> {
    fn of(panels: &'a PackedInt8, range: Range<usize>) -> Self {
        let words = panels.words(range.clone());
        Self::new(words, panels.a_column(), panels.rest(range))
    }

    fn new(words: &'a [i32], a_column: usize, rest: Entries<'a>) -> Self {
        let a_panel = (a_column + 1) * COLUMNS;
        assert!(a_column > 0 && !words.is_empty(), "panels");
        assert!(words.len().is_multiple_of(a_panel), "panels");
        Self {
            words,
            a_column,
            panels: words.len() / a_panel,
            rest,
        }
    }

    /// The sums, by kernels, and how many bytes there are from one row of them to the next: none where there is one row.
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
        let kernel = match self.a_column <= unrolled::DOT {
            true => short,
            false => long,
        };
        let (done, stride) = match height {
            1 => (self.panels / PANELS_ABREAST * PANELS_ABREAST, 0),
            _ => (0, self.panels * COLUMNS * size_of::<i32>()),
        };
        let a_panel = (self.a_column + 1) * COLUMNS;
        let (words, sums) = (self.words.as_ptr(), sums.as_mut_ptr());
        // SAFETY: the kernels read as many words of each row as a column has, which the caller vouches for, all
        // weights, and write eight sums a panel in each row. Where all rows are the same one, it is written more than once.
        unsafe {
            if done > 0 {
                let a_panel = a_panel * size_of::<i32>();
                let fours = done / PANELS_ABREAST;
                (kernels.row)(fours, self.a_column, rows[0], words, a_panel, sums);
            }
            if done < self.panels {
                kernel(
                    self.panels - done,
                    self.a_column,
                    &raw const rows,
                    words.add(done * a_panel),
                    sums.add(done * COLUMNS),
                    stride,
                );
            }
        }
        stride
    }

    /// Whether there is room for four rows of sums.
    fn check(&self, sums: &[i32]) {
        assert!(sums.len() >= ROWS * self.panels * COLUMNS, "sums");
    }

    /// The sums, one by one: `product` gives that of a row from a word on, and a word of weights.
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
            .chunks_exact((self.a_column + 1) * COLUMNS)
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
        for (column, word, words) in self.rest.each() {
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
    type Some<'a> = Words<'a>;

    fn some(panels: &PackedInt8, range: Range<usize>) -> Words<'_> {
        debug_assert_eq!(panels.a_word(), QUAD);
        Words::of(panels, range)
    }

    unsafe fn multiply(
        some: &Words<'_>,
        rows: [*const Self; ROWS],
        height: usize,
        sums: &mut [i32],
    ) {
        #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
        // SAFETY: the caller vouches for the rows, in which the bytes are that what is left of weights names; sums there are
        // for all panels.
        unsafe {
            let kernels = Kernels {
                rows: [infer_dot_bytes_4x8, infer_dot_bytes_short_4x8],
                row: infer_dot_bytes_1x32,
            };
            let stride = some.multiply_by(&kernels, rows, height, sums);
            let rest = some.rest;
            if !rest.words.is_empty() {
                let words = rest.words.as_ptr_range();
                let sums = sums.as_mut_ptr().wrapping_byte_sub(rest.start);
                infer_dot_rest_4x4(&raw const rows, words.start, words.end, sums, stride);
            }
        }
        #[cfg(not(all(target_arch = "wasm32", target_feature = "relaxed-simd")))]
        some.multiply(height, sums, |row, word, weights| {
            // SAFETY: the caller vouches for four bytes a word.
            let row = unsafe { rows[row].add(word * QUAD).cast::<[u8; QUAD]>().read() };
            // As processors do it that cut sums off, so that tests see it.
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
    type Some<'a> = Words<'a>;

    fn some(panels: &PackedInt8, range: Range<usize>) -> Words<'_> {
        debug_assert_eq!(panels.a_word(), PAIR);
        Words::of(panels, range)
    }

    unsafe fn multiply(
        some: &Words<'_>,
        rows: [*const Self; ROWS],
        height: usize,
        sums: &mut [i32],
    ) {
        #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
        // SAFETY: the caller vouches for the rows.
        unsafe {
            let kernels = Kernels {
                rows: [infer_dot_halves_4x8, infer_dot_halves_short_4x8],
                row: infer_dot_halves_1x32,
            };
            some.multiply_by(&kernels, rows, height, sums);
        }
        #[cfg(not(all(target_arch = "wasm32", target_feature = "relaxed-simd")))]
        some.multiply(height, sums, |row, word, weights| {
            // SAFETY: the caller vouches for two numbers a word.
            let row = unsafe { rows[row].add(word * PAIR).cast::<[i16; PAIR]>().read() };
            i32::from(row[0]) * i32::from(weights as i16) + i32::from(row[1]) * (weights >> 16)
        });
    }
}

/// FP32, whose sums are exact up to 2^24, for hosts where products of bytes are not.
impl Element for f32 {
    type Sum = f32;
    type Some<'a> = Packed;

    fn some(panels: &PackedInt8, range: Range<usize>) -> Packed {
        let columns = range.len() * COLUMNS;
        let size = (panels.a_column() + 1) * COLUMNS;
        let mut values = Vec::with_capacity((panels.row() + 1) * columns);
        for words in panels.words(range.clone()).chunks_exact(size) {
            let (bias, words) = words.split_at(COLUMNS);
            values.extend(bias.iter().map(|&bias| bias as f32));
            for words in words.chunks_exact(COLUMNS) {
                for next in 0..panels.a_word() {
                    let weight = |&word: &i32| f32::from(number(word, panels.a_word(), next));
                    values.extend(words.iter().map(weight));
                }
            }
        }
        let a_panel = (1 + panels.row()) * COLUMNS;
        for (column, word, words) in panels.rest(range).each() {
            let (panel, column) = (column / COLUMNS, column % COLUMNS);
            let start = panel * a_panel + (1 + word * QUAD) * COLUMNS + column;
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
        // SAFETY: the caller vouches for as many elements of each row as `packed` has rows.
        unsafe { target.compute(rows, packed, panels, 0, if height == 1 { 1 } else { ROWS }) };
    }
}
