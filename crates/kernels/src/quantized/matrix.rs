//! Products with int8 matrices whose inputs are quantized only when they are multiplied, as networks with dynamic
//! quantization do.

use crate::accumulator::Accumulator;
use crate::dot::{Element, RelaxedDot};
use crate::layout::{COLUMNS, ROWS};
use crate::packed_int8::PackedInt8;

/// Bytes of a block of panels, which is multiplied with all rows before the next block: it stays in the L2 cache
/// together with the rows.
const BLOCK_BYTES: usize = 512 * 1024;

/// The largest number of rows of a matrix, for which no sum overflows int32.
const MAX_K: usize = 1 << 15;

/// A packed int8 matrix `[k, n]` with a zero point for each column.
#[derive(Clone, Debug)]
pub struct QuantizedMatrix {
    panels: PackedInt8,
    k: usize,
    n: usize,
    /// The sum of each column's weights.
    sums: Vec<i32>,
    /// The zero point of each column; empty if all are zero.
    zeros: Vec<i32>,
}

/// Rows of uint8 inputs, and their zero points.
#[derive(Clone, Copy, Debug)]
pub struct QuantizedRows<'a> {
    /// The rows, one after the other.
    pub bytes: &'a [u8],
    /// One zero point for all rows, or one for each.
    pub zeros: &'a [i32],
}

impl QuantizedMatrix {
    /// Pack `[k, n]`; `weight` returns the element of a row and a column, `zero` the zero point of a column. `None` if the
    /// matrix is empty, or has so many rows that sums may overflow int32.
    #[must_use]
    pub fn new(
        k: usize,
        n: usize,
        weight: impl Fn(usize, usize) -> i8,
        zero: impl Fn(usize) -> i32,
    ) -> Option<Self> {
        if k == 0 || n == 0 || k > MAX_K {
            return None;
        }
        let zeros: Vec<i32> = (0..n).map(zero).collect();
        let sum = |column| (0..k).map(|row| i32::from(weight(row, column))).sum();
        Some(Self {
            k,
            n,
            sums: (0..n).map(sum).collect(),
            zeros: match zeros.iter().all(|&zero| zero == 0) {
                true => Vec::new(),
                false => zeros,
            },
            panels: PackedInt8::new(k, n, &weight, |_| 0),
        })
    }

    /// The number of rows.
    #[must_use]
    pub fn k(&self) -> usize {
        self.k
    }

    /// The number of columns.
    #[must_use]
    pub fn n(&self) -> usize {
        self.n
    }

    /// `c = (a - zeros of a) * (matrix - zeros)`: `a` is row-major `[m, k]`, `c` is `[m, n]`.
    ///
    /// # Panics
    /// If a slice has another length.
    pub fn multiply(&self, a: QuantizedRows<'_>, c: &mut [i32]) {
        assert_eq!(c.len() / self.n * self.k, a.bytes.len(), "results");
        self.each(a, |row, first, sums| {
            c[row * self.n + first..][..sums.len()].copy_from_slice(sums);
        });
    }

    /// The same product, scaled: each sum times the column's factor, plus `added`, which has a value for each column or
    /// for each sum.
    ///
    /// # Panics
    /// If a slice has another length.
    pub fn multiply_scaled(
        &self,
        a: QuantizedRows<'_>,
        factors: &[f32],
        added: Option<&[f32]>,
        c: &mut [f32],
    ) {
        let n = self.n;
        assert_eq!(factors.len(), n, "factors");
        assert_eq!(c.len() / n * self.k, a.bytes.len(), "results");
        assert!(
            added.is_none_or(|added| added.len() == n || added.len() == c.len()),
            "added values"
        );
        self.each(a, |row, first, sums| {
            let at = row * n + first;
            let c = &mut c[at..][..sums.len()];
            let scaled = sums.iter().zip(&factors[first..]);
            match added {
                None => {
                    for (c, (&sum, factor)) in c.iter_mut().zip(scaled) {
                        *c = sum as f32 * factor;
                    }
                }
                Some(added) => {
                    let start = if added.len() == n { first } else { at };
                    for ((c, (&sum, factor)), added) in
                        c.iter_mut().zip(scaled).zip(&added[start..])
                    {
                        *c = sum as f32 * factor + added;
                    }
                }
            }
        });
    }

