//! The innermost part of an f32 matrix product: a tile of four rows and eight columns, or of one row and 32 columns.

use crate::gemm::Clamp;
#[cfg(target_arch = "wasm32")]
use crate::layout::unrolled;
use crate::layout::{COLUMNS, PANELS_ABREAST, ROWS};

/// Stands in for a missing residual. Adding -0 leaves every sum unchanged, even -0.
static NO_RESIDUAL: [f32; PANELS_ABREAST * COLUMNS] = [-0.0; PANELS_ABREAST * COLUMNS];

/// Four rows of a product, and some panels of eight columns.
pub(crate) struct Tile<'a> {
    /// Pointers to `k` values each.
    pub(crate) rows: [*const f32; ROWS],
    /// Values in a row, not zero.
    pub(crate) k: usize,
    /// Number of panels, not zero.
    pub(crate) panels: usize,
    /// For each panel eight biases, then eight weights for each value of a row.
    pub(crate) weights: &'a [f32],
    pub(crate) clamp: Clamp,
}

#[cfg(target_arch = "wasm32")]
unsafe extern "C" {
    kernel! {
        /// In `codegen/gemm.rs`.
        fn infer_gemm_4x8 | infer_gemm_short_4x8(
            panels: usize,
            k: usize,
            rows: *const [*const f32; ROWS],
            weights: *const f32,
            c: *mut f32,
            row_bytes: usize,
            residual: *const f32,
            residual_bytes: usize,
            clamp: *const Clamp,
        )
    }

    /// In `codegen/gemm.rs`.
    fn infer_gemm_1x32(
        blocks: usize,
        k: usize,
        row: *const f32,
        weights: *const f32,
        panel_bytes: usize,
        c: *mut f32,
        residual: *const f32,
        residual_bytes: usize,
        clamp: *const Clamp,
    );
}

impl Tile<'_> {
    /// Compute the tile into four rows at `c` that are `stride` values apart. `residual` has the same layout and is
    /// added; it may be null.
    ///
    /// # Safety
    /// Each row pointer must be valid for `k` reads, and `c` for writes of eight values per panel in each of the four
    /// rows. `residual` must be null or valid for reads of as many values.
    pub(crate) unsafe fn compute(&self, c: *mut f32, stride: usize, residual: *const f32) {
        debug_assert_eq!(self.weights.len(), self.panels * (self.k + 1) * COLUMNS);
        debug_assert!(self.k > 0 && self.panels > 0);
        let (residual, residual_stride) = match residual.is_null() {
            true => (NO_RESIDUAL.as_ptr(), 0),
            false => (residual, stride),
        };
        #[cfg(target_arch = "wasm32")]
        // SAFETY: the kernel reads `k` values of each row and all weights. The caller guarantees the pointers.
        unsafe {
            let kernel = match self.k <= unrolled::GEMM {
                true => infer_gemm_short_4x8,
                false => infer_gemm_4x8,
            };
            kernel(
                self.panels,
                self.k,
                &raw const self.rows,
                self.weights.as_ptr(),
                c,
                stride * size_of::<f32>(),
                residual,
                residual_stride * size_of::<f32>(),
                match self.clamp == Clamp::NONE {
                    true => std::ptr::null(),
                    false => &raw const self.clamp,
                },
            );
        }
        #[cfg(not(target_arch = "wasm32"))]
        for (panel, weights) in self
            .weights
            .chunks_exact((self.k + 1) * COLUMNS)
            .enumerate()
        {
            let added = if residual_stride == 0 {
                0
            } else {
                panel * COLUMNS
            };
            // SAFETY: as above, for one panel.
            unsafe {
                let (c, residual) = (c.add(panel * COLUMNS), residual.add(added));
                self.compute_plainly(weights, c, stride, residual, residual_stride);
            }
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    unsafe fn compute_plainly(
        &self,
        panel: &[f32],
        c: *mut f32,
        stride: usize,
        residual: *const f32,
        residual_stride: usize,
    ) {
        let (bias, weights) = panel.split_at(COLUMNS);
        let mut sums = [[0.0f32; COLUMNS]; ROWS];
        for (row, sum) in sums.iter_mut().enumerate() {
            for (column, (sum, bias)) in sum.iter_mut().zip(bias).enumerate() {
                // SAFETY: the caller guarantees eight values in each of four rows.
                *sum = bias + unsafe { *residual.add(row * residual_stride + column) };
            }
        }
        for (step, weights) in weights.chunks_exact(COLUMNS).enumerate() {
            for (sum, row) in sums.iter_mut().zip(self.rows) {
                // SAFETY: the caller guarantees `k` values in each row.
                let value = unsafe { *row.add(step) };
                for (sum, weight) in sum.iter_mut().zip(weights) {
                    *sum += value * weight;
                }
            }
        }
        for (row, sum) in sums.iter().enumerate() {
            for (column, &sum) in sum.iter().enumerate() {
                // SAFETY: the caller guarantees eight values in each of four rows.
                unsafe { *c.add(row * stride + column) = self.clamp.apply(sum) };
            }
        }
    }
}

/// One row of a product, and some blocks of 32 columns. A [`Tile`] takes as long for one row as for four.
pub(crate) struct Row<'a> {
    /// The row, not empty.
    pub(crate) values: &'a [f32],
    /// A multiple of four panels: for each panel eight biases, then eight weights for each value of the row.
    pub(crate) weights: &'a [f32],
    pub(crate) clamp: Clamp,
}

impl Row<'_> {
    /// Compute the row; `residual` is added.
    pub(crate) fn compute(&self, c: &mut [f32], residual: Option<&[f32]>) {
        let panel = (self.values.len() + 1) * COLUMNS;
        assert!(c.len().is_multiple_of(PANELS_ABREAST * COLUMNS) && !c.is_empty());
        assert_eq!(self.weights.len(), c.len() / COLUMNS * panel);
        assert!(residual.is_none_or(|residual| residual.len() == c.len()));
        assert!(!self.values.is_empty());
        #[cfg(target_arch = "wasm32")]
        // SAFETY: the kernel reads the slices, whose lengths are checked above, and writes `c`.
        unsafe {
            infer_gemm_1x32(
                c.len() / (PANELS_ABREAST * COLUMNS),
                self.values.len(),
                self.values.as_ptr(),
                self.weights.as_ptr(),
                panel * size_of::<f32>(),
                c.as_mut_ptr(),
                residual.unwrap_or(&NO_RESIDUAL).as_ptr(),
                residual.map_or(0, |_| PANELS_ABREAST * COLUMNS * size_of::<f32>()),
                &raw const self.clamp,
            );
        }
        #[cfg(not(target_arch = "wasm32"))]
        for (at, (sums, weights)) in c
            .chunks_exact_mut(COLUMNS)
            .zip(self.weights.chunks_exact(panel))
            .enumerate()
        {
            let residual = residual.map(|residual| &residual[at * COLUMNS..][..COLUMNS]);
            let (bias, weights) = weights.split_at(COLUMNS);
            for (column, sum) in sums.iter_mut().enumerate() {
                *sum = bias[column] + residual.map_or(-0.0, |residual| residual[column]);
            }
            for (value, weights) in self.values.iter().zip(weights.chunks_exact(COLUMNS)) {
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += value * weight;
                }
            }
            for sum in sums {
                *sum = self.clamp.apply(*sum);
            }
        }
    }
}
