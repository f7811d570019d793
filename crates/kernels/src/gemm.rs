//! f32 matrix products with a packed right side.

use std::collections::TryReserveError;
use std::mem::offset_of;
use std::ops::Range;

use crate::layout::{CLAMP_FIELDS, PANELS_ABREAST};
pub use crate::layout::{COLUMNS, ROWS};
use crate::quantization::QuantParams;
use crate::tile::{Row, Tile};

/// A packed matrix `[k, n]`: panels of eight columns, each with the columns' biases and then row after row; columns
/// beyond `n` are zero.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    panels: Vec<f32>,
    k: usize,
    n: usize,
}

impl Packed {
    /// Pack `[k, n]`; `value` returns the element of a row and a column, `bias` the initial value of a column's sum.
    #[must_use]
    pub fn new(
        k: usize,
        n: usize,
        value: impl Fn(usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
    ) -> Self {
        let mut panels = Vec::with_capacity(n.div_ceil(COLUMNS) * (k + 1) * COLUMNS);
        fill(&mut panels, k, n, value, bias);
        Self { panels, k, n }
    }

    /// As [`Packed::new`], for matrices that come with a request.
    ///
    /// # Errors
    /// If memory is exhausted.
    pub fn try_new(
        k: usize,
        n: usize,
        value: impl Fn(usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
    ) -> Result<Self, TryReserveError> {
        let mut panels = Vec::new();
        let rows = (k.saturating_add(1)).saturating_mul(COLUMNS);
        panels.try_reserve_exact(n.div_ceil(COLUMNS).saturating_mul(rows))?;
        fill(&mut panels, k, n, value, bias);
        Ok(Self { panels, k, n })
    }

    /// Pack a row-major matrix `[k, n]` without a bias into this one's memory.
    ///
    /// # Errors
    /// If memory is exhausted.
    ///
    /// # Panics
    /// If the matrix has another length.
    pub fn repack(&mut self, k: usize, n: usize, matrix: &[f32]) -> Result<(), TryReserveError> {
        assert_eq!(matrix.len(), k * n, "matrix");
        self.panels.clear();
        self.panels
            .try_reserve(n.div_ceil(COLUMNS) * (k + 1) * COLUMNS)?;
        for first in (0..n).step_by(COLUMNS) {
            let width = COLUMNS.min(n - first);
            self.panels.extend([0.0; COLUMNS]);
            for row in matrix.chunks_exact(n).take(k) {
                self.panels.extend_from_slice(&row[first..first + width]);
                self.panels
                    .extend(std::iter::repeat_n(0.0, COLUMNS - width));
            }
        }
        (self.k, self.n) = (k, n);
        Ok(())
    }

    /// Take panels that are already packed.
    ///
    /// # Panics
    /// If their length is not that of a packed matrix `[k, n]`.
    pub(crate) fn of_panels(panels: Vec<f32>, k: usize, n: usize) -> Self {
        assert_eq!(
            panels.len(),
            n.div_ceil(COLUMNS) * (k + 1) * COLUMNS,
            "panels"
        );
        Self { panels, k, n }
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

    fn panels(&self, range: Range<usize>) -> &[f32] {
        let size = (self.k + 1) * COLUMNS;
        &self.panels[range.start * size..range.end * size]
    }
}

/// Append the panels of a matrix.
fn fill(
    panels: &mut Vec<f32>,
    k: usize,
    n: usize,
    value: impl Fn(usize, usize) -> f32,
    bias: impl Fn(usize) -> f32,
) {
    for first in (0..n).step_by(COLUMNS) {
        let columns = first..first + COLUMNS;
        let biases = columns.clone();
        panels.extend(biases.map(|column| if column < n { bias(column) } else { 0.0 }));
        for row in 0..k {
            let line = columns.clone();
            panels.extend(line.map(|column| if column < n { value(row, column) } else { 0.0 }));
        }
    }
}

/// The range that sums are clamped to.
#[derive(Clone, Copy, Debug, PartialEq)]
// The kernels read the fields at fixed offsets.
#[repr(C)]
pub struct Clamp {
    /// Smaller values become this.
    pub min: f32,
    /// Larger values become this.
    pub max: f32,
}

const _: () =
    assert!(offset_of!(Clamp, min) == CLAMP_FIELDS[0] && offset_of!(Clamp, max) == CLAMP_FIELDS[1]);

impl Clamp {
    /// No limits.
    pub const NONE: Self = Self {
        min: f32::NEG_INFINITY,
        max: f32::INFINITY,
    };

    /// Clamp a value; NaN stays NaN.
    #[must_use]
    pub fn apply(self, value: f32) -> f32 {
        let value = if value < self.min { self.min } else { value };
        if value > self.max { self.max } else { value }
    }
}

/// The destination of a product: rows of a matrix that may have more columns than the product.
pub(crate) struct Target<'a> {
    pub(crate) c: &'a mut [f32],
    /// A matrix of the same layout that is added.
    pub(crate) residual: Option<&'a [f32]>,
    /// Distance between rows, in values.
    pub(crate) stride: usize,
    /// The destination column of the product's first column.
    pub(crate) column: usize,
    pub(crate) clamp: Clamp,
    /// Quantization of the clamped output, if any.
    pub(crate) quantization: Option<QuantParams>,
}

impl Target<'_> {
    /// Compute some panels of `packed`. The results are rows of the target from `row` on: `height` of them, four at most.
    ///
    /// # Safety
    /// Each of `rows` must be valid for `packed.k()` reads, and `packed.k()` must not be zero.
    pub(crate) unsafe fn compute(
        &mut self,
        rows: [*const f32; ROWS],
        packed: &Packed,
        panels: Range<usize>,
        row: usize,
        height: usize,
    ) {
        let height = ROWS.min(height);
        // The panels that the kernels can write in place.
        let whole = panels.end.min(packed.n / COLUMNS).max(panels.start) - panels.start;
        let whole = match height {
            ROWS => panels.start..panels.start + whole,
            _ => panels.start..panels.start + whole / PANELS_ABREAST * PANELS_ABREAST,
        };
        let tile = |panels: Range<usize>| Tile {
            rows,
            k: packed.k,
            panels: panels.len(),
            weights: packed.panels(panels),
            clamp: self.clamp,
        };
        let start = row * self.stride + self.column;
        if height < ROWS && !whole.is_empty() {
            // One by one, three rows take three quarters of the time of a tile.
            for (at, &values) in rows.iter().take(height).enumerate() {
                let start = start + at * self.stride;
                let columns = start + whole.start * COLUMNS..start + whole.end * COLUMNS;
                let one = Row {
                    // SAFETY: the caller guarantees `k` values.
                    values: unsafe { std::slice::from_raw_parts(values, packed.k) },
                    weights: packed.panels(whole.clone()),
                    clamp: self.clamp,
                };
                let c = &mut self.c[columns.clone()];
                one.compute(c, self.residual.map(|residual| &residual[columns]));
                if let Some(params) = self.quantization {
                    params.fake_quantize(c);
                }
            }
        } else if !whole.is_empty() {
            let first = start + whole.start * COLUMNS;
            let end = first + (ROWS - 1) * self.stride + whole.len() * COLUMNS;
            let c = &mut self.c[first..end];
            let residual = match self.residual {
                Some(residual) => residual[first..end].as_ptr(),
                None => std::ptr::null(),
            };
            // SAFETY: the slices contain four rows, `stride` apart, of eight values per panel. The caller guarantees `rows`.
            unsafe { tile(whole.clone()).compute(c.as_mut_ptr(), self.stride, residual) };
            if let Some(params) = self.quantization {
                let rows = c.chunks_mut(self.stride);
                rows.for_each(|row| {
                    let width = row.len().min(whole.len() * COLUMNS);
                    params.fake_quantize(&mut row[..width]);
                });
            }
        }
        // At the edges the kernel would write outside the target: compute into a buffer and copy the part that fits.
        for panel in whole.end..panels.end {
            let width = COLUMNS.min(packed.n - panel * COLUMNS);
            let start = start + panel * COLUMNS;
            let mut results = [0.0; ROWS * COLUMNS];
            let mut added = [-0.0; ROWS * COLUMNS];
            if let Some(residual) = self.residual {
                for row in 0..height {
                    let from = start + row * self.stride;
                    added[row * COLUMNS..][..width].copy_from_slice(&residual[from..from + width]);
                }
            }
            // SAFETY: both arrays contain four rows of eight values. The caller guarantees `rows`.
            unsafe {
                tile(panel..panel + 1).compute(results.as_mut_ptr(), COLUMNS, added.as_ptr());
            }
            if let Some(params) = self.quantization {
                params.fake_quantize(&mut results);
            }
            for row in 0..height {
                let to = start + row * self.stride;
                self.c[to..to + width].copy_from_slice(&results[row * COLUMNS..][..width]);
            }
        }
    }

    /// Compute some whole panels for the rows of `a`, a multiple of four, with a single bounds check.
    fn whole(&mut self, a: &[f32], packed: &Packed, panels: Range<usize>) {
        let (k, n) = (packed.k, self.stride);
        let height = a.len() / k;
        let columns = self.column + panels.start * COLUMNS..self.column + panels.end * COLUMNS;
        assert!(height.is_multiple_of(ROWS) && a.len() == height * k && columns.end <= n);
        if columns.is_empty() {
            return;
        }
        let c = &mut self.c[..height * n];
        let residual = self.residual.map(|residual| &residual[..height * n]);
        let mut tile = Tile {
            rows: [std::ptr::null(); ROWS],
            k,
            panels: panels.len(),
            weights: packed.panels(panels),
            clamp: self.clamp,
        };
        for row in (0..height).step_by(ROWS) {
            let at = row * n + columns.start;
            // SAFETY: from this row on there are four rows, with `k` values each in `a`, and `n` each in `c` and
            // `residual`, which include the columns.
            unsafe {
                tile.rows = std::array::from_fn(|next| a.as_ptr().add((row + next) * k));
                let residual = residual.map_or(std::ptr::null(), |values| values.as_ptr().add(at));
                tile.compute(c.as_mut_ptr().add(at), n, residual);
            }
        }
    }

    /// The product for `k = 0`: the biases.
    pub(crate) fn biases(&mut self, packed: &Packed, row: usize) {
        for column in 0..packed.n {
            let at = row * self.stride + self.column + column;
            let added = self.residual.map_or(-0.0, |residual| residual[at]);
            let panel = column / COLUMNS;
            let bias = packed.panels(panel..panel + 1)[column % COLUMNS];
            self.c[at] = self.clamp.apply(bias + added);
            if let Some(params) = self.quantization {
                params.fake_quantize(&mut self.c[at..=at]);
            }
        }
    }
}

/// Bytes of a block of packed weights, which is multiplied with all rows before the next block: it stays in the L2
/// cache together with the rows.
const BLOCK_BYTES: usize = 512 * 1024;

/// The number of panels in a block.
pub(crate) fn panels_per_block(k: usize) -> usize {
    (BLOCK_BYTES / ((k + 1) * COLUMNS * size_of::<f32>())).max(1)
}

/// `c = clamp(a * packed + residual)`: `a` is row-major `[m, k]`, `c` and `residual` are `[m, n]`.
///
/// # Panics
/// If a slice has another length.
pub fn gemm(
    m: usize,
    a: &[f32],
    packed: &Packed,
    residual: Option<&[f32]>,
    clamp: Clamp,
    c: &mut [f32],
) {
    let target = Target {
        c,
        residual,
        stride: packed.n,
        column: 0,
        clamp,
        quantization: None,
    };
    gemm_into(m, a, packed, target);
}

/// Like [`gemm`], with a target that has as many columns as the product.
pub(crate) fn gemm_into(m: usize, a: &[f32], packed: &Packed, mut target: Target<'_>) {
    let (k, n) = (packed.k, packed.n);
    assert_eq!(a.len(), m * k, "rows");
    assert_eq!(target.c.len(), m * n, "results");
    assert!(
        target
            .residual
            .is_none_or(|residual| residual.len() == m * n),
        "residual"
    );
    let panels = n.div_ceil(COLUMNS);
    if k == 0 {
        (0..m).for_each(|row| target.biases(packed, row));
        return;
    }
    let step = panels_per_block(k);
    let whole = match target.quantization {
        None => m / ROWS * ROWS,
        // Outputs are quantized after each tile, while it is in the cache.
        Some(_) => 0,
    };
    for block in (0..panels).step_by(step) {
        let all = block..panels.min(block + step);
        let mut remaining = all.clone();
        if whole > 0 {
            let panels = all.start..all.end.min(n / COLUMNS).max(all.start);
            target.whole(&a[..whole * k], packed, panels.clone());
            remaining.start = panels.end;
        }
        let first = match remaining.is_empty() {
            true => whole,
            false => 0,
        };
        for row in (first..m).step_by(ROWS) {
            let panels = match row < whole {
                true => remaining.clone(),
                false => all.clone(),
            };
            let rows = std::array::from_fn(|at| a[(row + at).min(m - 1) * k..][..k].as_ptr());
            // SAFETY: each pointer points to `k` values of `a`.
            unsafe { target.compute(rows, packed, panels, row, m - row) };
        }
    }
}