    /// Calls `finish` with the sums of some columns of each row: the row, the first column, and the sums.
    fn each(&self, a: QuantizedRows<'_>, finish: impl FnMut(usize, usize, &[i32])) {
        self.each_with(RelaxedDot::detect(), a, finish);
    }

    fn each_with(
        &self,
        products: RelaxedDot,
        a: QuantizedRows<'_>,
        finish: impl FnMut(usize, usize, &[i32]),
    ) {
        let m = a.bytes.len() / self.k;
        assert_eq!(a.bytes.len(), m * self.k, "rows");
        assert!(a.zeros.len() == 1 || a.zeros.len() == m, "zero points");
        match products {
            RelaxedDot::Other => self.compute::<f32>(m, a, finish),
            _ if self.panels.are_bytes() => self.compute::<u8>(m, a, finish),
            _ => self.compute::<i16>(m, a, finish),
        }
    }

    fn compute<T: Element>(
        &self,
        m: usize,
        a: QuantizedRows<'_>,
        mut finish: impl FnMut(usize, usize, &[i32]),
    ) {
        let (panels, row_size) = (&self.panels, self.panels.row());
        let panels_per_block = (BLOCK_BYTES / ((row_size + 1) * COLUMNS * size_of::<T>())).max(1);
        let most = COLUMNS * panels_per_block.min(panels.count());
        let mut sums = vec![T::Sum::default(); ROWS * most];
        let mut results = vec![0; most];
        let mut patches = vec![T::default(); ROWS * row_size];
        for block in (0..panels.count()).step_by(panels_per_block) {
            let range = block..panels.count().min(block + panels_per_block);
            let (columns, first) = (range.len() * COLUMNS, block * COLUMNS);
            let width = columns.min(self.n - first);
            let packed = T::panels(panels, range);
            let sums = &mut sums[..ROWS * columns];
            for top in (0..m).step_by(ROWS) {
                let height = ROWS.min(m - top);
                let rows = self.rows(a.bytes, top, height, &mut patches);
                // SAFETY: each pointer points to all elements of a row: in the input, or in a patch.
                unsafe { T::multiply(&packed, rows, height, sums) };
                for (at, sums) in sums.chunks_exact(columns).take(height).enumerate() {
                    let results = &mut results[..width];
                    self.center(a, top + at, first, sums, results);
                    finish(top + at, first, results);
                }
            }
        }
    }

    /// Pointers to `height` rows from `top` on; further pointers repeat the last. Rows that need a conversion, or that are
    /// shorter than what the kernels read, are copied into `patches`.
    #[inline(always)]
    fn rows<T: Element>(
        &self,
        bytes: &[u8],
        top: usize,
        height: usize,
        patches: &mut [T],
    ) -> [*const T; ROWS] {
        let mut rows = [std::ptr::null(); ROWS];
        for (at, patch) in patches.chunks_exact_mut(self.panels.row()).enumerate() {
            if at >= height {
                rows[at] = rows[height - 1];
                continue;
            }
            let bytes = &bytes[(top + at) * self.k..][..self.k];
            let own = T::row(bytes).filter(|_| patch.len() == self.k);
            rows[at] = own.unwrap_or_else(|| {
                T::copy(bytes, &mut patch[..self.k]);
                patch.as_ptr()
            });
        }
        rows
    }

    /// Subtracts the zero points' part from the sums of a row.
    #[inline(always)]
    fn center<S: Accumulator>(
        &self,
        a: QuantizedRows<'_>,
        row: usize,
        first: usize,
        sums: &[S],
        results: &mut [i32],
    ) {
        let zero = a.zeros[row % a.zeros.len()];
        let weights = &self.sums[first..];
        for ((result, sum), &weights) in results.iter_mut().zip(sums).zip(weights) {
            *result = sum.integer().wrapping_sub(zero.wrapping_mul(weights));
        }
        if self.zeros.is_empty() {
            return;
        }
        let bytes = &a.bytes[row * self.k..][..self.k];
        let sum: i32 = bytes.iter().map(|&byte| i32::from(byte)).sum();
        let centered = sum.wrapping_sub(zero.wrapping_mul(self.k as i32));
        for (result, &zero) in results.iter_mut().zip(&self.zeros[first..]) {
            *result = result.wrapping_sub(zero.wrapping_mul(centered));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: usize, span: usize) -> impl Iterator<Item = usize> {
        // In 64 bits, since WebAssembly's `usize` has 32.
        let (seed, span) = (seed as u64, span as u64);
        (0..count as u64)
            .map(move |at| ((at * 7919 + seed * 104_729 + at * at) / 13 % span) as usize)
    }

    #[test]
    fn products_are_exact_on_every_host() {
        // Sizes around those of words, panels, tiles and blocks of four panels; weights that saturate, and that do not.
        for (m, k, n) in [
            (1, 1, 1),
            (1, 7, 40),
            (3, 8, 33),
            (4, 64, 32),
            (6, 130, 70),
            (2, 400, 2000),
        ] {
            for (span, offset) in [(256, 128), (100, 50), (16, -112)] {
                let weights: Vec<i8> = numbers(k * n, 1, span)
                    .map(|w| (w as i32 - offset) as i8)
                    .collect();
                let bytes: Vec<u8> = numbers(m * k, 2, 256).map(|byte| byte as u8).collect();
                let columns: Vec<i32> = numbers(n, 3, 256).map(|zero| zero as i32 - 128).collect();
                let rows: Vec<i32> = numbers(m, 4, 256).map(|zero| zero as i32).collect();
                for (columns, rows) in [(vec![0; n], vec![3]), (columns, rows)] {
                    let matrix = QuantizedMatrix::new(
                        k,
                        n,
                        |row, column| weights[row * n + column],
                        |column| columns[column],
                    )
                    .unwrap();
                    let expected = |row: usize, column: usize| -> i32 {
                        let product = |at: usize| {
                            (i32::from(bytes[row * k + at]) - rows[row % rows.len()])
                                * (i32::from(weights[at * n + column]) - columns[column])
                        };
                        (0..k).map(product).sum()
                    };
                    for products in [RelaxedDot::Exact, RelaxedDot::Other] {
                        let mut count = 0;
                        let a = QuantizedRows {
                            bytes: &bytes,
                            zeros: &rows,
                        };
                        matrix.each_with(products, a, |row, first, sums| {
                            for (at, &sum) in sums.iter().enumerate() {
                                assert_eq!(sum, expected(row, first + at), "{m} {k} {n} {span}");
                                count += 1;
                            }
                        });
                        assert_eq!(count, m * n);
                    }
                }
            }
        }
    }

    #[test]
    fn sums_are_scaled_and_added_to() {
        let matrix = QuantizedMatrix::new(2, 3, |row, column| (row + column) as i8, |_| 0).unwrap();
        let a = QuantizedRows {
            bytes: &[1, 2, 3, 4],
            zeros: &[1],
        };
        let mut sums = [0; 6];
        matrix.multiply(a, &mut sums);
        assert_eq!(sums, [1, 2, 3, 3, 8, 13]);
        let factors = [1.0, 0.5, 2.0];
        let mut scaled = [0.0; 6];
        matrix.multiply_scaled(a, &factors, None, &mut scaled);
        assert_eq!(scaled, [1.0, 1.0, 6.0, 3.0, 4.0, 26.0]);
        matrix.multiply_scaled(a, &factors, Some(&[1.0, 2.0, 3.0]), &mut scaled);
        assert_eq!(scaled, [2.0, 3.0, 9.0, 4.0, 6.0, 29.0]);
        matrix.multiply_scaled(
            a,
            &factors,
            Some(&[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]),
            &mut scaled,
        );
        assert_eq!(scaled, [1.0, 1.0, 6.0, 4.0, 5.0, 27.0]);
    }

    #[test]
    fn empty_and_too_long_matrices_are_refused() {
        for (k, n) in [(0, 3), (3, 0), (MAX_K + 1, 1)] {
            assert!(QuantizedMatrix::new(k, n, |_, _| 1, |_| 0).is_none());
        }
    }
}
